//! Turns the output of an agent into events.

use std::collections::{BTreeMap, HashSet};

use ralph_contract::{Event, IterationStats, ToolKind, WarningKind};

use crate::content::Contents;
use crate::descendants::LeftRunning;
use crate::lines::LineSplitter;
use crate::output::Output;
use crate::provider::Trouble;
use crate::stream::Signal;
use crate::supervise::{End, Outcome};
use crate::text::{counted, shortened};

/// Misfits that are reported one by one in each run of an agent; the rest are counted.
const MAX_REPORTED_MISFITS: u64 = 10;
/// Denied tool calls that are named at most.
const MAX_NAMED_DENIALS: usize = 5;
/// Longest name of an unknown kind of event that is reported, in bytes.
const MAX_KIND_BYTES: usize = 100;

/// Reports one agent after the other.
pub(crate) struct Reporter<'a> {
    output: &'a Output<'a>,
    /// Kinds of events that were reported as unknown already.
    unknown_kinds: HashSet<String>,
    misfits: u64,
    counts: IterationStats,
    contents: Contents,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(output: &'a Output<'a>) -> Self {
        Self {
            output,
            unknown_kinds: HashSet::new(),
            misfits: 0,
            counts: IterationStats::default(),
            contents: Contents::default(),
        }
    }

    pub(crate) fn signal(&mut self, signal: &Signal) {
        match signal {
            Signal::Tool(tool) => {
                self.counts.tools += 1;
                match tool.kind {
                    ToolKind::Read => self.counts.reads += 1,
                    ToolKind::Write => self.counts.writes += 1,
                    ToolKind::Bash => self.counts.commands += 1,
                }
                self.output.tool(tool, &mut self.contents);
            }
            Signal::ToolResult(result) => self.output.tool_result(result, &mut self.contents),
            Signal::Message(message) => self.output.message(message, &mut self.contents),
            Signal::Text(text) => self.output.remark(text),
            Signal::ProviderRetry { trouble, .. } => {
                if let Some(trouble) = trouble {
                    self.output.remark(&trouble.summary());
                }
            }
            Signal::Unknown { kind } => {
                if self.unknown_kinds.insert(kind.clone()) {
                    let kind = shortened(kind, MAX_KIND_BYTES);
                    self.output.warn(
                        WarningKind::UnknownHarnessEvent,
                        format!("the harness sent an event of an unknown kind: `{kind}`"),
                    );
                }
            }
            Signal::Misfit { kind, error, start } => {
                self.misfits += 1;
                if self.misfits <= MAX_REPORTED_MISFITS {
                    self.output.warn(
                        WarningKind::HarnessMisfit,
                        format!(
                            "the harness sent an event `{kind}` with an unexpected body ({error}): {start}"
                        ),
                    );
                }
            }
            Signal::Result(_) => {}
        }
    }

    /// Reports a problem of the model provider.
    pub(crate) fn trouble(&self, trouble: &Trouble) {
        self.output.event(&Event::Warning(trouble.warning()));
    }

    /// Reports what is known only after the run, and returns the counted tool calls.
    pub(crate) fn finish(&mut self, outcome: &Outcome) -> IterationStats {
        let more = std::mem::take(&mut self.misfits).saturating_sub(MAX_REPORTED_MISFITS);
        if more > 0 {
            let message = format!(
                "the harness sent {} more with an unexpected body",
                counted(more, "event")
            );
            self.output.warn(WarningKind::HarnessMisfit, message);
        }
        if outcome.cut_lines > 0 {
            let message = format!(
                "{} of the agent's output cut at {} bytes, {} dropped",
                counted(outcome.cut_lines, "line"),
                LineSplitter::DEFAULT_LIMIT,
                counted(outcome.dropped_bytes, "byte")
            );
            self.output.warn(WarningKind::OutputTruncated, message);
        }
        if let Some(message) = self.contents.finish() {
            self.output.warn(WarningKind::ContentOmitted, message);
        }
        let denied = outcome.result.as_ref().map_or(&[][..], |result| &result.denied);
        if !denied.is_empty() {
            self.output.warn(WarningKind::ToolDenied, denied_text(denied));
        }
        if outcome.end == End::Repeating {
            let what = outcome.repetition.found().unwrap_or_default();
            let message = format!("the agent repeated itself and was terminated: {what}");
            self.output.warn(WarningKind::Repetition, message);
        }
        if !outcome.left_running.names.is_empty() {
            let message = left_running_text(&outcome.left_running);
            self.output.warn(WarningKind::LeftoverProcesses, message);
        }
        std::mem::take(&mut self.counts)
    }
}

fn denied_text(denied: &[String]) -> String {
    let count = counted(denied.len() as u64, "tool call");
    let mut named: Vec<&str> = denied.iter().map(String::as_str).collect();
    named.dedup();
    let more = named.len().saturating_sub(MAX_NAMED_DENIALS);
    named.truncate(MAX_NAMED_DENIALS);
    let mut text = format!("the harness did not allow {count}: {}", named.join("; "));
    if more > 0 {
        text += &format!("; and {more} more");
    }
    text
}

fn left_running_text(left_running: &LeftRunning) -> String {
    let LeftRunning { names, unkillable } = left_running;
    let count = counted(names.len() as u64, "process");
    let mut text = format!(
        "{count} outlived the agent and had to be terminated: {}",
        grouped(names)
    );
    if !unkillable.is_empty() {
        text += &format!("; these survived SIGKILL: {}", grouped(unkillable));
    }
    text
}

/// Names in order, each once, with its count.
fn grouped(names: &[String]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let texts = counts.into_iter().map(|(name, count)| match count {
        1 => name.to_owned(),
        _ => format!("{name} ({count} times)"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_once_each() {
        let left_running = LeftRunning {
            names: ["sleep", "node", "sleep"].map(str::to_owned).to_vec(),
            unkillable: vec!["node".to_owned()],
        };
        assert_eq!(
            left_running_text(&left_running),
            "3 processes outlived the agent and had to be terminated: node, sleep (2 times); these survived SIGKILL: node"
        );
    }
}
