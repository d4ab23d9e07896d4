//! Events as text for people.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ralph_contract::{Event, IterationPhase, IterationStats, Review, ReviewSeverity, Task, ToolKind};

use super::terminal::HiddenControlCharacters;
use crate::stream::ToolUse;
use crate::text::{counted, shortened};

/// Interval between two frames of the spinner.
const SPINNER_PERIOD: Duration = Duration::from_millis(120);
/// Longest remark of an agent that is shown, in bytes.
const LONGEST_REMARK: usize = 200;

/// Text for a terminal, or for a file.
pub(super) struct Human {
    has_colours: bool,
    spinner: ProgressBar,
    _control_characters: Option<HiddenControlCharacters>,
}

#[derive(Clone, Copy)]
enum Colour {
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

impl Human {
    pub(super) fn new(is_plain: bool) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let has_colours = is_terminal && !is_plain;
        let (target, control_characters) = if is_terminal && io::stderr().is_terminal() {
            (ProgressDrawTarget::stderr(), HiddenControlCharacters::new())
        } else {
            (ProgressDrawTarget::hidden(), None)
        };
        let spinner = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}") {
            spinner.set_style(style);
        }
        Self {
            has_colours,
            spinner,
            _control_characters: control_characters,
        }
    }

    /// Runs `write` while the spinner is hidden.
    pub(super) fn around<T>(&self, write: impl FnOnce() -> T) -> T {
        self.spinner.suspend(write)
    }

    pub(super) fn task(&self, n: u32, task: &Task) -> String {
        let text = clean(&task.text);
        self.spinner.set_message(text.clone());
        self.spinner.reset_elapsed();
        self.spinner.enable_steady_tick(SPINNER_PERIOD);
        format!(
            "\n{}",
            self.paint(Colour::Bold, &format!("Iteration {n}: {text}"))
        )
    }

    pub(super) fn tool(&self, tool: &ToolUse) -> String {
        let name = match tool.kind {
            ToolKind::Read => "read ",
            ToolKind::Write => "write",
            ToolKind::Bash => "run  ",
        };
        let what = tool
            .path
            .as_deref()
            .or(tool.detail.as_deref())
            .unwrap_or_default();
        let what = what.lines().next().unwrap_or_default();
        format!("  {} {}", self.paint(Colour::Dim, name), clean(what))
            .trim_end()
            .to_owned()
    }

    pub(super) fn remark(&self, text: &str) -> Option<String> {
        let line = text.lines().find(|line| !line.trim().is_empty())?;
        let line = shortened(&clean(line.trim()), LONGEST_REMARK);
        Some(self.paint(Colour::Dim, &format!("  | {line}")))
    }

    /// The text of an event, or `None` if it is not shown.
    pub(super) fn event(&self, event: &Event) -> Option<String> {
        let text = match event {
            Event::Started(started) => {
                let count = counted(u64::from(started.tasks), "task");
                let agent = [started.harness.as_deref(), started.model.as_deref()];
                let agent = agent
                    .into_iter()
                    .flatten()
                    .map(|name| format!(", {}", clean(name)));
                format!("{}: {count}{}", clean(&started.spec), agent.collect::<String>())
            }
            Event::Iteration(iteration) => {
                if iteration.phase == IterationPhase::Finishing {
                    self.spinner.disable_steady_tick();
                    self.spinner.set_message("reading the changes");
                }
                return None;
            }
            // Shown by `tool` and `remark`.
            Event::Tool(_) | Event::Message(_) | Event::ToolResult(_) => return None,
            Event::Commit(commit) => {
                let hash = commit.hash.get(..10).unwrap_or(&commit.hash);
                let mark = self.paint(Colour::Green, "commit");
                format!("  {mark} {hash} {}", clean(&commit.message))
            }
            Event::TaskComplete(task) => {
                format!("  {} {}", self.paint(Colour::Green, "done  "), clean(&task.text))
            }
            Event::TaskReopened(task) => {
                format!("  {} {}", self.paint(Colour::Yellow, "reopen"), clean(&task.text))
            }
            Event::IterationDone(done) => {
                let duration = duration_text(Duration::from_millis(done.duration_ms));
                format!(
                    "  {}",
                    self.paint(Colour::Dim, &format!("{duration}{}", stats_text(&done.stats)))
                )
            }
            Event::Warning(warning) => {
                let files = warning.files.iter().map(|file| format!("\n    {}", clean(file)));
                let mark = self.paint(Colour::Yellow, "warning:");
                format!(
                    "  {mark} {}{}",
                    clean(&warning.message),
                    files.collect::<String>()
                )
            }
            Event::Stuck(stuck) => {
                self.spinner.finish_and_clear();
                let reason: Vec<_> = stuck
                    .reason
                    .lines()
                    .map(|line| format!("\n  {}", clean(line)))
                    .collect();
                format!("\n{}{}", self.paint(Colour::Red, "Stuck:"), reason.concat())
            }
            Event::Complete(complete) => {
                self.spinner.finish_and_clear();
                let count = counted(u64::from(complete.tasks_done), "task");
                let duration = duration_text(Duration::from_millis(complete.total_duration_ms));
                format!(
                    "\n{} {count} done in {duration}",
                    self.paint(Colour::Green, "Complete:")
                )
            }
            Event::Failed(failed) => self.failure(&failed.error),
            Event::SpecGenerationStarted => "Writing the checklist".to_owned(),
            Event::SpecGenerationComplete(spec) => {
                let count = counted(u64::from(spec.task_count), "task");
                let violations = spec
                    .violations
                    .iter()
                    .map(|violation| format!("\n  {}", clean(violation)));
                let path = clean(&spec.spec_path);
                format!("\n{path}: {count}{}", violations.collect::<String>())
            }
            Event::SpecGenerationFailed(failed) => self.failure(&failed.error),
            Event::ReviewComplete(complete) => self.review(&complete.review),
            Event::ReviewFailed(failed) => self.failure(&failed.error),
        };
        Some(text)
    }

    fn review(&self, review: &Review) -> String {
        self.spinner.finish_and_clear();
        let mut text = format!(
            "\n{} {}",
            self.paint(Colour::Bold, "Review:"),
            clean(&review.summary)
        );
        for finding in &review.findings {
            let (name, colour) = match finding.severity {
                ReviewSeverity::Error => ("error:", Colour::Red),
                ReviewSeverity::Warning => ("warning:", Colour::Yellow),
                ReviewSeverity::Note => ("note:", Colour::Dim),
            };
            let place = match (&finding.file, finding.line) {
                (Some(file), Some(line)) => format!(" {}:{line}:", clean(file)),
                (Some(file), None) => format!(" {}:", clean(file)),
                (None, _) => String::new(),
            };
            let mark = self.paint(colour, name);
            text += &format!("\n  {mark}{place} {}", clean(&finding.message));
        }
        text
    }

    fn failure(&self, error: &str) -> String {
        self.spinner.finish_and_clear();
        let lines: Vec<_> = error.lines().map(clean).collect();
        format!("\n{} {}", self.paint(Colour::Red, "Failed:"), lines.join("\n  "))
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        if !self.has_colours {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Bold => 1,
            Colour::Dim => 2,
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Text of others without control characters, which a terminal would interpret.
fn clean(text: &str) -> String {
    let visible = |character: char| match character {
        '\t' => ' ',
        control if control.is_control() => '\u{fffd}',
        other => other,
    };
    text.chars().map(visible).collect()
}

fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) => format!("{:.1} s", duration.as_secs_f64()),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

fn stats_text(stats: &IterationStats) -> String {
    let mut text = String::new();
    if stats.tools > 0 {
        text += &format!(", {}", counted(stats.tools, "tool call"));
    }
    let read = stats
        .tokens_in
        .saturating_add(stats.cache_read)
        .saturating_add(stats.cache_write);
    if read > 0 || stats.tokens_out > 0 {
        text += &format!(", {read} tokens in, {} out", stats.tokens_out);
    }
    if stats.cost_usd > 0.0 {
        text += &format!(", ${:.2}", stats.cost_usd);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\rc\td"), "a\u{fffd}[2Jb\u{fffd}c d");
    }

    #[test]
    fn durations_read_well_at_every_size() {
        let text = |millis| duration_text(Duration::from_millis(millis));
        assert_eq!(text(4_230), "4.2 s");
        assert_eq!(text(61_000), "1 min 1 s");
        assert_eq!(text(7_380_000), "2 h 3 min");
    }
}
