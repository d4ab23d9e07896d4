//! Recognises an agent that goes round in circles: it calls tools over and over, learns nothing new and edits nothing.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash as _, Hasher as _};

use ralph_contract::ToolKind;

use crate::stream::{Signal, ToolOutput, ToolUse};
use crate::text::shortened;

/// Equal calls with equal results in a row, two of them in alternation, or equal errors in a row, after which the agent counts
/// as repeating itself. Waiting for something by polling takes fewer calls than this.
const LIMIT: usize = 10;
/// How much of a call or an error is quoted, in bytes.
const MAX_QUOTED: usize = 200;

/// The calls of one run that were answered last.
#[derive(Debug, Default)]
pub(crate) struct Repetition {
    /// Calls without a result, by their identifiers.
    calls: HashMap<String, Call>,
    /// Calls together with their results, as hashes; at most twice the limit.
    steps: VecDeque<u64>,
    /// The error that the last calls failed with, as a hash, and their number.
    last_error: Option<(u64, usize)>,
    found: Option<String>,
}

#[derive(Debug)]
struct Call {
    hash: u64,
    /// For people.
    label: String,
    is_edit: bool,
}

impl Repetition {
    /// What the agent repeats, for people.
    pub(crate) fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }

    pub(crate) fn observe(&mut self, signal: &Signal) {
        match signal {
            Signal::Tool(tool) => self.call(tool),
            Signal::ToolResult(result) => self.result(result),
            Signal::Message(_)
            | Signal::Text(_)
            | Signal::ProviderRetry { .. }
            | Signal::Result(_)
            | Signal::Unknown { .. }
            | Signal::Misfit { .. } => {}
        }
    }

    fn call(&mut self, tool: &ToolUse) {
        let Some(id) = &tool.id else {
            return;
        };
        let what = tool
            .path
            .as_deref()
            .or(tool.detail.as_deref())
            .unwrap_or_default();
        let call = Call {
            hash: hash_of(&[
                &tool.name,
                &serde_json::Value::Object(tool.input.clone()).to_string(),
            ]),
            label: shortened(format!("{} {what}", tool.name).trim(), MAX_QUOTED),
            is_edit: tool.kind == ToolKind::Write,
        };
        self.calls.insert(id.clone(), call);
    }

    fn result(&mut self, result: &ToolOutput) {
        let Some(call) = self.calls.remove(&result.id) else {
            return;
        };
        if call.is_edit && result.ok {
            self.steps.clear();
            self.last_error = None;
            return;
        }
        let output = hash_of(&[&result.output]);
        self.steps.push_back(call.hash ^ output.rotate_left(1));
        if self.steps.len() > 2 * LIMIT {
            self.steps.pop_front();
        }
        self.last_error = match self.last_error {
            _ if result.ok => None,
            Some((error, count)) if error == output => Some((error, count + 1)),
            Some(_) | None => Some((output, 1)),
        };
        if self.found.is_none() {
            self.found = self.describe(&call.label, result);
        }
    }

    fn describe(&self, call: &str, result: &ToolOutput) -> Option<String> {
        let recent = |count: usize| self.steps.iter().rev().take(count);
        let last = self.steps.back()?;
        if self.steps.len() >= LIMIT && recent(LIMIT).all(|step| step == last) {
            return Some(format!(
                "the same call gave the same result {LIMIT} times in a row: {call}"
            ));
        }
        if self.last_error.is_some_and(|(_, count)| count >= LIMIT) {
            let error = shortened(result.output.trim(), MAX_QUOTED);
            return Some(format!(
                "{LIMIT} calls in a row failed with the same error: {error}"
            ));
        }
        let is_alternating = self.steps.len() == 2 * LIMIT
            && recent(2 * LIMIT)
                .zip(recent(2 * LIMIT).skip(2))
                .all(|(one, other)| one == other);
        is_alternating.then(|| format!("two calls gave the same results in turn, {LIMIT} times each: {call}"))
    }
}

fn hash_of(texts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    /// Calls a tool with this input and gives it this result.
    fn step(repetition: &mut Repetition, kind: ToolKind, input: &str, ok: bool, output: &str) {
        let tool = ToolUse {
            id: Some("a".to_owned()),
            name: "Tool".to_owned(),
            input: Map::from_iter([("input".to_owned(), input.into())]),
            kind,
            path: None,
            detail: Some(input.to_owned()),
            parent_tool_id: None,
        };
        repetition.observe(&Signal::Tool(tool));
        repetition.observe(&Signal::ToolResult(ToolOutput {
            id: "a".to_owned(),
            ok,
            output: output.to_owned(),
            parent_tool_id: None,
        }));
    }

    fn after(steps: impl IntoIterator<Item = (&'static str, bool, String)>) -> Option<String> {
        let mut repetition = Repetition::default();
        for (input, ok, output) in steps {
            step(&mut repetition, ToolKind::Bash, input, ok, &output);
        }
        repetition.found().map(str::to_owned)
    }

    #[test]
    fn equal_calls_with_equal_results_are_a_repetition() {
        let steps = |count| std::iter::repeat_n(("make", true, "red".to_owned()), count);
        assert_eq!(after(steps(LIMIT - 1)), None);
        assert_eq!(
            after(steps(LIMIT)).as_deref(),
            Some("the same call gave the same result 10 times in a row: Tool make")
        );
        let polling = (0..3 * LIMIT).map(|n| ("make", true, format!("{n} left")));
        assert_eq!(after(polling), None);
    }

    #[test]
    fn two_calls_in_alternation_are_a_repetition() {
        let steps = |count| (0..count).map(|n| (["make", "cat log"][n % 2], true, "same".to_owned()));
        assert_eq!(after(steps(2 * LIMIT - 1)), None);
        assert!(after(steps(2 * LIMIT)).is_some_and(|found| found.starts_with("two calls gave")));
        let three = (0..4 * LIMIT).map(|n| (["a", "b", "c"][n % 3], true, "same".to_owned()));
        assert_eq!(after(three), None);
    }

    #[test]
    fn equal_errors_of_different_calls_are_a_repetition() {
        let inputs = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
        let steps = |count| {
            inputs
                .into_iter()
                .take(count)
                .map(|input| (input, false, "denied".to_owned()))
        };
        assert_eq!(after(steps(LIMIT - 1)), None);
        assert_eq!(
            after(steps(LIMIT)).as_deref(),
            Some("10 calls in a row failed with the same error: denied")
        );
        let with_success = steps(LIMIT - 1)
            .chain([("x", true, String::new())])
            .chain(steps(LIMIT - 1));
        assert_eq!(after(with_success), None);
    }

    #[test]
    fn an_edit_begins_anew() {
        let mut repetition = Repetition::default();
        for _ in 0..3 {
            for _ in 0..LIMIT - 1 {
                step(&mut repetition, ToolKind::Bash, "make", false, "red");
            }
            step(&mut repetition, ToolKind::Write, "a.rs", true, "");
        }
        assert_eq!(repetition.found(), None);
        for _ in 0..LIMIT {
            step(&mut repetition, ToolKind::Write, "a.rs", false, "not found");
        }
        assert!(repetition.found().is_some());
    }
}
