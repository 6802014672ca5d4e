//! The files that pages are made of, embedded in the binary, under a path that names their contents: a browser keeps
//! them for ever and never mixes two versions.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::OnceLock;

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue};
use rust_embed::RustEmbed;

use crate::fault::Fault;

#[derive(RustEmbed)]
#[folder = "files/"]
struct Folder;

/// All files.
pub(crate) struct Assets {
    version: String,
    files: BTreeMap<String, (Bytes, Bytes)>,
}

impl Assets {
    /// The files, read and compressed once.
    pub(crate) fn get() -> &'static Self {
        static ASSETS: OnceLock<Assets> = OnceLock::new();
        ASSETS.get_or_init(Self::read)
    }

    /// Sixteen hexadecimal digits that name the contents of all files together.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    #[cfg(test)]
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    fn read() -> Self {
        let folder: BTreeMap<String, Vec<u8>> = Folder::iter()
            .filter_map(|name| Some((name.to_string(), Folder::get(&name)?.data.into_owned())))
            .collect();
        let mut all = Context::new(&SHA256);
        for (name, contents) in &folder {
            for part in [name.as_bytes(), contents] {
                all.update(&part.len().to_be_bytes());
                all.update(part);
            }
        }
        let digest = all.finish();
        let version = digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let both = |contents: Vec<u8>| (Bytes::from(gzip(&contents)), Bytes::from(contents));
        let files = folder.into_iter().map(|(name, contents)| (name, both(contents))).collect();
        Self { version, files }
    }
}

/// One of the files.
pub(crate) async fn file(
    Path((version, name)): Path<(String, String)>,
    asked: HeaderMap,
) -> Result<Response, Fault> {
    let assets = Assets::get();
    let found = assets.files.get(&name).filter(|_| version == assets.version);
    let (packed, plain) = found.ok_or(Fault::NotFound)?;
    let packed = takes_gzip(&asked).then_some(packed);
    let mut response = Body::from(packed.unwrap_or(plain).clone()).into_response();
    let headers = response.headers_mut();
    if packed.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(&name)));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    let for_ever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(CACHE_CONTROL, for_ever);
    Ok(response)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|codings| {
        codings.split(',').any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && quality.replace(' ', "") != "q=0"
        })
    })
}

fn gzip(contents: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(contents).expect("memory takes what is written");
    encoder.finish().expect("memory takes what is written")
}
