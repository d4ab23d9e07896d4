//! Which ticks of earlier attempts still count.

use ralph_contract::SpecDocument;

/// The same document with every box open.
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
            text.push_str(&opened(line));
        } else {
            text.push_str(line);
        }
    }
    SpecDocument::parse(text)
}

/// The line of a task with its box, which is the first one of the line, open.
fn opened(line: &str) -> String {
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
