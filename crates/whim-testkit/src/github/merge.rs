//! Merging a pull request, with its side effects on issues.

use std::sync::LazyLock;

use regex::Regex;

use super::controls::split;
use super::error_response::ErrorResponse;
use super::{GitHub, PERSON, bare_repository, must};

/// `Closes #7`, `fixed acme/shop#7`, `Resolves: #7`
/// (docs.github.com, "Linking a pull request to an issue using a keyword").
const KEYWORDS: &str = r"(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:([\w.-]+/[\w.-]+))?#(\d+)\b";

static CLOSING: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(KEYWORDS).ok());

impl GitHub {
    /// Merges an open pull request as [`PERSON`] and returns the hash of the merge commit. If the base is the default
    /// branch, issues that its text or commits name with a closing keyword are closed.
    ///
    /// # Panics
    /// There is no such pull request, it is closed, or it has conflicts.
    #[track_caller]
    pub fn merge_pull(&self, repository: &str, number: u64) -> String {
        must(
            &format!("could not merge pull request {number}"),
            self.try_merge(repository, number),
        )
    }

    fn try_merge(&self, repository: &str, number: u64) -> anyhow::Result<String> {
        let (owner, name) = split(repository);
        self.shared.refresh(owner, name, PERSON)?;
        let (pull, title, body, default_branch) = self.shared.with_repository(owner, name, |record| {
            let (issue, pull) = record.pull(number).ok_or(ErrorResponse::NotFound)?;
            let body = issue.body.clone().unwrap_or_default();
            Ok((
                pull.clone(),
                issue.title.clone(),
                body,
                record.default_branch.clone(),
            ))
        })?;
        anyhow::ensure!(pull.merged.is_none(), "it is merged already");
        let git = self.bare(repository);
        let message = format!(
            "Merge pull request #{number} from {owner}/{}\n\n{title}",
            pull.head
        );
        let mut texts = vec![body];
        for commit in git.log(&format!("{}..{}", pull.base_hash, pull.head_hash))? {
            texts.extend([commit.subject, commit.body]);
        }
        let merged = bare_repository::merge(&git, &pull.base, &pull.base_hash, &pull.head_hash, &message)?;
        let commit = merged.ok_or_else(|| anyhow::anyhow!("it has conflicts"))?;
        let closes = if pull.base == default_branch {
            closed_by(&texts, repository)
        } else {
            Vec::new()
        };
        let mut world = self.shared.write();
        let change = world.change_by(PERSON);
        let record = world.repository_mut(owner, name).ok_or(ErrorResponse::NotFound)?;
        record.record_merge(number, commit.clone(), &closes, &change)?;
        drop(world);
        self.shared.refresh(owner, name, PERSON)?;
        Ok(commit)
    }
}

/// The numbers of the issues of this repository that a text closes.
fn closed_by(texts: &[String], repository: &str) -> Vec<u64> {
    let Some(closing) = &*CLOSING else {
        return Vec::new();
    };
    let found = texts.iter().flat_map(|text| closing.captures_iter(text));
    let here = found.filter(|found| {
        found
            .get(1)
            .is_none_or(|other| other.as_str().eq_ignore_ascii_case(repository))
    });
    here.filter_map(|found| found.get(2)?.as_str().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::closed_by;

    #[test]
    fn closing_keywords_are_githubs() {
        let text = "Closes #1, fixes #2 and RESOLVED: #3; closed acme/shop#4, closes other/shop#5, see #6, enclose #7";
        assert_eq!(closed_by(&[text.to_owned()], "acme/shop"), [1, 2, 3, 4]);
    }
}
