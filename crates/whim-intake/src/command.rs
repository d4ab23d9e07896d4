//! Commands in comments: `@whim` and what to do.

use whim_core::Priority;

use crate::visible_text::VisibleText;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Cancel the item.
    Stop,
    /// Start another run of an ended item.
    Retry,
    /// Bring the comment up to date.
    Status,
    Priority(Priority),
    /// Words for the agent.
    Note(String),
}

/// What the words after `@whim` may be, for a person.
pub(crate) const COMMANDS: &str =
    "`stop`, `retry`, `status`, `priority critical|high|medium|low`, or words for the agent";

/// Whether a comment is for Whim: it begins with `@whim`.
pub(crate) fn is_command(body: &str) -> bool {
    let word = body.split_whitespace().next().unwrap_or_default();
    word.trim_end_matches([',', ':']).eq_ignore_ascii_case("@whim")
}

/// `None` if the comment is not for Whim, or says nothing.
pub(crate) fn parse(body: &str) -> Option<Command> {
    if !is_command(body) {
        return None;
    }
    let visible = VisibleText::of_markdown(body).text;
    let (_, rest) = visible.split_once(char::is_whitespace)?;
    let words: Vec<String> = rest
        .split_whitespace()
        .map(|word| word.trim_end_matches(['.', '!']).to_lowercase())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => None,
        ["stop" | "cancel"] => Some(Command::Stop),
        ["retry" | "rerun"] => Some(Command::Retry),
        ["status"] => Some(Command::Status),
        // A typing error must not become words for the agent.
        ["priority", priority] => priority.parse().ok().map(Command::Priority),
        ["priority"] => None,
        _ => Some(Command::Note(rest.trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_a_command_if_it_begins_with_the_name() {
        for (body, expected) in [
            ("@whim stop", Some(Command::Stop)),
            ("@Whim, STOP!", Some(Command::Stop)),
            ("@whim: cancel", Some(Command::Stop)),
            ("  @whim\nretry", Some(Command::Retry)),
            ("@whim status.", Some(Command::Status)),
            ("@whim priority High", Some(Command::Priority(Priority::High))),
            ("@whim priority urgent", None),
            ("@whim priority", None),
            ("@whim", None),
            ("@whim <!-- stop -->", None),
            ("@whim st\u{200B}op", Some(Command::Stop)),
            (
                "@whim stop using tabs\n\n- please",
                Some(Command::Note("stop using tabs\n\n- please".to_owned())),
            ),
            ("@whimsy stop", None),
            ("Ask @whim stop", None),
            ("> @whim stop", None),
            ("`@whim stop`", None),
            ("whim stop", None),
        ] {
            assert_eq!(parse(body), expected, "{body:?}");
        }
    }
}
