//! The table that `check` prints.

use std::io::{self, Write as _};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    Good(String),
    /// With what to do.
    Bad(String),
}

#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<(String, Finding)>,
}

impl Report {
    pub(super) fn push(&mut self, subject: &str, finding: Finding) {
        self.rows.push((subject.to_owned(), finding));
    }

    pub(super) fn is_good(&self) -> bool {
        self.rows
            .iter()
            .all(|(_, finding)| matches!(finding, Finding::Good(_)))
    }

    pub(super) fn print(&self) -> io::Result<()> {
        io::stdout().write_all(self.table().as_bytes())
    }

    fn table(&self) -> String {
        let width = self
            .rows
            .iter()
            .map(|(subject, _)| subject.chars().count())
            .max()
            .unwrap_or(0);
        let row = |(subject, finding): &(String, Finding)| match finding {
            Finding::Good(text) => format!("ok   {subject:width$}  {text}\n"),
            Finding::Bad(text) => format!("FIX  {subject:width$}  {text}\n"),
        };
        self.rows.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_subject() {
        let mut report = Report::default();
        report.push("token", Finding::Good("whim-bot (id 1)".to_owned()));
        assert!(report.is_good());
        report.push("octocat/hello", Finding::Bad("is archived".to_owned()));
        assert!(!report.is_good());
        insta::assert_snapshot!(report.table(), @r"
        ok   token          whim-bot (id 1)
        FIX  octocat/hello  is archived
        ");
    }
}
