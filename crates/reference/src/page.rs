//! The page around the operations.

use std::fmt::Write as _;

use serde_json::Value;

use crate::operation::{self, escape, text};

/// Renders the page. `files` is the folder of its style sheets, relative to the page.
pub(crate) fn render(description: &Value, has_console: bool, files: &str) -> String {
    let version = escape(text(&description["info"], "version"));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Countersign {version}: API reference</title>\
         <link rel=\"icon\" href=\"{files}/icon.svg\">\
         <link rel=\"stylesheet\" href=\"{files}/common.css\">\
         <link rel=\"stylesheet\" href=\"{files}/reference.css\"></head><body>\
         <header><h1>Countersign {version}</h1><p>An application asks, and a person's device answers with a signature.</p>\
         <ul><li><a href=\"authenticator\">Authenticator</a>: make this browser a device</li>"
    );
    if has_console {
        html.push_str("<li><a href=\"console\">Console</a>: for operators</li>");
    }
    html.push_str(
        "<li><a href=\"#operations\">API reference</a>: every call, below</li>\
         <li><a href=\"openapi.json\">Description</a>: the same as data (OpenAPI), for generators</li></ul></header>",
    );
    let groups = groups(description);
    html.push_str("<nav aria-label=\"Operations\"><h2 id=\"operations\">API reference</h2>");
    for (name, operations) in &groups {
        let _ = write!(html, "<h3>{}</h3><ul>", escape(&spaced(name)));
        for (method, path, call) in operations {
            let (id, method, path) =
                (text(call, "operationId"), method.to_uppercase(), escape(path));
            let _ = write!(html, "<li><a href=\"#{id}\"><b>{method}</b> {path}</a></li>");
        }
        html.push_str("</ul>");
    }
    html.push_str("</nav><main>");
    for (name, operations) in &groups {
        let _ = write!(html, "<section><h2>{}</h2>", escape(&spaced(name)));
        for (method, path, call) in operations {
            operation::render(&mut html, description, (method, path), call);
        }
        html.push_str("</section>");
    }
    html.push_str("</main></body></html>\n");
    html
}

/// An operation: its method, path and description.
type Operation<'a> = (&'a str, &'a str, &'a Value);

/// The operations by their tags, in the order of the tags.
fn groups(description: &Value) -> Vec<(&str, Vec<Operation<'_>>)> {
    let tags = description["tags"].as_array().into_iter().flatten();
    let paths = || description["paths"].as_object().into_iter().flatten();
    let of = |tag: &str| {
        let all = paths().flat_map(|(path, calls)| {
            let calls = calls.as_object().into_iter().flatten();
            calls.map(move |(method, call)| (method.as_str(), path.as_str(), call))
        });
        all.filter(|(_, _, call)| call["tags"][0] == tag).collect::<Vec<_>>()
    };
    let groups = tags.filter_map(|tag| tag["name"].as_str()).map(|tag| (tag, of(tag)));
    groups.filter(|(_, operations)| !operations.is_empty()).collect()
}

/// `VerifyV2NewFactor` as `New Factor`.
fn spaced(tag: &str) -> String {
    let name =
        ["VerifyV2", "NotifyV1", "Countersign"].iter().find_map(|begin| tag.strip_prefix(begin));
    let mut words = String::new();
    for letter in name.unwrap_or(tag).chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter);
    }
    words
}
