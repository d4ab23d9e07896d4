//! Constraints that the annotations of the types cannot express: those between fields, and what a missing body or
//! parameter means.

use serde_json::{Map, Value, json};

/// Adds constraints between fields to the schemas.
pub(super) fn add(schemas: &mut Map<String, Value>) {
    for (name, constraints) in between_fields() {
        if let (Some(Value::Object(schema)), Value::Object(constraints)) =
            (schemas.get_mut(name), constraints)
        {
            schema.extend(constraints);
        }
    }
}

fn between_fields() -> [(&'static str, Value); 2] {
    let one_of = |given: &str, other: &str| {
        json!({
            "required": [given],
            "properties": { given: { "type": "string" }, other: { "type": "null" } },
        })
    };
    [
        (
            "CreateWork",
            json!({
                "oneOf": [one_of("spec", "description"), one_of("description", "spec")],
                "not": {
                    "required": ["branch"],
                    "properties": { "branch": { "enum": ["main", "master"] } },
                },
                "example": {
                    "repo": "octocat/hello-world",
                    "spec": "# Say hello\n\n- [ ] Greet the world\n",
                    "priority": "high",
                    "source": "api",
                    "sourceRef": "hello-1",
                },
            }),
        ),
        (
            "FailSpec",
            json!({
                "allOf": [
                    { "properties": { "cause": { "enum": ["model_limited", "model_unavailable", "model_refused", null] } } },
                    {
                        "not": {
                            "required": ["cause"],
                            "properties": { "cause": { "type": "string" }, "retryable": { "const": false } },
                        },
                    },
                ],
            }),
        ),
    ]
}

/// States the ranges of integers: `utoipa` documents those without a sign as signed ones with a minimum.
pub(super) fn bound_integers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(bound_integers),
        Value::Object(fields) => {
            let unsigned = fields.get("minimum").and_then(Value::as_u64).is_some();
            let range = match (fields.get("format").and_then(Value::as_str), unsigned) {
                (Some("int32"), true) => Some(("uint32", json!(0), json!(u32::MAX))),
                (Some("int64"), true) => Some(("uint64", json!(0), json!(u64::MAX))),
                (Some("int64"), false) => Some(("int64", json!(i64::MIN), json!(i64::MAX))),
                _no_integer => None,
            };
            if let Some((format, minimum, maximum)) = range {
                fields.insert("format".to_owned(), format.into());
                fields.entry("minimum").or_insert(minimum);
                fields.entry("maximum").or_insert(maximum);
            }
            fields.values_mut().for_each(bound_integers);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A body that may be omitted is documented by `utoipa` as one that may be `null`, which is refused.
pub(super) fn omit_null(operation: &mut Map<String, Value>) {
    let body = operation.get_mut("requestBody").and_then(Value::as_object_mut);
    let Some(body) = body else { return };
    let content = body.get_mut("content").and_then(Value::as_object_mut);
    let mut optional = false;
    for media in content.into_iter().flat_map(Map::values_mut) {
        let alternatives = media["schema"]["oneOf"].as_array().map(Vec::as_slice);
        if let Some([schema, null]) = alternatives
            && *null == json!({ "type": "null" })
        {
            media["schema"] = schema.clone();
            optional = true;
        }
    }
    if optional {
        body.insert("required".to_owned(), Value::Bool(false));
    }
}

/// Parameters have no `null`.
pub(super) fn omit_null_of_parameters(operation: &mut Map<String, Value>) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if let Some(Value::Array(types)) = parameter.pointer("/schema/type")
            && let [name, Value::String(null)] = types.as_slice()
            && null == "null"
        {
            parameter["schema"]["type"] = name.clone();
        }
    }
}
