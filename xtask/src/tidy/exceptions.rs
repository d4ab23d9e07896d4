//! Where a rule does not hold, and why.

use super::finding::{Finding, Rule};

/// A file, or a directory (with a slash at the end), in which a rule does not hold.
pub(crate) struct Exception {
    pub(crate) rule: Rule,
    pub(crate) path: &'static str,
    /// For the reader of this list.
    #[expect(dead_code, reason = "people read it; the program does not")]
    pub(crate) reason: &'static str,
}

pub(crate) const EXCEPTIONS: [Exception; 1] = [Exception {
    rule: Rule::BuiltSql,
    path: "crates/whim-testkit/src/postgres/database.rs",
    reason: "names of databases cannot be parameters, and these are made of hexadecimal digits",
}];

/// The findings that no exception covers, and the exceptions that cover no finding.
pub(crate) fn apply(findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let covers = |exception: &Exception, finding: &Finding| {
        let in_directory = exception.path.ends_with('/') && finding.path.starts_with(exception.path);
        exception.rule == finding.rule && (exception.path == finding.path || in_directory)
    };
    let stale = exceptions
        .iter()
        .filter(|exception| !findings.iter().any(|finding| covers(exception, finding)))
        .map(|exception| {
            let what = format!(
                "nothing needs the exception from `{}`: take it off the list",
                exception.rule
            );
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
    fn an_exception_that_nothing_needs_is_a_finding() {
        let left: Vec<String> = apply(Vec::new(), &[SHELL_IN_TOOLS])
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            left,
            ["tools/:1: exception: nothing needs the exception from `shell`: take it off the list"]
        );
    }
}
