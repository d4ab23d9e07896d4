//! Trailers of the agent's commits. A hook in the workspace adds them, so that every commit has them from the beginning. The
//! hook belongs to the agent: what is missing is said in the pull request.

use whim_core::WorkItemId;

use crate::identity::Identity;

/// Names the task of a commit by its number in the checklist, from 1.
pub(super) const TASK: &str = "Whim-Task";
/// In place of a number: the commit repairs the work.
pub(super) const REPAIR: &str = "repair";
pub(super) const SIGN_OFF: &str = "Signed-off-by";

/// What the messages of commits end with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailers {
    pub work_item: WorkItemId,
    /// The person who asked for the work.
    pub co_author: Option<Identity>,
    /// Who certifies the origin of the change.
    pub sign_off: Option<Identity>,
}

impl Trailers {
    /// Those of every commit.
    fn lines(&self) -> Vec<String> {
        let Self {
            work_item,
            co_author,
            sign_off,
        } = self;
        let mut lines = vec![format!("Whim-Work-Item: {work_item}")];
        lines.extend(co_author.iter().map(|person| format!("Co-authored-by: {person}")));
        lines.extend(sign_off.iter().map(|person| format!("{SIGN_OFF}: {person}")));
        lines
    }

    /// The hook that adds them. `ralph` sets `RALPH_TASK`; a commit keeps the task for which it was made.
    pub(super) fn hook(&self, is_repair: bool) -> String {
        let task = if is_repair {
            format!("set -- --if-exists doNothing --trailer '{TASK}: {REPAIR}'")
        } else {
            format!(
                "set --\n[ -z \"${{RALPH_TASK:-}}\" ] || set -- --if-exists doNothing --trailer \"{TASK}: $RALPH_TASK\""
            )
        };
        let lines: Vec<String> = self
            .lines()
            .iter()
            .map(|line| format!(" --trailer '{}'", line.replace('\'', r"'\''")))
            .collect();
        format!(
            "#!/bin/sh\n# Adds the trailers of Whim to the message of a commit.\nmessage=$1\n{task}\n\
             exec git interpret-trailers --in-place \"$@\" --if-exists addIfDifferent{} -- \"$message\"\n",
            lines.concat()
        )
    }
}
