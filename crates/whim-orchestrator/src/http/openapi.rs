//! The OpenAPI document. It is generated from the handlers; what applies to every route is added here.

mod constraints;

use super::routes;
use serde_json::{Map, Value, json};
use utoipa::openapi::{OpenApi, RefOr, Schema};
use utoipa::{PartialSchema as _, ToSchema};
use whim_core::protocol::{ErrorBody, ErrorCode, PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};

/// Error responses: status, name of the component, and description.
const ERRORS: [(&str, &str, &str); 13] = [
    (
        "400",
        "InvalidRequest",
        "The request does not parse, or a field is wrong; `details.field` names it",
    ),
    ("401", "Unauthorized", "No credential, or a wrong one"),
    (
        "403",
        "Forbidden",
        "The credential does not allow this, or the request comes from a page of another host",
    ),
    (
        "404",
        "NotFound",
        "The item, worker, review or preflight does not exist",
    ),
    (
        "409",
        "Conflict",
        "The current state does not allow it; `code` and `details` describe it",
    ),
    ("413", "TooLarge", "The body is larger than the limit"),
    ("414", "UriTooLong", "Path and query are longer than the limit"),
    (
        "415",
        "UnsupportedContentType",
        "The body is not application/json",
    ),
    (
        "426",
        "UnknownProtocol",
        "The version of the worker protocol is not supported",
    ),
    (
        "429",
        "TooManyRefusals",
        "Too many wrong credentials from this address; a valid one is accepted at any time, others are checked again after \
         `Retry-After` seconds",
    ),
    ("431", "HeadersTooLarge", "The headers are longer than the limit"),
    (
        "500",
        "Internal",
        "An internal error; the log has the cause under the id of the request",
    ),
    (
        "503",
        "Unavailable",
        "A dependency is unavailable; try again after `Retry-After` seconds",
    ),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// People and the intake, with the API key.
    Owner,
    /// Gateways, with their key.
    Gateway,
    /// One worker, with its own token.
    Worker,
}

/// The document, with the routes of both listeners.
pub fn document() -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for (caller, described) in [
        (Caller::Owner, routes::api().into_openapi()),
        (Caller::Gateway, routes::gateway().into_openapi()),
        (Caller::Worker, routes::worker().into_openapi()),
    ] {
        let mut described = parts_of(described);
        for (path, item) in &mut described.paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                if let Some(operation) = operation.as_object_mut() {
                    complete(operation, caller, method, path);
                }
            }
        }
        paths.extend(described.paths);
        schemas.extend(described.schemas);
    }
    schemas.extend(error_schemas());
    constraints::add(&mut schemas);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Whim",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT", "identifier": "MIT" },
            "description": "The orchestrator's API for people and for the intake, and the worker protocol. Errors are \
                `{\"error\", \"code\", \"details\"}`: programs decide on `code`. Times are RFC 3339 in UTC. Requests with \
                unknown fields are refused.",
        },
        "servers": [{ "url": "/", "description": "The API" }],
        "tags": [
            { "name": "work", "description": "Work items" },
            { "name": "history", "description": "What happened to an item: transcript, diff, timeline, export" },
            { "name": "queue", "description": "Queued items, and pausing the queue" },
            { "name": "workers", "description": "Workers and their file locks" },
            { "name": "events", "description": "Live events, as server-sent events" },
            { "name": "learnings", "description": "Learnings of earlier tasks" },
            { "name": "reviews", "description": "Reviews reported by workers" },
            { "name": "status", "description": "Health, overview and statistics" },
            { "name": "intake", "description": "For the intake only" },
            { "name": "gateway", "description": "For gateways only" },
            { "name": "worker protocol", "description": "For workers only, on a separate listener" },
        ],
        "security": [{ "apiKeyBearer": [] }, { "apiKeyHeader": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": error_answers(),
            "parameters": { "ProtocolVersion": {
                "name": PROTOCOL_VERSION_HEADER, "in": "header", "required": true,
                "description": "The version of the worker protocol that the caller uses",
                "schema": { "type": "integer", "const": PROTOCOL_VERSION },
            } },
            "securitySchemes": {
                "apiKeyBearer": { "type": "http", "scheme": "bearer", "description": "`API_KEY`, if one is set" },
                "apiKeyHeader": { "type": "apiKey", "in": "header", "name": "X-API-Key",
                    "description": "`API_KEY`, if one is set" },
                "gatewayKey": { "type": "http", "scheme": "bearer",
                    "description": "`GATEWAY_KEY`" },
                "workerToken": { "type": "http", "scheme": "bearer",
                    "description": "The worker's own token, for its own identifier" },
            },
        },
    });
    constraints::bound_integers(&mut document);
    document
}

/// The document as it is served and checked in.
pub fn text() -> String {
    format!("{:#}\n", document())
}

struct Described {
    paths: Map<String, Value>,
    schemas: Map<String, Value>,
}

fn parts_of(document: OpenApi) -> Described {
    let object = |value: Option<Value>| match value {
        Some(Value::Object(object)) => object,
        // Serialising these types cannot fail.
        Some(_) | None => Map::new(),
    };
    Described {
        paths: object(serde_json::to_value(document.paths).ok()),
        schemas: object(
            document
                .components
                .and_then(|components| serde_json::to_value(components.schemas).ok()),
        ),
    }
}

/// Adds what handlers do not declare themselves: credentials, errors, and which inputs may be omitted.
fn complete(operation: &mut Map<String, Value>, caller: Caller, method: &str, path: &str) {
    if caller == Caller::Gateway {
        operation.insert("security".to_owned(), json!([{ "gatewayKey": [] }]));
        operation.insert("x-internal".to_owned(), json!(true));
    }
    if caller == Caller::Worker {
        operation.insert("tags".to_owned(), json!(["worker protocol"]));
        operation.insert("security".to_owned(), json!([{ "workerToken": [] }]));
        operation.insert("x-internal".to_owned(), json!(true));
        operation.insert(
            "servers".to_owned(),
            json!([{ "url": "http://127.0.0.1:3004", "description": "The worker listener (`WORKER_PORT`)" }]),
        );
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        if let Some(parameters) = parameters.as_array_mut() {
            parameters.push(json!({ "$ref": "#/components/parameters/ProtocolVersion" }));
        }
    }
    constraints::omit_null(operation);
    constraints::omit_null_of_parameters(operation);
    let public = operation.get("security") == Some(&json!([{}]));
    let has_body = operation.contains_key("requestBody");
    let applies = |status: &str| match status {
        "401" | "429" => !public,
        "404" => path.contains("{id}") || path.contains("{repo}"),
        // Each call of a worker is bound to its lease.
        "409" => (has_body && method != "get") || caller == Caller::Worker,
        "413" | "415" => has_body,
        "426" => caller == Caller::Worker,
        _every_route => true,
    };
    let answers = operation.entry("responses").or_insert_with(|| json!({}));
    if let Some(answers) = answers.as_object_mut() {
        for (status, name, _) in ERRORS.into_iter().filter(|(status, ..)| applies(status)) {
            answers
                .entry(status)
                .or_insert_with(|| json!({ "$ref": format!("#/components/responses/{name}") }));
        }
    }
}

fn error_answers() -> Map<String, Value> {
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/ErrorBody" } } });
    let answer = |(_, name, description): (&str, &str, &str)| {
        (
            name.to_owned(),
            json!({ "description": description, "content": content }),
        )
    };
    ERRORS.into_iter().map(answer).collect()
}

fn error_schemas() -> Map<String, Value> {
    let mut schemas: Vec<(String, RefOr<Schema>)> = vec![
        (ErrorBody::name().into_owned(), ErrorBody::schema()),
        (ErrorCode::name().into_owned(), ErrorCode::schema()),
    ];
    ErrorBody::schemas(&mut schemas);
    schemas
        .into_iter()
        .filter_map(|(name, schema)| Some((name, serde_json::to_value(schema).ok()?)))
        .collect()
}
