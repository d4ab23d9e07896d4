//! Claude Code, in its mode without a terminal.

use std::ffi::OsString;
use std::path::PathBuf;

use semver::Version;

use super::{CommandSpec, Harness, Purpose, VersionRequirement};
use crate::stream::Decoder;
use crate::stream::claude::ClaudeDecoder;

/// The tools for working on a task, and no others: nothing that leaves the directory for another (worktrees), that
/// goes on after the run (schedules), or that reads the web.
const WORK_TOOLS: &str = "Bash,Edit,Glob,Grep,NotebookEdit,Read,Write";
/// The tools for answering a question about a repository: nothing that changes it.
const ANSWER_TOOLS: &str = "Glob,Grep,Read";

/// Before 2.1.212 its shells outlived it on SIGTERM; before 2.1.214 the end of its output could be lost.
const MINIMUM: Version = Version::new(2, 1, 214);

/// Claude Code.
#[derive(Debug)]
pub(crate) struct ClaudeHarness {
    /// `claude`, or the path to it.
    pub(crate) program: OsString,
    /// The model to ask for; Claude Code's own default otherwise.
    pub(crate) model: Option<String>,
}

impl Harness for ClaudeHarness {
    fn name(&self) -> &'static str {
        "claude"
    }

    fn version_requirement(&self) -> Option<VersionRequirement> {
        Some(VersionRequirement {
            name: "Claude Code",
            command: self.call(vec!["--version".into()]),
            minimum: MINIMUM,
            advice: "install it with `npm install -g @anthropic-ai/claude-code`, or name another with `--claude-bin`",
        })
    }

    fn command(&self, purpose: Purpose) -> CommandSpec {
        let (tools, permission_mode) = match purpose {
            Purpose::Work => (WORK_TOOLS, Some("acceptEdits")),
            Purpose::Answer => (ANSWER_TOOLS, None),
        };
        let mut arguments: Vec<OsString> = [
            "-p",
            "--output-format",
            "stream-json",
            "--verbose",
            // The first says which tools there are, the second which need no permission: nobody is there to give one.
            "--tools",
            tools,
            "--allowedTools",
            tools,
            // The settings of a repository could bring hooks and servers of its own.
            "--setting-sources",
            "user",
            "--strict-mcp-config",
        ]
        .map(OsString::from)
        .to_vec();
        if let Some(mode) = permission_mode {
            arguments.extend(["--permission-mode".into(), mode.into()]);
        }
        if let Some(model) = &self.model {
            // In one word, so that no model's name is taken for an option.
            arguments.push(format!("--model={model}").into());
        }
        self.call(arguments)
    }

    fn decoder(&self, directory: PathBuf) -> Box<dyn Decoder> {
        Box::new(ClaudeDecoder::new(directory))
    }

    fn reports_result(&self) -> bool {
        true
    }
}

impl ClaudeHarness {
    fn call(&self, arguments: Vec<OsString>) -> CommandSpec {
        CommandSpec {
            program: self.program.clone(),
            arguments,
            default_environment: vec![
                ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
                ("DISABLE_AUTOUPDATER", "1"),
                // A background task makes it wait after its result and start another turn of its own accord.
                ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
                // Its own ten take some four minutes, in which nobody knows that the provider is away. Four take
                // about eight seconds, which is enough for a hiccup.
                ("CLAUDE_CODE_MAX_RETRIES", "4"),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(purpose: Purpose, model: Option<&str>) -> String {
        let harness = ClaudeHarness {
            program: "claude".into(),
            model: model.map(str::to_owned),
        };
        let command = harness.command(purpose);
        let arguments: Vec<_> = command
            .arguments
            .iter()
            .map(|argument| argument.to_string_lossy())
            .collect();
        arguments.join("\n")
    }

    #[test]
    fn work_is_done_with_a_list_of_allowed_tools_and_without_the_settings_of_the_repository() {
        insta::assert_snapshot!(arguments(Purpose::Work, None), @r"
        -p
        --output-format
        stream-json
        --verbose
        --tools
        Bash,Edit,Glob,Grep,NotebookEdit,Read,Write
        --allowedTools
        Bash,Edit,Glob,Grep,NotebookEdit,Read,Write
        --setting-sources
        user
        --strict-mcp-config
        --permission-mode
        acceptEdits
        ");
    }

    #[test]
    fn an_answer_is_given_with_tools_that_only_read() {
        insta::assert_snapshot!(arguments(Purpose::Answer, Some("--opus")), @r"
        -p
        --output-format
        stream-json
        --verbose
        --tools
        Glob,Grep,Read
        --allowedTools
        Glob,Grep,Read
        --setting-sources
        user
        --strict-mcp-config
        --model=--opus
        ");
    }
}
