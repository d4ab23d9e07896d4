//! Issues that GitHub would close because a commit message says so.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use whim_core::IssueNumber;

/// Issues that are named at most.
const MAX_NAMED: usize = 20;

/// <https://docs.github.com/en/issues/tracking-your-work-with-issues/using-issues/linking-a-pull-request-to-an-issue>.
static CLOSING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\s*:?\s+",
        r"(?<issue>(?:[\w.-]+/[\w.-]+)?#\d+|GH-\d+|https?://\S+/issues/\d+)",
    ))
    .ok()
});

/// The issues other than `own` that commit messages close when the commits are merged, in order and each once.
pub fn other_closed_issues(messages: &str, own: Option<IssueNumber>) -> Vec<String> {
    let Some(closing) = CLOSING.as_ref() else {
        return Vec::new();
    };
    let own = own.map(|number| format!("#{number}"));
    let named: BTreeSet<&str> = closing
        .captures_iter(messages)
        .filter_map(|found| Some(found.name("issue")?.as_str()))
        .filter(|issue| Some(*issue) != own.as_deref())
        .collect();
    named.into_iter().take(MAX_NAMED).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_of_others_are_found_in_every_form_that_github_reads() {
        let find = |messages: &str| other_closed_issues(messages, IssueNumber::new(7)).join(" ");
        for (messages, expected) in [
            ("Fix the greeting\n\nFixes #7\n", ""),
            ("Fixes #99", "#99"),
            (
                "closes: #1, RESOLVED other/repo#2\nfix GH-3",
                "#1 GH-3 other/repo#2",
            ),
            (
                "Closed https://github.com/a/b/issues/4",
                "https://github.com/a/b/issues/4",
            ),
            ("See #5; prefixes #6; the fix for #8", ""),
        ] {
            assert_eq!(find(messages), expected, "{messages}");
        }
    }
}
