//! Exceptions from rules, with reasons.

use super::finding::{Finding, Rule};

/// A file, or a directory (with a slash at the end), in which a rule does not hold.
pub(crate) struct Exception {
    pub(crate) rule: Rule,
    pub(crate) path: &'static str,
    #[expect(dead_code, reason = "for the readers of the list")]
    pub(crate) reason: &'static str,
}

pub(crate) const EXCEPTIONS: [Exception; 5] = [
    Exception {
        rule: Rule::FileLength,
        path: "dashboard/src/api/schema.ts",
        reason: "generated from openapi.json",
    },
    Exception {
        rule: Rule::BuiltSql,
        path: "crates/whim-testkit/src/postgres/database.rs",
        reason: "a database name cannot be a parameter, and these consist of hexadecimal digits",
    },
    Exception {
        rule: Rule::Word,
        path: "crates/whim-testkit/src/postgres/installation.rs",
        reason: "the name of a user",
    },
    Exception {
        rule: Rule::Word,
        path: "scripts/lib/databases.sh",
        reason: "the name of a user",
    },
    Exception {
        rule: Rule::Word,
        path: "xtask/src/tidy/words.rs",
        reason: "the list itself, and its tests",
    },
];

/// The findings without an exception, and a finding for each unused exception.
pub(crate) fn apply(findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let covers = |exception: &Exception, finding: &Finding| {
        let in_directory = exception.path.ends_with('/') && finding.path.starts_with(exception.path);
        exception.rule == finding.rule && (exception.path == finding.path || in_directory)
    };
    let stale = exceptions
        .iter()
        .filter(|exception| !findings.iter().any(|finding| covers(exception, finding)))
        .map(|exception| {
            let what = format!("unused exception from `{}`: remove it", exception.rule);
            Finding::new(exception.path, 1, Rule::Exception, what)
        });
    let stale: Vec<Finding> = stale.collect();
    let open = findings
        .into_iter()
        .filter(|finding| !exceptions.iter().any(|exception| covers(exception, finding)));
    open.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL_IN_TOOLS: Exception = Exception {
        rule: Rule::Shell,
        path: "tools/",
        reason: "fixed texts",
    };

    #[test]
    fn an_exception_covers_its_rule_in_its_place_only() {
        let findings = vec![
            Finding::new("tools/a.rs", 1, Rule::Shell, ""),
            Finding::new("tools/a.rs", 1, Rule::OpenEnd, ""),
            Finding::new("src/tools/a.rs", 1, Rule::Shell, ""),
        ];
        assert_eq!(apply(findings.clone(), &[SHELL_IN_TOOLS]), findings[1..]);
    }

    #[test]
    fn an_unused_exception_is_a_finding() {
        let remaining: Vec<String> = apply(Vec::new(), &[SHELL_IN_TOOLS])
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            remaining,
            ["tools/:1: exception: unused exception from `shell`: remove it"]
        );
    }
}
