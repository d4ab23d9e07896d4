//! What a request asks of the model API, as far as the gateway has to know.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::refusal::Refusal;

/// Nesting of a body; the API's own limit is lower.
const MAX_DEPTH: u32 = 100;

/// Types of tools that run at the client, besides those without a type.
const CLIENT_TOOLS: [&str; 5] = ["custom", "bash_", "text_editor_", "computer_", "memory_"];
/// Tools that run on the API's servers and reach no network.
const OFFLINE_TOOLS: [&str; 1] = ["tool_search_tool_"];

/// A body of `/v1/messages` or `/v1/messages/count_tokens`.
///
/// A repeated field is an error: the API could read the other one.
#[derive(Debug, Deserialize)]
pub(super) struct MessagesRequest<'a> {
    #[serde(borrow)]
    pub(super) model: Cow<'a, str>,
    #[serde(borrow, default)]
    tools: Option<Vec<Tool<'a>>>,
    #[serde(default)]
    mcp_servers: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    container: Option<IgnoredAny>,
    #[serde(default)]
    messages: Content,
    #[serde(default)]
    system: Content,
}

#[derive(Debug, Deserialize)]
struct Tool<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

impl<'a> MessagesRequest<'a> {
    /// # Errors
    /// The body is no request to a model.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body).map_err(|error| Refusal::invalid(format!("the body: {error}")))
    }

    /// What makes the API's servers reach addresses that the request names: with it, an agent could send data anywhere.
    pub(super) fn reaches_network(&self) -> Option<String> {
        if self
            .mcp_servers
            .as_ref()
            .is_some_and(|servers| !servers.is_empty())
        {
            return Some("mcp_servers".to_owned());
        }
        if self.container.is_some() {
            return Some("container".to_owned());
        }
        let tools = self.tools.iter().flatten();
        let is_offline = |kind: &str| {
            CLIENT_TOOLS
                .iter()
                .chain(&OFFLINE_TOOLS)
                .any(|known| kind == *known || (known.ends_with('_') && kind.starts_with(known)))
        };
        if let Some(kind) = tools
            .filter_map(|tool| tool.kind.as_deref())
            .find(|kind| !is_offline(kind))
        {
            return Some(format!("the tool {kind:?}"));
        }
        (self.messages.names_url || self.system.names_url)
            .then(|| "an image or document with the source type \"url\"".to_owned())
    }
}

/// Any JSON, searched for objects with `"type": "url"` and a `url`. The inputs of tools are the agent's own data, which the API
/// does not interpret.
#[derive(Clone, Copy, Debug, Default)]
struct Content {
    names_url: bool,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = Search { depth: 0 }.deserialize(deserializer)?;
        Ok(Self {
            names_url: found == Found::Url,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// The text `url`.
    UrlText,
    /// An object that names a URL, at any depth.
    Url,
}

#[derive(Clone, Copy, Debug)]
struct Search {
    depth: u32,
}

impl Search {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        Ok(Self {
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Search {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search {
    type Value = Found;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        Ok(if text == "url" {
            Found::UrlText
        } else {
            Found::Nothing
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let inner = self.deeper::<A::Error>()?;
        let mut found = Found::Nothing;
        while let Some(item) = items.next_element_seed(inner)? {
            if item == Found::Url {
                found = Found::Url;
            }
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Found, A::Error> {
        let inner = self.deeper::<A::Error>()?;
        let (mut types, mut is_url_type, mut has_url, mut nested) = (0, false, false, false);
        while let Some(Key(key)) = fields.next_key()? {
            match key.as_ref() {
                "input" | "input_schema" => {
                    fields.next_value::<IgnoredAny>()?;
                }
                "type" => {
                    types += 1;
                    match fields.next_value_seed(inner)? {
                        Found::UrlText => is_url_type = true,
                        Found::Url => nested = true,
                        Found::Nothing => {}
                    }
                }
                other => {
                    has_url |= other == "url";
                    nested |= fields.next_value_seed(inner)? == Found::Url;
                }
            }
        }
        // The API could read the other one.
        if types > 1 {
            return Err(A::Error::custom("the field `type` is repeated"));
        }
        Ok(if nested || (is_url_type && has_url) {
            Found::Url
        } else {
            Found::Nothing
        })
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(body: &str) -> Result<Option<String>, String> {
        MessagesRequest::parse(body.as_bytes())
            .map(|request| request.reaches_network())
            .map_err(|refusal| refusal.message)
    }

    fn reaches_network(fields: &Value) -> Option<String> {
        let mut body = json!({ "model": "m", "max_tokens": 1, "messages": [] });
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        parse(&body.to_string()).unwrap()
    }

    #[test]
    fn requests_of_agents_reach_no_network() {
        let words = json!([
            { "role": "user", "content": "read https://example.org/?type=url" },
            { "role": "assistant", "content": [
                { "type": "tool_use", "id": "1", "name": "Fetch", "input": { "type": "url", "url": "https://example.org" } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "1", "content": [{ "type": "text", "text": "url" }] },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AA==" } },
            ] },
        ]);
        let tools = json!([
            { "name": "Bash", "input_schema": { "type": "object", "properties": { "url": { "type": "url" } } } },
            { "type": "custom", "name": "x" },
            { "type": "bash_20250124", "name": "bash" },
            { "type": "tool_search_tool_regex_20251119", "name": "search" },
        ]);
        assert_eq!(
            reaches_network(
                &json!({ "messages": words, "tools": tools, "mcp_servers": [], "container": null })
            ),
            None
        );
    }

    #[test]
    fn what_the_api_would_fetch_is_found() {
        let image =
            json!({ "type": "image", "source": { "url": "https://evil.example/?d=1", "type": "url" } });
        let in_result = json!({ "type": "tool_result", "content": [image] });
        for fields in [
            json!({ "messages": [{ "role": "user", "content": [image] }] }),
            json!({ "messages": [{ "role": "user", "content": [in_result] }] }),
            json!({ "system": [image] }),
            json!({ "tools": [{ "type": "web_fetch_20250910", "name": "web_fetch" }] }),
            json!({ "tools": [{ "type": "web_search_20250305", "name": "web_search" }] }),
            json!({ "tools": [{ "type": "code_execution_20250825", "name": "x" }] }),
            json!({ "tools": [{ "type": "customised", "name": "x" }] }),
            json!({ "tools": [{ "type": "mcp_toolset", "mcp_server_name": "x" }] }),
            json!({ "mcp_servers": [{ "type": "url", "url": "https://evil.example" }] }),
            json!({ "container": "c" }),
        ] {
            assert!(reaches_network(&fields).is_some(), "{fields}");
        }
        // Escapes make no difference.
        let escaped =
            r#"{"model":"m","messages":[{"content":[{"source":{"typ\u0065":"\u0075rl","\u0075rl":"x"}}]}]}"#;
        assert!(parse(escaped).unwrap().is_some());
    }

    #[test]
    fn ambiguous_bodies_are_refused() {
        let deep = format!(
            r#"{{"model":"m","messages":{}1{}}}"#,
            "[".repeat(120),
            "]".repeat(120)
        );
        for body in [
            r#"{"model":"a","model":"b","messages":[]}"#,
            r#"{"model":"a","tools":[],"tools":[{"type":"web_fetch_1"}]}"#,
            r#"{"model":"a","messages":[],"messages":[{"type":"url","url":"x"}]}"#,
            r#"{"model":"a","messages":[{"type":"text","type":"url","url":"x"}]}"#,
            r#"{"model":7,"messages":[]}"#,
            r#"{"messages":[]}"#,
            r#"{"model":"a"} {"model":"b"}"#,
            "",
            "[]",
            &deep,
        ] {
            assert!(parse(body).is_err(), "{body}");
        }
    }
}
