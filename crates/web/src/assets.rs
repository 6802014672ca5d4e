//! The files of pages, embedded in the binary; a development build reads them from their folder at start. Most files have a path
//! with a version, a hash over all files, so that a browser caches them forever and never mixes two versions.

use std::collections::BTreeMap;
use std::io::Write as _;

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use rust_embed::RustEmbed;

/// The files that all pages share.
#[derive(RustEmbed)]
#[folder = "shared/"]
struct CommonFiles;

/// Placeholder for the version in a file with a fixed path.
const VERSION: &str = "{version}";
/// Placeholder for the names of all files below the version.
const FILES: &str = "{files}";

/// Caching of a file whose path has the version.
const CACHE_FOREVER: &str = "public, max-age=31536000, immutable";
/// Caching of a file with a fixed path: the browser revalidates it each time.
const REVALIDATE: &str = "no-cache";

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
    /// The compressed contents, if compression is worthwhile.
    gzip: Option<Bytes>,
    /// A hash of the contents.
    etag: HeaderValue,
    /// Whether the file has a fixed path.
    is_fixed: bool,
}

impl Assets {
    /// Reads the files of a folder and those that all pages share. The files named in `fixed` have fixed paths; in them
    /// `{version}` and `{files}`, the names of all other files, are replaced.
    ///
    /// # Panics
    /// A file in `fixed` is not UTF-8.
    pub fn read<Folder: RustEmbed>(fixed: &[&str]) -> Self {
        let mut folder = BTreeMap::new();
        gather::<CommonFiles>(&mut folder);
        gather::<Folder>(&mut folder);
        let mut all = Context::new(&SHA256);
        for (name, contents) in &folder {
            all.update(&digest(name.as_bytes()));
            all.update(&digest(contents));
        }
        let version = HEXLOWER.encode(&all.finish().as_ref()[..8]);
        let is_fixed = |name: &str| fixed.contains(&name);
        let names: Vec<&str> =
            folder.keys().map(String::as_str).filter(|name| !is_fixed(name)).collect();
        let names = names.join(" ");
        let fill = |contents: Vec<u8>| {
            let text = String::from_utf8(contents).expect("a file with a fixed path is UTF-8");
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

    /// The version: sixteen hexadecimal digits of a hash over all files.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// All files, by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Asset)> {
        self.files.iter().map(|(name, asset)| (name.as_str(), asset))
    }

    /// The response with a file below the path of the version; `None` if there is no such file or version.
    pub fn versioned(&self, version: &str, name: &str, request: &HeaderMap) -> Option<Response> {
        let asset = self.files.get(name).filter(|_| version == self.version)?;
        Some(asset.response(CACHE_FOREVER, request))
    }

    /// The response with a file of a fixed path; `None` if there is no such file.
    pub fn fixed(&self, name: &str, request: &HeaderMap) -> Option<Response> {
        let asset = self.files.get(name).filter(|asset| asset.is_fixed)?;
        Some(asset.fixed_response(request))
    }
}

/// Adds the files of a folder to a map.
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
        // PNG is compressed already.
        let gzip = (content_type != "image/png").then(|| gzip(&contents));
        let etag = format!("\"{}\"", HEXLOWER.encode(&digest(&contents)[..16]));
        let etag = HeaderValue::try_from(etag).expect("hexadecimal digits fit into a header");
        Self { content_type, gzip, plain: contents.into(), etag, is_fixed }
    }

    /// A page that is made by a program, with a fixed path.
    pub fn page(html: String) -> Self {
        Self::of("page.html", html.into_bytes(), true)
    }

    /// The response with a file of a fixed path.
    pub fn fixed_response(&self, request: &HeaderMap) -> Response {
        self.response(REVALIDATE, request)
    }

    /// The contents, uncompressed.
    pub fn contents(&self) -> &[u8] {
        &self.plain
    }

    /// The size of the body for a browser that accepts gzip, in bytes.
    pub fn transfer_size(&self) -> usize {
        self.gzip.as_ref().unwrap_or(&self.plain).len()
    }

    fn response(&self, cache_control: &'static str, request: &HeaderMap) -> Response {
        let is_cached = request.get_all(IF_NONE_MATCH).iter().any(|tag| *tag == self.etag);
        let mut response = if is_cached {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let gzip = self.gzip.as_ref().filter(|_| accepts_gzip(request));
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
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
        response
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether a file is a script or a style sheet in source form. Minified files keep their licence comments.
fn is_source(name: &str) -> bool {
    (name.ends_with(".js") && !name.ends_with(".min.js")) || name.ends_with(".css")
}

/// Removes indentation and lines that hold only a comment, a quarter of the size. No string in these files spans several lines.
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

/// Whether a client takes a response that is compressed with gzip.
pub(crate) fn accepts_gzip(request: &HeaderMap) -> bool {
    request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|codings| {
        codings.split(',').any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && quality.replace(' ', "") != "q=0"
        })
    })
}

fn gzip(contents: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(contents).expect("writing to memory succeeds");
    encoder.finish().expect("writing to memory succeeds").into()
}

fn digest(contents: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(aws_lc_rs::digest::digest(&SHA256, contents).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_indentation_are_removed() {
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
