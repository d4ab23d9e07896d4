//! The error message of a response.

use serde_json::Value;

/// `message` of the body, and the messages below `errors`, which have the details. A body that is no JSON is returned as it
/// is.
pub fn error_message(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return body.to_owned();
    };
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let mut parts: Vec<String> = text(&value, "message").into_iter().collect();
    for error in value
        .get("errors")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let detail = match (text(error, "message"), text(error, "field"), text(error, "code")) {
            (Some(message), ..) => Some(message),
            (None, Some(field), Some(code)) => Some(format!("{field}: {code}")),
            (None, ..) => error.as_str().map(str::to_owned),
        };
        parts.extend(detail);
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_contains_the_details() {
        let body = r#"{"message": "Validation Failed", "errors": [
            {"resource": "PullRequest", "code": "custom", "message": "No commits between main and x"},
            {"resource": "PullRequest", "field": "base", "code": "invalid"}, "in words", 7]}"#;
        assert_eq!(
            error_message(body),
            "Validation Failed; No commits between main and x; base: invalid; in words"
        );
        assert_eq!(error_message("<html>"), "<html>");
        assert_eq!(error_message("[]"), "");
    }
}
