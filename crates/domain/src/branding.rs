//! How a service presents itself to people: a name in words of its own, and a logo. Devices show both.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::invalid::Invalid;
use crate::text::ServiceLabel;

/// The most bytes of a logo.
pub const MAX_LOGO: usize = 16 * 1024;
/// The shortest and the longest side of a logo, in pixels. A small file may hold a picture that fills a device's memory.
const SIDES: std::ops::RangeInclusive<u32> = 16..=512;

/// The label and logo of a service; `None`: it has none. Stored with its settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Branding {
    /// The name that devices show in place of the service's `FriendlyName`.
    pub label: Option<ServiceLabel>,
    /// The logo, which is stored beside the settings.
    pub logo: Option<LogoName>,
}

/// The format of a logo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
}

impl ImageKind {
    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }
}

/// A hash of a logo. Its address has it, so a changed logo has another address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogoHash([u8; 16]);

impl LogoHash {
    /// Parses 32 hexadecimal digits.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(Invalid::because("must be 32 hexadecimal digits"))
    }
}

impl fmt::Display for LogoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl Serialize for LogoHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogoHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A logo without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoName {
    /// The format.
    pub kind: ImageKind,
    /// The hash of the bytes.
    pub hash: LogoHash,
    /// The number of bytes, which a quota counts.
    #[serde(default)]
    pub bytes: u32,
}

/// A logo: a whole PNG or JPEG within the bounds.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    name: LogoName,
    bytes: Vec<u8>,
}

impl Logo {
    /// Reads standard base64.
    ///
    /// # Errors
    /// The text is no base64, or the bytes are not a logo.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        // Four characters hold three bytes.
        if text.len() > MAX_LOGO.div_ceil(3) * 4 {
            return Err(TOO_LARGE);
        }
        let bytes = STANDARD.decode(text).map_err(|_| Invalid::because("must be base64"))?;
        Self::of(bytes)
    }

    /// Reads an image. Its content decides the format.
    ///
    /// # Errors
    /// The bytes are no PNG and no JPEG, or out of bounds.
    pub fn of(bytes: Vec<u8>) -> Result<Self, Invalid> {
        if bytes.len() > MAX_LOGO {
            return Err(TOO_LARGE);
        }
        let (kind, (width, height)) = png(&bytes)
            .map(|size| (ImageKind::Png, size))
            .or_else(|| jpeg(&bytes).map(|size| (ImageKind::Jpeg, size)))
            .ok_or(Invalid::because("must be a PNG or a JPEG"))?;
        if !SIDES.contains(&width) || !SIDES.contains(&height) {
            return Err(Invalid::because("must have sides of 16 to 512 pixels"));
        }
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest(&SHA256, &bytes).as_ref()[..16]);
        let name = LogoName { kind, hash: LogoHash(hash), bytes: size_of_bounded(&bytes) };
        Ok(Self { name, bytes })
    }

    /// Its format and hash.
    pub const fn name(&self) -> LogoName {
        self.name
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logo").field("name", &self.name).finish_non_exhaustive()
    }
}

fn size_of_bounded(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

const TOO_LARGE: Invalid = Invalid::because("must have at most 16384 bytes");

/// The sides of a PNG, which stand in its first chunk; `None` if it is none, or if its end is missing.
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";
    let rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
    let (width, rest) = rest.split_first_chunk()?;
    let (height, rest) = rest.split_first_chunk()?;
    let size = (u32::from_be_bytes(*width), u32::from_be_bytes(*height));
    rest.ends_with(END).then_some(size)
}

/// The sides of a JPEG, which stand in its frame header; `None` if it is none, or if its end is missing.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    if !rest.ends_with(b"\xff\xd9") {
        return None;
    }
    // Each segment takes four bytes of the bounded file at least.
    loop {
        let ([0xff, marker, high, low], after) = rest.split_first_chunk::<4>()? else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match *marker {
            // A frame header: precision, height, width. C4, C8 and CC are other segments.
            0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(marker) => {
                let &[_, h1, h2, w1, w2, ..] = after else { return None };
                let side = |bytes| u32::from(u16::from_be_bytes(bytes));
                return Some((side([w1, w2]), side([h1, h2])));
            }
            // The picture begins without a frame header, or a marker has no length.
            0xda | 0xd0..=0xd9 | 0x00 | 0x01 => return None,
            _ => rest = after.get(length.checked_sub(2)?..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn png_of(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend(b"\x08\x06\0\0\0....\0\0\0\0IEND\xae\x42\x60\x82");
        bytes
    }

    fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = b"\xff\xd8\xff\xe0\0\x04JF\xff\xc2\0\x0b\x08".to_vec();
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend(b"\x01\x01\x11\0\xff\xda\0\x02...\xff\xd9");
        bytes
    }

    #[test]
    fn the_content_decides_the_format() {
        let png = Logo::of(png_of(64, 32)).unwrap();
        assert_eq!(png.name().kind.media_type(), "image/png");
        let jpeg = Logo::of(jpeg_of(512, 16)).unwrap();
        assert_eq!(jpeg.name().kind, ImageKind::Jpeg);
        assert_ne!(png.name().hash, jpeg.name().hash);
        assert_eq!(usize::try_from(png.name().bytes).unwrap(), png.bytes().len());
        let text = png.name().hash.to_string();
        assert_eq!(LogoHash::parse(&text), Ok(png.name().hash));
        assert_eq!(Logo::parse(&STANDARD.encode(png.bytes())), Ok(png));
    }

    #[test]
    fn a_picture_that_is_too_large_or_of_another_format_is_refused() {
        let why = |bytes: Vec<u8>| Logo::of(bytes).unwrap_err().to_string();
        for (width, height) in [(513, 64), (64, 513), (15, 64), (64, 0), (30_000, 30_000)] {
            assert_eq!(why(png_of(width, height)), "must have sides of 16 to 512 pixels");
        }
        assert_eq!(why(jpeg_of(513, 64)), "must have sides of 16 to 512 pixels");
        let mut long = png_of(64, 64);
        long.splice(40..40, vec![0; MAX_LOGO]);
        assert_eq!(why(long), "must have at most 16384 bytes");
        let mut cut = png_of(64, 64);
        cut.pop();
        let svg =
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec();
        let html = b"<!doctype html><script>alert(1)</script>".to_vec();
        for other in
            [cut, svg, html, b"GIF89a".to_vec(), b"\xff\xd8\xff\xda\0\x02\xff\xd9".to_vec(), vec![]]
        {
            assert_eq!(why(other), "must be a PNG or a JPEG");
        }
        assert_eq!(Logo::parse("####").unwrap_err().to_string(), "must be base64");
        assert_eq!(Logo::parse(&"A".repeat(30_000)).unwrap_err(), TOO_LARGE);
        assert!(LogoHash::parse("00").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_logo_or_none(bytes: Vec<u8>, behind in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Logo::of(bytes);
            let mut jpeg = b"\xff\xd8".to_vec();
            jpeg.extend(&behind);
            jpeg.extend(b"\xff\xd9");
            let _ = Logo::of(jpeg);
        }
    }
}
