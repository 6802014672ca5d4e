//! The files, embedded in the binary; in a development build they are read from the folder when the server starts.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::OnceLock;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "authenticator/"]
struct Folder;

/// Where a file at a fixed place wants to know the version, or the names of all files under it.
const VERSION: &str = "{version}";
const FILES: &str = "{files}";

/// All files.
pub(super) struct Assets {
    version: String,
    files: BTreeMap<String, Asset>,
}

/// One file.
pub(super) struct Asset {
    pub(super) content_type: &'static str,
    pub(super) plain: Bytes,
    /// Where it is worth it.
    pub(super) gzip: Option<Bytes>,
    /// Names the contents.
    pub(super) etag: HeaderValue,
}

impl Assets {
    /// The files, read and compressed once.
    pub(super) fn get() -> &'static Self {
        static ASSETS: OnceLock<Assets> = OnceLock::new();
        ASSETS.get_or_init(Self::read)
    }

    /// Sixteen hexadecimal digits that name the contents of all files together.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// A file by its name.
    pub(super) fn file(&self, name: &str) -> Option<&Asset> {
        self.files.get(name)
    }

    #[cfg(test)]
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &Asset)> {
        self.files.iter().map(|(name, asset)| (name.as_str(), asset))
    }

    fn read() -> Self {
        let folder: BTreeMap<String, Vec<u8>> = Folder::iter()
            .filter_map(|name| Some((name.to_string(), Folder::get(&name)?.data.into_owned())))
            .collect();
        let mut all = Context::new(&SHA256);
        for (name, contents) in &folder {
            all.update(&digest(name.as_bytes()));
            all.update(&digest(contents));
        }
        let version = hex(&all.finish().as_ref()[..8]);
        let names: Vec<&str> =
            folder.keys().map(String::as_str).filter(|name| is_versioned(name)).collect();
        let names = names.join(" ");
        let fill = |name: &str, contents: Vec<u8>| {
            if is_versioned(name) {
                return contents;
            }
            let text = String::from_utf8(contents).expect("what is not a picture is text");
            text.replace(VERSION, &version).replace(FILES, &names).into_bytes()
        };
        let files = folder
            .iter()
            .map(|(name, contents)| (name.clone(), Asset::of(name, fill(name, contents.clone()))))
            .collect();
        Self { version, files }
    }
}

impl Asset {
    fn of(name: &str, contents: Vec<u8>) -> Self {
        let content_type = content_type(name);
        // Pictures are compressed already.
        let gzip = (content_type != "image/png").then(|| gzip(&contents));
        let etag = format!("\"{}\"", hex(&digest(&contents)[..16]));
        let etag = HeaderValue::try_from(etag).expect("hexadecimal digits fit into a header");
        Self { content_type, gzip, plain: contents.into(), etag }
    }
}

/// Whether a file is reached through the path of the version, and not at a fixed place.
fn is_versioned(name: &str) -> bool {
    !matches!(name, "index.html" | "sw.js" | "manifest.webmanifest")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

fn gzip(contents: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(contents).expect("memory takes what is written");
    encoder.finish().expect("memory takes what is written").into()
}

fn digest(contents: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(aws_lc_rs::digest::digest(&SHA256, contents).as_ref());
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
