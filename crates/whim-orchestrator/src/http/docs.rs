//! Serves the OpenAPI document, and as a page of plain HTML without scripts, which the strictest content security policy
//! allows.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::Value;

use super::openapi;

const DOCUMENT_PATH: &str = "/api/openapi.json";
const PAGE_PATH: &str = "/docs";
const STYLE_PATH: &str = "/docs/style.css";

/// Paths that need no key on a loopback listener (docs/decisions/0016-loopback-without-a-key.md).
pub(super) const PATHS: [&str; 3] = [DOCUMENT_PATH, PAGE_PATH, STYLE_PATH];

const STYLE: &str = include_str!("docs.css");

/// Only the style sheet is loaded, nothing is executed, and no page can embed this one.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static DOCUMENT: LazyLock<String> = LazyLock::new(openapi::text);
static PAGE: LazyLock<String> = LazyLock::new(|| page(&openapi::document()));

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(
            DOCUMENT_PATH,
            get(async || answer("application/json", DOCUMENT.as_str())),
        )
        .route(
            PAGE_PATH,
            get(async || answer("text/html; charset=utf-8", PAGE.as_str())),
        )
        .route(STYLE_PATH, get(async || answer("text/css; charset=utf-8", STYLE)))
}

fn answer(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text)
}

/// Writing to a `String` cannot fail.
macro_rules! put {
    ($page:expr, $($argument:tt)*) => {{
        let _cannot_fail = write!($page, $($argument)*);
    }};
}

fn page(document: &Value) -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Whim: the API</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/docs/style.css\">\
         </head><body><h1>Whim: the API</h1>",
    );
    let info = &document["info"];
    put!(
        page,
        "<p>Version {}. {} <a href=\"{DOCUMENT_PATH}\">The OpenAPI document</a></p>",
        text(&info["version"]),
        text(&info["description"])
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        put!(
            page,
            "<h2>{}</h2><p>{}</p>",
            text(&tag["name"]),
            text(&tag["description"])
        );
        for (path, item) in entries(&document["paths"]) {
            for (method, operation) in entries(item) {
                if operation["tags"][0] == tag["name"] {
                    put_operation(&mut page, method, path, operation);
                }
            }
        }
    }
    page.push_str("<h2>Types</h2>");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        let name = escape(name);
        put!(
            page,
            "<details id=\"{name}\"><summary><code>{name}</code></summary>"
        );
        put!(page, "<p>{}</p>", text(&schema["description"]));
        put_schema(&mut page, schema);
        page.push_str("</details>");
    }
    page.push_str("</body></html>\n");
    page
}

fn put_operation(page: &mut String, method: &str, path: &str, operation: &Value) {
    put!(
        page,
        "<details><summary><b>{}</b> <code>{}</code> {}</summary><p>{}</p>",
        escape(&method.to_uppercase()),
        escape(path),
        text(&operation["summary"]),
        text(&operation["description"])
    );
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    for parameter in parameters.filter(|parameter| parameter["name"].is_string()) {
        put!(
            page,
            "<p><code>{}</code> in the {}: {} {}</p>",
            text(&parameter["name"]),
            text(&parameter["in"]),
            type_of(&parameter["schema"]),
            text(&parameter["description"])
        );
    }
    if let Some(content) = operation["requestBody"]["content"].as_object() {
        for media in content.values() {
            put!(page, "<p>Body: {}</p>", type_of(&media["schema"]));
        }
    }
    page.push_str("<table>");
    for (status, answer) in entries(&operation["responses"]) {
        let body = entries(&answer["content"])
            .map(|(_, media)| type_of(&media["schema"]))
            .collect::<Vec<_>>();
        let reference = answer["$ref"]
            .as_str()
            .and_then(|reference| reference.rsplit('/').next());
        put!(
            page,
            "<tr><td>{}</td><td>{}{}</td><td>{}</td></tr>",
            escape(status),
            text(&answer["description"]),
            escape(reference.unwrap_or_default()),
            body.join(", ")
        );
    }
    page.push_str("</table></details>");
}

fn put_schema(page: &mut String, schema: &Value) {
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("<code>{}</code>", text(value)))
            .collect();
        put!(page, "<p>One of {}</p>", values.join(", "));
    }
    let required = schema["required"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    page.push_str("<table>");
    for (name, property) in entries(&schema["properties"]) {
        let optional = if required.contains(&Value::from(name)) {
            ""
        } else {
            "optional"
        };
        // The description of an optional field of a named type is beside the reference.
        let description = property
            .get("description")
            .unwrap_or(&property["oneOf"][0]["description"]);
        put!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td><td>{optional}</td><td>{}</td></tr>",
            escape(name),
            type_of(property),
            text(description)
        );
    }
    page.push_str("</table>");
    for part in ["allOf", "oneOf", "anyOf"] {
        for schema in schema[part].as_array().into_iter().flatten() {
            put!(page, "<p>{}: {}</p>", part, type_of(schema));
            if schema["properties"].is_object() {
                put_schema(page, schema);
            }
        }
    }
}

/// A short form of a schema; named types are links.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.rsplit('/').next())
    {
        let name = escape(name);
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    let alternatives = schema["oneOf"].as_array().into_iter().flatten();
    let mut words: Vec<String> = alternatives.map(type_of).collect();
    match &schema["type"] {
        Value::Array(types) => words.extend(types.iter().map(text)),
        name @ Value::String(_) => words.push(text(name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
    if schema["items"].is_object() {
        words.push(format!("of {}", type_of(&schema["items"])));
    }
    words.join(" ")
}

fn entries(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let entries = object.as_object().into_iter().flatten();
    entries.map(|(name, value)| (name.as_str(), value))
}

/// The text of a JSON string, for HTML; empty for anything else.
fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_of_the_document_cannot_become_markup() {
        let document = json!({
            "info": { "version": "1", "description": "<script>alert(1)</script>" },
            "components": { "schemas": { "\"><img>": { "description": "a & b" } } },
        });
        let page = page(&document);
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.contains("a &amp; b"), "{page}");
    }
}
