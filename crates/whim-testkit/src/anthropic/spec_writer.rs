//! The scripted spec writer: a SPEC.md from the text of an issue.

use ralph_contract::SpecDocument;

/// The lines around an issue in the intake's prompt contain a random word.
const FENCE: (&str, &str) = (" begins -----\n", "\n----- request ");
/// The text before the description in the prompt of `ralph spec`.
pub(super) const QUOTATION: &str = "The description follows, quoted.";

/// A spec that keeps all conventions, with one task for each list item of the issue, else two general ones.
pub(super) fn spec_from(request_text: &str) -> String {
    let issue = issue_in(request_text);
    let title = title_of(&issue)
        .filter(|title| is_acceptable(title))
        .unwrap_or("Resolve the issue");
    let mut tasks: Vec<String> = list_items(&issue)
        .enumerate()
        .map(|(index, item)| {
            if is_acceptable(item) {
                item.to_owned()
            } else {
                format!("Point {} of the issue is fulfilled", index + 1)
            }
        })
        .collect();
    if tasks.is_empty() {
        tasks = vec![title.to_owned(), "The behaviour is covered by tests".to_owned()];
    }
    let boxes: String = tasks.iter().map(|task| format!("- [ ] {task}\n")).collect();
    format!("# {title}\n\n## Goal\n\nWhat the issue \"{title}\" asks for is there.\n\n## Tasks\n\n{boxes}")
}

/// The text that the request marks as data; without a mark, all of it.
fn issue_in(request_text: &str) -> String {
    let fenced = request_text
        .split_once(FENCE.0)
        .and_then(|(_, rest)| rest.split_once(FENCE.1));
    if let Some((issue, _)) = fenced {
        return issue.to_owned();
    }
    let Some((_, rest)) = request_text.split_once(QUOTATION) else {
        return request_text.to_owned();
    };
    let lines = rest
        .lines()
        .skip_while(|line| !line.starts_with('>'))
        .map_while(|line| line.strip_prefix('>'));
    lines
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

fn title_of(issue: &str) -> Option<&str> {
    issue
        .lines()
        .map(|line| line.trim_start_matches('#').trim())
        .find(|line| !line.is_empty())
}

/// The items of lists that are not inside others.
fn list_items(issue: &str) -> impl Iterator<Item = &str> {
    issue.lines().filter_map(|line| {
        let (mark, item) = line.split_once(' ')?;
        let is_bullet = matches!(mark, "-" | "*" | "+");
        let is_number = mark.len() > 1 && mark.trim_end_matches(['.', ')']).parse::<u32>().is_ok();
        let item = item.trim();
        let item = ["[ ]", "[x]", "[X]"]
            .iter()
            .find_map(|tick| item.strip_prefix(tick))
            .unwrap_or(item)
            .trim();
        ((is_bullet || is_number) && !item.is_empty()).then_some(item)
    })
}

/// Whether the text follows the conventions of titles and tasks.
fn is_acceptable(words: &str) -> bool {
    let document = SpecDocument::parse(format!("# {words}\n\nWhat {words} asks for.\n\n- [ ] {words}\n"));
    document.violations().is_empty() && document.tasks().len() == 1 && document.title().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUE: &str = "# Greet people\n\nPlease:\n- Greeting by name\n- [ ] Greeting without a name";

    #[test]
    fn each_list_item_of_the_issue_becomes_a_task() {
        let fenced =
            format!("- [ ] no\n----- request 5e begins -----\n{ISSUE}\n----- request 5e ends -----\n- no");
        let spec = spec_from(&fenced);
        insta::assert_snapshot!(spec, @r#"
        # Greet people

        ## Goal

        What the issue "Greet people" asks for is there.

        ## Tasks

        - [ ] Greeting by name
        - [ ] Greeting without a name
        "#);
        let quotation: String = ISSUE.lines().map(|line| format!("> {line}\n")).collect();
        assert_eq!(
            spec_from(&format!(
                "> - no\n\n{QUOTATION} It is.\n\n{quotation}\nYour last:\n\n> - no"
            )),
            spec
        );
    }

    #[test]
    fn what_would_break_a_convention_is_said_in_other_words() {
        let issue = "Fix it\n- Run `npm install zod`\n- See auth.ts:42\n- A plain wish\n";
        let document = SpecDocument::parse(spec_from(issue));
        assert_eq!(document.violations(), []);
        assert_eq!(document.tasks().len(), 3);
        assert_eq!(document.tasks()[2].text, "A plain wish");
    }

    #[test]
    fn an_issue_without_a_list_gets_general_tasks() {
        let document = SpecDocument::parse(spec_from("The button is too small"));
        assert_eq!(document.title(), Some("The button is too small"));
        assert_eq!(document.violations(), []);
        assert_eq!(document.tasks().len(), 2);
    }
}
