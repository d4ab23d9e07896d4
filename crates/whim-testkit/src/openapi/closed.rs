//! Closes schemas against fields that they do not mention.

use serde_json::Value;

/// Closes every schema at the place where a value is described by it: properties and items. Parts of a combined schema
/// stay open, because the other parts describe further fields.
pub(crate) fn close_schemas(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(close_schemas),
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                properties.values_mut().for_each(close);
            }
            if let Some(items) = fields.get_mut("items") {
                close(items);
            }
            fields.values_mut().for_each(close_schemas);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn close(schema: &mut Value) {
    if let Value::Object(fields) = schema {
        let combined = ["$ref", "allOf", "oneOf", "properties"]
            .iter()
            .any(|name| fields.contains_key(*name));
        if combined {
            fields
                .entry("unevaluatedProperties")
                .or_insert(Value::Bool(false));
        }
    }
}
