//! A line on every page, so that nobody takes it for a real one.

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

/// The largest page in bytes.
const PAGE_MOST: usize = 4 * 1024 * 1024;
const BANNER: &str = "<aside aria-label=\"Test mode\"><strong>TEST MODE</strong>: a server for automated tests. Approve nothing here that matters.</aside>";

/// Adds the line to a page; other responses stay as they are. A page must not be compressed.
pub(super) async fn with_banner(response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("text/html")) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(page) = to_bytes(body, PAGE_MOST).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Some(page) = std::str::from_utf8(&page).ok().and_then(marked) else {
        return Response::from_parts(parts, Body::from(page));
    };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(page))
}

/// The page with the line at the top of its body, if it has one.
fn marked(page: &str) -> Option<String> {
    let body = page.find("<body")?;
    let top = body + page[body..].find('>')? + 1;
    Some(format!("{}{BANNER}{}", &page[..top], &page[top..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_the_first_of_the_body() {
        let page = "<html><body class=\"a\"><h1>x</h1></body></html>";
        let wanted = page.replace("<h1>", &format!("{BANNER}<h1>"));
        assert_eq!(marked(page), Some(wanted));
        assert_eq!(marked("<p>part of a page</p>"), None);
    }
}
