//! Claude Code in its non-interactive mode.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use ralph_contract::REVIEW_SCHEMA;
use semver::Version;
use serde_json::json;

use super::{CommandSpec, Harness, Purpose, VersionRequirement};
use crate::stream::Decoder;
use crate::stream::claude::ClaudeDecoder;

/// The tools for a task. Excluded are those that leave the directory (worktrees), outlive the run (schedules) or read the
/// web.
const WORK_TOOLS: &str = "Bash,Edit,Glob,Grep,NotebookEdit,Read,Write";
/// The tools for a question about a repository. None of them changes it.
const ANSWER_TOOLS: &str = "Glob,Grep,Read";

/// Before 2.1.212, shells kept running after SIGTERM; before 2.1.214, the end of the output could be lost.
const MINIMUM: Version = Version::new(2, 1, 214);

/// Claude Code.
#[derive(Debug)]
pub(crate) struct ClaudeHarness {
    /// `claude`, or the path to it.
    pub(crate) program: OsString,
    /// `None` for Claude Code's default.
    pub(crate) model: Option<String>,
    pub(crate) pre_edit: Option<PreEditHook>,
}

/// The tools that edit a file, as a pattern of Claude Code's hooks.
const EDITING_TOOLS: &str = "Write|Edit|MultiEdit|NotebookEdit";

/// A program that runs before each edit and may refuse it; see [`ralph_contract::pre_edit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PreEditHook {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    pub(crate) limit: Duration,
}

impl PreEditHook {
    /// As settings of Claude Code, which runs the hook's command in a shell.
    fn settings(&self) -> String {
        let words: Vec<String> = self.command.iter().map(|word| shell_quoted(word)).collect();
        let hook = json!({
            "type": "command",
            "command": words.join(" "),
            // In whole seconds.
            "timeout": self.limit.as_secs() + u64::from(self.limit.subsec_nanos() > 0),
        });
        json!({
            "hooks": { "PreToolUse": [{ "matcher": EDITING_TOOLS, "hooks": [hook] }] },
            // The user's settings may disable hooks.
            "disableAllHooks": false,
        })
        .to_string()
    }
}

/// As one word of a POSIX shell.
fn shell_quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
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
            Purpose::Answer | Purpose::Review => (ANSWER_TOOLS, None),
        };
        let mut arguments: Vec<OsString> = [
            "-p",
            "--output-format",
            "stream-json",
            "--verbose",
            // Which tools exist, and which of them need no permission, as no one can grant it.
            "--tools",
            tools,
            "--allowedTools",
            tools,
            // The settings of a repository could contain hooks and MCP servers.
            "--setting-sources",
            "user",
            "--strict-mcp-config",
        ]
        .map(OsString::from)
        .to_vec();
        if let Some(mode) = permission_mode {
            arguments.extend(["--permission-mode".into(), mode.into()]);
        }
        if purpose == Purpose::Review {
            arguments.extend(["--json-schema".into(), REVIEW_SCHEMA.into()]);
        }
        if let (Purpose::Work, Some(hook)) = (purpose, &self.pre_edit) {
            arguments.extend(["--settings".into(), hook.settings().into()]);
        }
        if let Some(model) = &self.model {
            // In one word, so that the name of a model cannot be taken for an option.
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
                // A background task makes it wait after its result and start another turn by itself.
                ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
                // Its default of ten takes about four minutes before it reports that the provider is unavailable. Four
                // take about eight seconds, enough for a short interruption.
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
            pre_edit: None,
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
    fn a_review_is_given_with_tools_that_only_read_and_in_json_of_the_schema() {
        let arguments = arguments(Purpose::Review, None);
        assert!(arguments.contains("\n--tools\nGlob,Grep,Read\n"), "{arguments}");
        assert!(
            arguments.ends_with(&format!("\n--json-schema\n{REVIEW_SCHEMA}")),
            "{arguments}"
        );
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

    #[test]
    fn the_arguments_of_a_hook_are_quoted_for_the_shell() {
        let hook = PreEditHook {
            command: vec![
                "/opt/my tools/ask".to_owned(),
                "it's; $(touch x) `y` \"z\"".to_owned(),
            ],
            limit: Duration::from_millis(1500),
        };
        insta::assert_snapshot!(hook.settings(), @r#"{"disableAllHooks":false,"hooks":{"PreToolUse":[{"hooks":[{"command":"'/opt/my tools/ask' 'it'\\''s; $(touch x) `y` \"z\"'","timeout":2,"type":"command"}],"matcher":"Write|Edit|MultiEdit|NotebookEdit"}]}}"#);
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {}", shell_quoted(&hook.command[1]))])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), hook.command[1]);
    }
}
