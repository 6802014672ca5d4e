//! The description of the API: `docs/openapi.json`, OpenAPI 3.1, kept by hand.
//!
//! Operations, schemas and parameters have the names, the types and the order of Twilio's description, so that a client that is
//! generated from this document can replace one that is generated from Twilio's. The tests compare the document with the router,
//! the error table, the responses and the limits of the domain.

#[cfg(test)]
mod tests;

/// The document, for a server that was started without configuration.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");
/// The public URL that the document contains.
const PUBLIC_URL: &str = "http://127.0.0.1:8080";

/// The description of a server whose public URL is `public_url`. Members keep the order of the document, because generators make
/// positional arguments of them.
pub fn text(public_url: &str) -> String {
    DOCUMENT.replace(PUBLIC_URL, public_url.trim_end_matches('/'))
}
