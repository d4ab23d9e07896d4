//! What happened to an item: transcripts, diffs, timelines and exports.

mod diffs;
mod exports;
mod timelines;
mod transcripts;

use std::ops::RangeInclusive;

use serde_json::{Value, json};

/// The message with this number.
pub(crate) fn message(number: u64) -> Value {
    json!({
        "number": number, "occurredAt": "2026-11-20T12:00:00Z", "iteration": 1,
        "type": "message", "role": "assistant", "text": format!("message {number}"),
    })
}

/// The body of a `transcript` call with these messages.
pub(crate) fn segment(numbers: RangeInclusive<u64>) -> Value {
    json!({ "entries": numbers.map(message).collect::<Vec<_>>() })
}

/// The body of a `diff` call for a head of this digit.
pub(crate) fn diff(head: u8) -> Value {
    json!({
        "baseSha": "0".repeat(40),
        "headSha": head.to_string().repeat(40),
        "files": [
            { "path": "src/greet.js", "status": "modified", "isBinary": false, "additions": 2, "deletions": 1,
              "patch": "@@ -1 +1,2 @@\n-a\n+b\n+c\n" },
            { "path": "logo.png", "status": "added", "isBinary": true, "additions": 0, "deletions": 0 },
        ],
        "fileCount": 2, "additions": 2, "deletions": 1,
    })
}
