//! The files that pages are made of, embedded in the binary; in a development build they are read from the folder when the
//! server starts. Most lie under a path that names the contents of all together, so that a browser keeps them for ever and
//! never mixes two versions.

use std::collections::BTreeMap;
use std::io::Write as _;

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use rust_embed::RustEmbed;

/// Whatever all pages need.
#[derive(RustEmbed)]
#[folder = "shared/"]
struct Shared;

/// Where a file at a fixed place wants to know the version, or the names of all files under it.
const VERSION: &str = "{version}";
const FILES: &str = "{files}";

/// Its name says what is in it.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// It has a fixed name: ask each time whether it is still the same.
const UNTIL_ASKED: &str = "no-cache";

/// The files of a page, read and compressed once.
#[derive(Debug)]
pub struct Assets {
    version: String,
    files: BTreeMap<String, Asset>,
}

/// One file.
#[derive(Debug)]
pub struct Asset {
    content_type: &'static str,
    plain: Bytes,
    /// Where it is worth it.
    gzip: Option<Bytes>,
    /// Names the contents.
    etag: HeaderValue,
    is_fixed: bool,
}

impl Assets {
    /// The files of a folder, and those that all pages share. The ones that `fixed` names lie at fixed places; in them
    /// `{version}` and `{files}`, the names of all others, are filled in.
    ///
    /// # Panics
    /// What lies at a fixed place is no text.
    pub fn read<Folder: RustEmbed>(fixed: &[&str]) -> Self {
        let mut folder = BTreeMap::new();
        gather::<Shared>(&mut folder);
        gather::<Folder>(&mut folder);
        let mut all = Context::new(&SHA256);
        for (name, contents) in &folder {
            all.update(&digest(name.as_bytes()));
            all.update(&digest(contents));
        }
        let version = hex(&all.finish().as_ref()[..8]);
        let is_fixed = |name: &str| fixed.contains(&name);
        let names: Vec<&str> =
            folder.keys().map(String::as_str).filter(|name| !is_fixed(name)).collect();
        let names = names.join(" ");
        let fill = |contents: Vec<u8>| {
            let text = String::from_utf8(contents).expect("what lies at a fixed place is text");
            text.replace(VERSION, &version).replace(FILES, &names).into_bytes()
        };
        let files = folder
            .into_iter()
            .map(|(name, contents)| {
                let is_fixed = is_fixed(&name);
                let contents = if is_fixed { fill(contents) } else { contents };
                let asset = Asset::of(&name, contents, is_fixed);
                (name, asset)
            })
            .collect();
        Self { version, files }
    }

    /// Sixteen hexadecimal digits that name the contents of all files together.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// All files, by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Asset)> {
        self.files.iter().map(|(name, asset)| (name.as_str(), asset))
    }

    /// The answer with a file under the path of the version; `None` if there is none, or it is another version's.
    pub fn versioned(&self, version: &str, name: &str, asked: &HeaderMap) -> Option<Response> {
        let asset = self.files.get(name).filter(|_| version == self.version)?;
        Some(asset.answer(FOR_EVER, asked))
    }

    /// The answer with a file at a fixed place.
    pub fn fixed(&self, name: &str, asked: &HeaderMap) -> Option<Response> {
        let asset = self.files.get(name).filter(|asset| asset.is_fixed)?;
        Some(asset.answer(UNTIL_ASKED, asked))
    }
}

fn gather<Folder: RustEmbed>(into: &mut BTreeMap<String, Vec<u8>>) {
    for name in Folder::iter() {
        if let Some(file) = Folder::get(&name) {
            into.insert(name.to_string(), file.data.into_owned());
        }
    }
}

impl Asset {
    fn of(name: &str, contents: Vec<u8>, is_fixed: bool) -> Self {
        let content_type = content_type(name);
        let contents = if is_source(name) { without_comments(contents) } else { contents };
        // Pictures are compressed already.
        let gzip = (content_type != "image/png").then(|| gzip(&contents));
        let etag = format!("\"{}\"", hex(&digest(&contents)[..16]));
        let etag = HeaderValue::try_from(etag).expect("hexadecimal digits fit into a header");
        Self { content_type, gzip, plain: contents.into(), etag, is_fixed }
    }

    /// What is in it.
    pub fn contents(&self) -> &[u8] {
        &self.plain
    }

    /// How many bytes go over the wire to a browser that takes gzip.
    pub fn weight(&self) -> usize {
        self.gzip.as_ref().unwrap_or(&self.plain).len()
    }

    fn answer(&self, kept: &'static str, asked: &HeaderMap) -> Response {
        let knows = asked.get_all(IF_NONE_MATCH).iter().any(|tag| *tag == self.etag);
        let mut response = if knows {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let gzip = self.gzip.as_ref().filter(|_| takes_gzip(asked));
            let mut response = Response::new(Body::from(gzip.unwrap_or(&self.plain).clone()));
            if gzip.is_some() {
                response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            let content_type = HeaderValue::from_static(self.content_type);
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            response
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
        response
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether a file is a script or a style sheet as somebody wrote it. Those that a tool has made smaller keep their licence.
fn is_source(name: &str) -> bool {
    (name.ends_with(".js") && !name.ends_with(".min.js")) || name.ends_with(".css")
}

/// The text without indentation and without lines that hold nothing but a comment: a quarter of what a browser would load.
/// No string of ours goes over several lines.
fn without_comments(contents: Vec<u8>) -> Vec<u8> {
    let Ok(text) = str::from_utf8(&contents) else { return contents };
    let mut kept = String::with_capacity(text.len());
    let mut is_comment = false;
    for line in text.lines().map(str::trim) {
        is_comment |= line.starts_with("/*");
        if !is_comment && !line.is_empty() && !line.starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
        is_comment &= !line.ends_with("*/");
    }
    kept.into_bytes()
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|codings| {
        codings.split(',').any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && quality.replace(' ', "") != "q=0"
        })
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_indentation_stay_at_home() {
        let source = "// What it is.\n/**\n * Says `*` and\n * more.\n */\nlet a = \"//\"; // kept\n\n  /* one line */\n    b();\n\
                      /* two\n   lines */\n.c {\n  d: e;\n}\n";
        let kept = without_comments(source.as_bytes().to_vec());
        assert_eq!(
            String::from_utf8(kept).as_deref(),
            Ok("let a = \"//\"; // kept\nb();\n.c {\nd: e;\n}\n")
        );
        assert!(is_source("app.js") && is_source("style.css"));
        assert!(!is_source("qr-0.7.0.min.js") && !is_source("index.html"));
    }
}
