//! The scripted coding agent: a deterministic model that works through a checklist, one task a run.

use std::path::Path;

use ralph_contract::files::{AI_DIR, RunFiles};
use ralph_contract::{SpecDocument, Task};
use serde_json::json;

use super::conversation::{Conversation, Purpose, Replay, ToolCall, Turn};

/// A model that does the first open task of the checklist: it writes files, runs the tests, commits and ticks the box.
///
/// A task without a [`Solution`] adds a note under `notes/`.
///
/// To break the tests, use a coder without a test command whose solution writes a failing test.
#[derive(Debug, Clone, Default)]
pub struct Coder {
    solutions: Vec<Solution>,
    test_command: Option<String>,
    obeyed: Vec<String>,
}

/// What the coder does for the tasks whose text contains `task_contains`.
#[derive(Debug, Clone, Default)]
pub struct Solution {
    task_contains: String,
    files: Vec<(String, String)>,
    commands: Vec<String>,
}

impl Solution {
    /// For tasks whose text contains `task_contains`; the empty text means every task.
    pub fn for_task(task_contains: impl Into<String>) -> Self {
        Self {
            task_contains: task_contains.into(),
            ..Self::default()
        }
    }

    /// Replaces a file; `path` is relative to the working directory.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, content: impl Into<String>) -> Self {
        self.files.push((path.into(), content.into()));
        self
    }

    /// Runs a command in Claude Code's shell, after the files are written.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }
}

impl Coder {
    /// Adds a solution; the first matching one applies.
    #[must_use]
    pub fn solution(mut self, solution: Solution) -> Self {
        self.solutions.push(solution);
        self
    }

    /// Runs the project's tests with this command before each commit, and does not commit when they fail.
    #[must_use]
    pub fn test_command(mut self, command: impl Into<String>) -> Self {
        self.test_command = Some(command.into());
        self
    }

    /// A model that follows injected instructions: runs this command before the task and ignores its result.
    #[must_use]
    pub fn obeying(mut self, command: impl Into<String>) -> Self {
        self.obeyed.push(command.into());
        self
    }

    pub(super) fn next(&self, conversation: &Conversation) -> Turn {
        self.play(conversation).unwrap_or_else(|turn| turn)
    }

    fn play(&self, conversation: &Conversation) -> Result<Turn, Turn> {
        let mut replay = Replay::of(conversation);
        let checklist = read_checklist(conversation, &mut replay)?;
        let Some(task) = checklist.document.first_open() else {
            return Ok(Turn::Say("Every task of the checklist is done.".to_owned()));
        };
        for command in &self.obeyed {
            replay.attempt(bash(command, "Run the command of the test", Purpose::Work))?;
        }
        self.solve(task, conversation, &mut replay)?;
        if let Some(command) = &self.test_command {
            replay.require(bash(command, "Run the tests", Purpose::Work))?;
        }
        replay.require(commit(task, checklist.path))?;
        replay.require(tick(&checklist, task, conversation))?;
        Ok(Turn::Say(format!("Done: {}", task.text)))
    }

    fn solve(&self, task: &Task, conversation: &Conversation, replay: &mut Replay<'_>) -> Result<(), Turn> {
        let found = self
            .solutions
            .iter()
            .find(|solution| task.text.contains(&solution.task_contains));
        let Some(solution) = found else {
            let path = format!("notes/{}-{}.md", task.index + 1, slug(&task.text));
            let content = format!("# {}\n\n{}\n", task.text, task.details.join("\n"));
            return write_file(&path, content.trim_end(), conversation, replay);
        };
        for (path, content) in &solution.files {
            write_file(path, content, conversation, replay)?;
        }
        for command in &solution.commands {
            replay.require(bash(command, "Do the task", Purpose::Work))?;
        }
        Ok(())
    }
}

/// A model without progress: it reads and takes notes, and neither commits nor ticks a box.
pub(super) fn never_finish(conversation: &Conversation) -> Turn {
    let play = || {
        let mut replay = Replay::of(conversation);
        read_checklist(conversation, &mut replay)?;
        let think = "mkdir -p notes && date >> notes/thoughts.md";
        replay.require(bash(think, "Think about it", Purpose::Work))?;
        Ok(Turn::Say(
            "I looked into it, and will go on next time.".to_owned(),
        ))
    };
    play().unwrap_or_else(|turn| turn)
}

/// A model that gives up and writes its reason to `stuck.md`, beside the checklist or in `.ai`.
pub(super) fn give_up(reason: &str, conversation: &Conversation) -> Turn {
    let play = || {
        let mut replay = Replay::of(conversation);
        let checklist = read_checklist(conversation, &mut replay)?;
        let beside = checklist.path.parent().map(|parent| parent.to_string_lossy());
        let directory = beside.filter(|parent| !parent.is_empty());
        let files = RunFiles::in_directory(directory.unwrap_or(AI_DIR.into()));
        write_file(&files.stuck(), reason, conversation, &mut replay)?;
        Ok(Turn::Say(format!("I am stuck: {reason}")))
    };
    play().unwrap_or_else(|turn| turn)
}

struct Checklist<'a> {
    path: &'a Path,
    document: SpecDocument,
}

fn read_checklist<'a>(
    conversation: &'a Conversation,
    replay: &mut Replay<'_>,
) -> Result<Checklist<'a>, Turn> {
    let Some(path) = conversation.checklist() else {
        return Err(Turn::Say("The prompt names no checklist.".to_owned()));
    };
    let listing = replay.require(read(&conversation.absolute(path)))?;
    Ok(Checklist {
        path,
        document: SpecDocument::parse(without_line_numbers(&listing.text)),
    })
}

fn write_file(
    path: &str,
    content: &str,
    conversation: &Conversation,
    replay: &mut Replay<'_>,
) -> Result<(), Turn> {
    let path = conversation.absolute(Path::new(path));
    // Claude Code overwrites a file only after it was read; reading a new one may fail.
    replay.attempt(read(&path))?;
    let input = json!({ "file_path": path, "content": content });
    replay.require(ToolCall {
        name: "Write",
        input,
        purpose: Purpose::Work,
    })?;
    Ok(())
}

/// The next turn of a model that repeats one command forever.
pub(super) fn repeat(command: &str, conversation: &Conversation) -> Turn {
    let command = command.replace("$turn", &conversation.results.len().to_string());
    Turn::Call(bash(&command, "Look again", Purpose::Work))
}

fn read(path: &str) -> ToolCall {
    ToolCall {
        name: "Read",
        input: json!({ "file_path": path }),
        purpose: Purpose::Work,
    }
}

fn bash(command: &str, description: &str, purpose: Purpose) -> ToolCall {
    ToolCall {
        name: "Bash",
        input: json!({ "command": command, "description": description }),
        purpose,
    }
}

/// Commits everything but the checklist and the agent's own files; succeeds without changes, because an earlier run may
/// have made the commit.
fn commit(task: &Task, checklist: &Path) -> ToolCall {
    // Not with `:(exclude)`: git refuses one that names an ignored file.
    let mut command = format!("git add -A && git reset -q -- {AI_DIR}");
    // Git refuses a path outside the repository.
    if checklist.is_relative() {
        command.push(' ');
        command.push_str(&shell_quoted(&checklist.to_string_lossy()));
    }
    let message = shell_quoted(&task.text);
    command.push_str(&format!(
        " && {{ git diff --cached --quiet || git commit -q -m {message}; }}"
    ));
    bash(&command, "Commit the work", Purpose::Commit)
}

fn tick(checklist: &Checklist<'_>, task: &Task, conversation: &Conversation) -> ToolCall {
    let open = checklist.document.as_str();
    // The task is open, so it can be ticked; a document that says otherwise leaves the edit without effect.
    let ticked = checklist
        .document
        .tick(task.index)
        .unwrap_or_else(|_| checklist.document.clone());
    let (first, last) = unique_lines(open, task.line - 1);
    let input = json!({
        "file_path": conversation.absolute(checklist.path),
        "old_string": lines(open, first, last),
        "new_string": lines(ticked.as_str(), first, last),
    });
    ToolCall {
        name: "Edit",
        input,
        purpose: Purpose::Tick,
    }
}

/// The fewest lines that end with line `last` (from 0) and occur in the text only once, as an edit requires.
fn unique_lines(text: &str, last: usize) -> (usize, usize) {
    let stands_once = |first: &usize| text.matches(&lines(text, *first, last)).count() == 1;
    ((0..=last).rev().find(stands_once).unwrap_or(0), last)
}

fn lines(text: &str, first: usize, last: usize) -> String {
    text.lines()
        .skip(first)
        .take(last + 1 - first)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Claude Code's `Read` puts a number and a tab before each line, and may add reminders after the last.
fn without_line_numbers(listing: &str) -> String {
    let numbered = listing.lines().filter_map(|line| {
        let (number, rest) = line.split_once(['\t', '→'])?;
        number.trim().parse::<u32>().is_ok().then_some(rest)
    });
    numbered.collect::<Vec<_>>().join("\n")
}

/// As one word of a POSIX shell, whatever it contains.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn slug(text: &str) -> String {
    let words = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let slug = words
        .take(6)
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join("-");
    if slug.is_empty() {
        "task".to_owned()
    } else {
        slug.chars().take(60).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_gives_back_the_file() {
        assert_eq!(
            without_line_numbers("1\t# A\n2\t\n3\t- [ ] b\tc\n4\t"),
            "# A\n\n- [ ] b\tc\n"
        );
        assert_eq!(
            without_line_numbers("     1→x\n<system-reminder>\nno\n</system-reminder>"),
            "x"
        );
    }

    #[test]
    fn a_repeated_line_is_identified_by_the_lines_above_it() {
        let text = "a\n- [ ] x\nb\n- [ ] x\n";
        let (first, last) = unique_lines(text, 3);
        assert_eq!(lines(text, first, last), "b\n- [ ] x");
    }

    #[test]
    fn a_quoted_text_is_one_word_of_the_shell() {
        let text = "it's $(touch x) `y` \"z\"\n-n";
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {}", shell_quoted(text))])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
    }
}
