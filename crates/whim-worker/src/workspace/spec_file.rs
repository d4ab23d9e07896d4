//! Resets the ticks of a checklist.

use ralph_contract::SpecDocument;

/// Returns the document with every box unticked.
pub(super) fn without_ticks(spec: &SpecDocument) -> SpecDocument {
    let ticked: Vec<usize> = spec
        .tasks()
        .iter()
        .filter(|task| task.done)
        .map(|task| task.line)
        .collect();
    let mut text = String::with_capacity(spec.as_str().len());
    for (index, line) in spec.as_str().split_inclusive('\n').enumerate() {
        if ticked.contains(&(index + 1)) {
            text.push_str(&unticked(line));
        } else {
            text.push_str(line);
        }
    }
    SpecDocument::parse(text)
}

/// Unticks the first box of the line, which is that of the task.
fn unticked(line: &str) -> String {
    let boxes = ["[x]", "[X]"];
    let first = boxes.iter().filter_map(|ticked| line.find(ticked)).min();
    match first {
        Some(start) => format!("{}[ ]{}", &line[..start], &line[start + 3..]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_unticked_and_nothing_else_changes() {
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
