//! Claude Code in its non-interactive mode.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use ralph_contract::REVIEW_SCHEMA;
use semver::Version;
use serde::Deserialize;
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
    pub(crate) mcp: Option<McpServers>,
    /// What one agent may cost, by the prices of Claude Code.
    pub(crate) max_budget_usd: Option<f64>,
}

/// The MCP servers of an agent that works on a task; there are no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct McpServers {
    /// In the format of Claude Code.
    pub(crate) file: PathBuf,
    pub(crate) names: Vec<String>,
}

impl McpServers {
    /// Reads the names from a file in the format of Claude Code.
    pub(crate) fn read(file: PathBuf) -> anyhow::Result<Self> {
        let text = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let content: McpFile =
            serde_json::from_slice(&text).with_context(|| format!("reading {}", file.display()))?;
        Ok(Self {
            file,
            names: content.servers.keys().cloned().collect(),
        })
    }
}

#[derive(Deserialize)]
struct McpFile {
    #[serde(rename = "mcpServers")]
    servers: serde_json::Map<String, serde_json::Value>,
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
        let mcp = self.mcp.as_ref().filter(|_| purpose == Purpose::Work);
        // No one can grant a permission.
        let of_servers = mcp.iter().flat_map(|mcp| &mcp.names);
        let allowed: String =
            of_servers.fold(tools.to_owned(), |allowed, name| format!("{allowed},mcp__{name}"));
        let mut arguments: Vec<OsString> = [
            "-p",
            "--output-format",
            "stream-json",
            "--verbose",
            // Which tools exist, and which of them need no permission, as no one can grant it.
            "--tools",
            tools,
            "--allowedTools",
            &allowed,
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
        if let Some(mcp) = mcp {
            arguments.extend(["--mcp-config".into(), mcp.file.clone().into()]);
        }
        if let Some(amount) = self.max_budget_usd {
            arguments.extend(["--max-budget-usd".into(), amount.to_string().into()]);
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
                // Otherwise some failures to start are only reported on standard error.
                ("CLAUDE_CODE_STARTUP_FAILURE_RESULTS", "1"),
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
            mcp: None,
            max_budget_usd: None,
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
    fn the_servers_of_the_caller_and_no_others_may_be_used_and_the_cost_is_limited() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("mcp.json");
        let content = r#"{"mcpServers": {"docs": {"command": "docs-server"}, "db": {"type": "http", "url": "http://x"}}}"#;
        std::fs::write(&file, content).unwrap();
        let harness = ClaudeHarness {
            program: "claude".into(),
            model: None,
            pre_edit: None,
            mcp: Some(McpServers::read(file.clone()).unwrap()),
            max_budget_usd: Some(2.5),
        };
        let arguments = |purpose| {
            let command = harness.command(purpose);
            let words = command.arguments.iter();
            words
                .map(|word| word.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let work = arguments(Purpose::Work);
        for part in [
            format!("--mcp-config {}", file.display()),
            "--allowedTools Bash,Edit,Glob,Grep,NotebookEdit,Read,Write,mcp__db,mcp__docs".to_owned(),
            "--strict-mcp-config".to_owned(),
            "--max-budget-usd 2.5".to_owned(),
        ] {
            assert!(work.contains(&part), "{part}: {work}");
        }
        let review = arguments(Purpose::Review);
        assert!(
            !review.contains("mcp__") && !review.contains("--mcp-config"),
            "{review}"
        );
        assert!(review.contains("--max-budget-usd 2.5"), "{review}");
        std::fs::write(&file, "{}").unwrap();
        let error = McpServers::read(file).unwrap_err();
        assert!(format!("{error:#}").contains("mcpServers"), "{error:#}");
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
