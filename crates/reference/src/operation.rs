//! One operation: its parameters, its form and its responses.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Adds an operation to the page.
pub(crate) fn render(html: &mut String, all: &Value, (method, path): (&str, &str), call: &Value) {
    let (id, method, path) = (text(call, "operationId"), method.to_uppercase(), escape(path));
    let _ = write!(
        html,
        "<article id=\"{id}\"><h3><b>{method}</b> <code>{path}</code></h3><p>{}</p>",
        escape(text(call, "summary"))
    );
    paragraphs(html, text(call, "description"));
    let parameters: Vec<&Value> =
        call["parameters"].as_array().into_iter().flatten().map(|one| resolve(all, one)).collect();
    let rows = parameters.iter().map(|one| {
        let (name, place) = (text(one, "name"), text(one, "in"));
        (
            name,
            place,
            one["required"] == true,
            resolve(all, &one["schema"]),
            text(one, "description"),
        )
    });
    table(html, "Parameters", rows.collect());
    for content in contents(resolve(all, &call["requestBody"])) {
        let schema = resolve(all, &content["schema"]);
        table(html, "Form", properties(all, schema));
    }
    responses(html, all, &call["responses"]);
    html.push_str("</article>");
}

/// A row: name, place, whether it is required, schema, description.
type Row<'a> = (&'a str, &'a str, bool, &'a Value, &'a str);

fn properties<'a>(all: &'a Value, schema: &'a Value) -> Vec<Row<'a>> {
    let required = |name: &str| {
        schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
    };
    let members = schema["properties"].as_object().into_iter().flatten();
    let rows = members.map(|(name, member)| {
        let own = text(member, "description");
        let member = resolve(all, member);
        let words = if own.is_empty() { text(member, "description") } else { own };
        (name.as_str(), "", required(name), member, words)
    });
    rows.collect()
}

fn table(html: &mut String, caption: &str, rows: Vec<Row<'_>>) {
    if rows.is_empty() {
        return;
    }
    let _ = write!(
        html,
        "<div class=\"wide\"><table><caption>{caption}</caption><tr><th scope=\"col\">Name</th>\
         <th scope=\"col\">Type</th><th scope=\"col\">Meaning</th></tr>"
    );
    for (name, place, is_required, schema, words) in rows {
        let required = if is_required { " <b>required</b>" } else { "" };
        let place = if place.is_empty() { String::new() } else { format!(" in {place}") };
        let _ = write!(
            html,
            "<tr><td><code>{}</code>{required}</td><td>{}{place}</td><td>{}</td></tr>",
            escape(name),
            escape(&kind(schema)),
            escape(words)
        );
    }
    html.push_str("</table></div>");
}

fn responses(html: &mut String, all: &Value, responses: &Value) {
    html.push_str("<ul class=\"responses\">");
    for (status, response) in responses.as_object().into_iter().flatten() {
        let words = escape(text(resolve(all, response), "description"));
        let _ = write!(html, "<li><code>{}</code> {words}</li>", escape(status));
    }
    html.push_str("</ul>");
    let success = responses.as_object().into_iter().flatten();
    for (_, response) in success.filter(|(status, _)| status.starts_with('2')) {
        for content in contents(resolve(all, response)) {
            table(html, "Response", properties(all, resolve(all, &content["schema"])));
        }
    }
}

fn contents(body: &Value) -> impl Iterator<Item = &Value> {
    body["content"].as_object().into_iter().flat_map(Map::values)
}

/// The type of a value and its bounds, in words.
fn kind(schema: &Value) -> String {
    let name = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    };
    let mut words = vec![name];
    words.extend(schema["format"].as_str().map(str::to_owned));
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(|value| value.as_str().unwrap_or("null")).collect();
        words.push(values.join(", "));
    }
    for (least, most, unit) in
        [("minLength", "maxLength", " characters"), ("minimum", "maximum", "")]
    {
        match (schema[least].as_i64(), schema[most].as_i64()) {
            (Some(least), Some(most)) if least == most => words.push(format!("{least}{unit}")),
            (Some(least), Some(most)) => words.push(format!("{least} to {most}{unit}")),
            (None, Some(most)) => words.push(format!("at most {most}{unit}")),
            (Some(least), None) => words.push(format!("at least {least}{unit}")),
            (None, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words.join("; ")
}

fn paragraphs(html: &mut String, text: &str) {
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        if paragraph.starts_with("- ") {
            html.push_str("<ul>");
            for item in paragraph.split('\n') {
                let _ = write!(html, "<li>{}</li>", escape(item.trim_start_matches("- ")));
            }
            html.push_str("</ul>");
        } else {
            let _ = write!(html, "<p>{}</p>", escape(paragraph));
        }
    }
}

/// Follows a reference within the document, once: references lead to values.
fn resolve<'a>(all: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| all.pointer(pointer)).unwrap_or(value)
}

/// A member that is a text; empty if it is absent.
pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// A text as it is written in HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}
