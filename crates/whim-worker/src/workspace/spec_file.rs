//! Which ticks of earlier attempts still count.

use ralph_contract::SpecDocument;

/// The same document with every box open.
pub(super) fn without_ticks(spec: &SpecDocument) -> SpecDocument {
    spec.with_all_open()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_box_is_open_and_nothing_else_changes() {
        let spec = SpecDocument::parse(
            "# Title\r\n\r\n- [x] one [x] two\r\n- [ ] three\r\n  - detail [x]\r\n* [X] four\r\n\r\n```\n- [x] code\n```\n1. [x] five",
        );
        let open = without_ticks(&spec);
        assert_eq!(
            open.as_str(),
            "# Title\r\n\r\n- [ ] one [x] two\r\n- [ ] three\r\n  - detail [x]\r\n* [ ] four\r\n\r\n```\n- [x] code\n```\n1. [ ] five",
        );
        assert_eq!(open.done_count(), 0);
        assert_eq!(open.tasks().len(), spec.tasks().len());
    }
}
