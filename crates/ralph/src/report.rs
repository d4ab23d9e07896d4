//! What an agent's output and its end mean to the caller, told as events.

use std::collections::{BTreeMap, HashSet};

use ralph_contract::{Event, IterationStats, ToolKind, WarningKind};

use crate::lines::LineSplitter;
use crate::output::Output;
use crate::process::descendants::Leftovers;
use crate::provider::Trouble;
use crate::stream::Signal;
use crate::supervise::Outcome;
use crate::text::{counted, shortened};

/// Events that do not fit are told one by one up to this number in each run of an agent.
const TOLD_MISFITS: u64 = 10;
/// How much of the name of an unknown kind of event is told, in bytes.
const TOLD_OF_A_KIND: usize = 100;

/// Tells of one agent after the other.
pub(crate) struct Reporter<'a> {
    output: &'a Output<'a>,
    /// Kinds of events that were told as unknown already.
    unknown_kinds: HashSet<String>,
    misfits: u64,
    counts: IterationStats,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(output: &'a Output<'a>) -> Self {
        Self {
            output,
            unknown_kinds: HashSet::new(),
            misfits: 0,
            counts: IterationStats::default(),
        }
    }

    /// Tells of a signal while the agent works.
    pub(crate) fn signal(&mut self, signal: &Signal) {
        match signal {
            Signal::Tool(tool) => {
                self.counts.tools += 1;
                match tool.kind {
                    ToolKind::Read => self.counts.reads += 1,
                    ToolKind::Write => self.counts.writes += 1,
                    ToolKind::Bash => self.counts.commands += 1,
                }
                self.output.tool(tool);
            }
            Signal::Text(text) => self.output.remark(text),
            Signal::ProviderRetry { trouble, .. } => {
                if let Some(trouble) = trouble {
                    self.output.remark(&trouble.summary());
                }
            }
            Signal::Unknown { kind } => {
                if self.unknown_kinds.insert(kind.clone()) {
                    let kind = shortened(kind, TOLD_OF_A_KIND);
                    self.output.warn(
                        WarningKind::UnknownHarnessEvent,
                        format!(
                            "the harness sent an event of a kind that this build does not know: `{kind}`"
                        ),
                    );
                }
            }
            Signal::Misfit { kind, error, start } => {
                self.misfits += 1;
                if self.misfits <= TOLD_MISFITS {
                    self.output.warn(
                        WarningKind::HarnessMisfit,
                        format!("the harness sent `{kind}` in a form that does not fit ({error}): {start}"),
                    );
                }
            }
            Signal::Result(_) => {}
        }
    }

    /// Tells that the model provider is to blame for what comes next.
    pub(crate) fn trouble(&self, trouble: &Trouble) {
        self.output.event(&Event::Warning(trouble.warning()));
    }

    /// Tells of what is known only when all is over, and gives back the tool calls that were counted.
    pub(crate) fn finish(&mut self, outcome: &Outcome) -> IterationStats {
        let more = std::mem::take(&mut self.misfits).saturating_sub(TOLD_MISFITS);
        if more > 0 {
            let message = format!("the harness sent {} more that do not fit", counted(more, "event"));
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
        if !outcome.leftovers.names.is_empty() {
            let message = leftovers_text(&outcome.leftovers);
            self.output.warn(WarningKind::LeftoverProcesses, message);
        }
        std::mem::take(&mut self.counts)
    }
}

fn leftovers_text(leftovers: &Leftovers) -> String {
    let Leftovers { names, unkillable } = leftovers;
    let count = counted(names.len() as u64, "process");
    let mut text = format!(
        "{count} outlived the agent and had to be ended: {}",
        grouped(names)
    );
    if !unkillable.is_empty() {
        text += &format!("; these did not end: {}", grouped(unkillable));
    }
    text
}

/// Names in order, each once, with how often it is there.
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
        let leftovers = Leftovers {
            names: ["sleep", "node", "sleep"].map(str::to_owned).to_vec(),
            unkillable: vec!["node".to_owned()],
        };
        assert_eq!(
            leftovers_text(&leftovers),
            "3 processes outlived the agent and had to be ended: node, sleep (2 times); these did not end: node"
        );
    }
}
