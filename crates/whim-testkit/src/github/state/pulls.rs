//! Pull requests, which follow their branches.

use std::collections::BTreeMap;

use super::super::error_response::{ErrorResponse, Invalid};
use super::issues::check_texts;
use super::{Change, EventKind, Merge, Pull, Repository, State};

/// The fields of a new pull request.
pub(in super::super) struct NewPull {
    pub(in super::super) title: String,
    pub(in super::super) body: Option<String>,
    pub(in super::super) head: String,
    pub(in super::super) base: String,
    pub(in super::super) draft: bool,
    pub(in super::super) maintainer_can_modify: bool,
}

impl Repository {
    /// Opens a pull request and returns its number. Checks the records only; the branches were checked before.
    pub(in super::super) fn open_pull(
        &mut self,
        new: NewPull,
        change: &Change,
    ) -> Result<u64, ErrorResponse> {
        check_texts("PullRequest", Some(&new.title), new.body.as_deref())?;
        let head_hash = self.branch_hash(&new.head, "head")?;
        let base_hash = self.branch_hash(&new.base, "base")?;
        let same = |pull: &Pull| pull.head == new.head && pull.base == new.base;
        if self
            .pulls()
            .any(|(issue, pull)| issue.state == State::Open && same(pull))
        {
            let message = format!("A pull request already exists for {}:{}.", self.owner, new.head);
            return Err(ErrorResponse::invalid(Invalid::custom("PullRequest", message)));
        }
        let number = self.append(&new.title, new.body, change);
        let pull = Pull {
            id: self.next_id(),
            head: new.head,
            base: new.base,
            head_hash,
            base_hash,
            draft: new.draft,
            maintainer_can_modify: new.maintainer_can_modify,
            merged: None,
        };
        if let Some(issue) = self.issues.get_mut(&number) {
            issue.pull = Some(pull);
        }
        Ok(number)
    }

    fn branch_hash(&self, branch: &str, field: &'static str) -> Result<String, ErrorResponse> {
        let hash = self.branches.get(branch).cloned();
        hash.ok_or_else(|| ErrorResponse::invalid(Invalid::field("PullRequest", field)))
    }

    /// Moves an open pull request to another base branch.
    pub(in super::super) fn set_base(
        &mut self,
        number: u64,
        base: &str,
        change: &Change,
    ) -> Result<(), ErrorResponse> {
        let base_hash = self.branch_hash(base, "base")?;
        let issue = self.issues.get_mut(&number).ok_or(ErrorResponse::NotFound)?;
        let pull = issue.pull.as_mut().ok_or(ErrorResponse::NotFound)?;
        base.clone_into(&mut pull.base);
        pull.base_hash = base_hash;
        issue.updated_at = change.at;
        Ok(())
    }

    /// Updates the branches from the bare repository. Open pull requests follow their head; one whose head was deleted
    /// is closed, as on GitHub.
    pub(in super::super) fn take_branches(
        &mut self,
        branches: BTreeMap<String, String>,
        change: &Change,
    ) -> Result<(), ErrorResponse> {
        if branches == self.branches {
            return Ok(());
        }
        self.branches = branches;
        self.pushed_at = change.at;
        self.updated_at = change.at;
        let mut orphans = Vec::new();
        for issue in self
            .issues
            .values_mut()
            .filter(|issue| issue.state == State::Open)
        {
            let Some(pull) = &mut issue.pull else { continue };
            if let Some(hash) = self.branches.get(&pull.base) {
                pull.base_hash.clone_from(hash);
            }
            match self.branches.get(&pull.head) {
                Some(hash) if *hash == pull.head_hash => {}
                Some(hash) => {
                    pull.head_hash.clone_from(hash);
                    issue.updated_at = change.at;
                }
                None => orphans.push(issue.number),
            }
        }
        orphans
            .into_iter()
            .try_for_each(|number| self.set_state(number, State::Closed, None, change))
    }

    /// Records the merge of a pull request, and closes the issues that it names.
    pub(in super::super) fn record_merge(
        &mut self,
        number: u64,
        commit: String,
        closes: &[u64],
        change: &Change,
    ) -> Result<(), ErrorResponse> {
        let kind = EventKind::Merged {
            commit: commit.clone(),
        };
        self.record(number, change, kind, |issue| {
            if let Some(pull) = &mut issue.pull {
                pull.merged = Some(Merge {
                    commit,
                    change: change.clone(),
                });
            }
        })?;
        self.set_state(number, State::Closed, None, change)?;
        for closed in closes.iter().filter(|closed| **closed != number) {
            match self.set_state(*closed, State::Closed, None, change) {
                // A keyword may name an issue that does not exist.
                Ok(()) | Err(ErrorResponse::NotFound) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }
}
