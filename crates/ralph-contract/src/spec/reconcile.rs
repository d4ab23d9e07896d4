//! Merging the ticks of an agent into SPEC.md without any of its other changes.

use std::collections::HashMap;
use std::hash::Hash;

use super::document::{SpecDocument, Task};

/// What [`SpecDocument::reconcile`] found, and the document as it should be now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// The document with the ticks of the file. To be written back if its bytes differ from the file's.
    pub document: SpecDocument,
    /// The tasks (indices, from 0) that were open and are done now.
    pub newly_done: Vec<usize>,
    /// The tasks (indices, from 0) that were deleted or reworded and are restored. Empty if the whole file is restored.
    pub restored: Vec<usize>,
    /// Whether the file was missing or blank.
    pub file_restored: bool,
    /// Texts of tasks that are only in the file, and not in `document`.
    pub discarded: Vec<String>,
}

impl SpecDocument {
    /// Compares the document as it must be (`self`) with the file as it is now (`None` if it is missing).
    ///
    /// Tasks are matched by their text, white space aside; of several with the same text, first those of the same
    /// phase, then by order. The boxes of matched tasks are taken over in both directions, as an agent may open a task
    /// again. A task that is missing in the file keeps its box. Everything else comes from `self`: an agent can tick
    /// boxes, and cannot change the tasks.
    pub fn reconcile(&self, found: Option<&str>) -> Reconciled {
        let unchanged = Reconciled {
            document: self.clone(),
            newly_done: Vec::new(),
            restored: Vec::new(),
            file_restored: false,
            discarded: Vec::new(),
        };
        let Some(found) = found.filter(|text| !text.trim().is_empty()) else {
            return Reconciled {
                file_restored: true,
                ..unchanged
            };
        };
        if found == self.as_str() {
            return unchanged;
        }
        let found = Self::parse(found);
        let counterparts = counterparts(self.tasks(), found.tasks());
        let mut result = unchanged;
        for (task, counterpart) in self.tasks().iter().zip(&counterparts) {
            let Some(counterpart) = counterpart else {
                result.restored.push(task.index);
                continue;
            };
            if counterpart.done && !task.done {
                result.newly_done.push(task.index);
            }
            result.document.set_done(task.index, counterpart.done);
        }
        let mut is_known = vec![false; found.tasks().len()];
        for counterpart in counterparts.into_iter().flatten() {
            is_known[counterpart.index] = true;
        }
        result.discarded = found
            .tasks()
            .iter()
            .filter(|task| !is_known[task.index])
            .map(|task| task.text.clone())
            .collect();
        result
    }
}

/// For each wanted task its counterpart among `found`, if any. No task is used twice.
fn counterparts<'f>(wanted: &[Task], found: &'f [Task]) -> Vec<Option<&'f Task>> {
    let mut pairs = vec![None; wanted.len()];
    let mut used = vec![false; found.len()];
    pair_by(
        |task| (task.phase.as_deref(), task.text.as_str()),
        wanted,
        found,
        &mut pairs,
        &mut used,
    );
    pair_by(|task| task.text.as_str(), wanted, found, &mut pairs, &mut used);
    pairs
}

fn pair_by<'t, 'f: 't, K: Eq + Hash>(
    key: impl Fn(&'t Task) -> K,
    wanted: &'t [Task],
    found: &'f [Task],
    pairs: &mut [Option<&'f Task>],
    used: &mut [bool],
) {
    let mut free: HashMap<K, Vec<&'f Task>> = HashMap::new();
    // Backwards, so that `pop` gives the first one.
    for task in found.iter().rev().filter(|task| !used[task.index]) {
        free.entry(key(task)).or_default().push(task);
    }
    for (task, pair) in wanted.iter().zip(pairs).filter(|(_, pair)| pair.is_none()) {
        *pair = free.get_mut(&key(task)).and_then(Vec::pop);
        if let Some(counterpart) = pair {
            used[counterpart.index] = true;
        }
    }
}
