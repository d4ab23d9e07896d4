//! The scripted model with the real Claude Code CLI.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::{Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use whim_testkit::anthropic::{
    AgentScript, Anthropic, ApiError, Coder, Fault, Moment, RequestKind, Solution,
};
use whim_testkit::tools;

const PATIENCE: Duration = Duration::from_secs(60);

const CHECKLIST: &str = "\
# Greetings

## Tasks

- [ ] The program greets people by name
  - An empty name is refused
- [ ] It's documented: `$(touch injected)` and \"quotes\" stay words
";

/// A repository with an untracked checklist, and an empty `HOME`.
struct Workspace {
    directory: TempDir,
    home: TempDir,
}

impl Workspace {
    async fn new() -> Self {
        let workspace = Self {
            directory: tempfile::tempdir().unwrap(),
            home: tempfile::tempdir().unwrap(),
        };
        workspace.git(&["init", "--quiet", "--initial-branch=main"]).await;
        workspace.write("README.md", "hello\n");
        workspace.git(&["add", "README.md"]).await;
        workspace.git(&["commit", "--quiet", "-m", "begin"]).await;
        workspace.write(".git/info/exclude", "/SPEC.md\n/.ai/\n");
        workspace.write("SPEC.md", CHECKLIST);
        workspace
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .env_clear();
        command
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path());
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Agent")
                .env(format!("GIT_{role}_EMAIL"), "agent@example.com");
        }
        command
    }

    async fn git(&self, arguments: &[&str]) -> String {
        let output = self.command("git").args(arguments).output().await.unwrap();
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    async fn subjects(&self) -> Vec<String> {
        self.git(&["log", "--format=%s", "--reverse"])
            .await
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn claude(&self, model: &Anthropic) -> Child {
        self.command(tools::claude().unwrap())
            .args([
                "-p",
                "Do the first open task. The checklist is the file `SPEC.md`.",
            ])
            .args(["--output-format", "stream-json", "--verbose"])
            .args(["--allowedTools", "Bash", "Edit", "Read", "Write"])
            .env("ANTHROPIC_BASE_URL", model.url())
            .env("ANTHROPIC_API_KEY", model.api_key())
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    async fn run(&self, model: &Anthropic) -> serde_json::Value {
        result_of(&self.claude(model).wait_with_output().await.unwrap())
    }
}

/// The `result` line.
fn result_of(output: &Output) -> serde_json::Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stdout
        .lines()
        .last()
        .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let result: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(result["type"], "result", "{stdout}");
    result
}

#[tokio::test]
async fn two_fresh_runs_do_a_checklist_of_two_tasks_with_real_commits() {
    let model = Anthropic::start().unwrap();
    let greeting = Solution::for_task("greets people")
        .file("greet.sh", "echo \"Hello, $1\"\n")
        .command("chmod +x greet.sh");
    model.set_coder(
        Coder::default()
            .solution(greeting)
            .test_command("test -f README.md"),
    );
    let workspace = Workspace::new().await;

    let first = workspace.run(&model).await;
    assert_eq!(first["is_error"], false);
    assert_eq!(first["result"], "Done: The program greets people by name");
    assert!(first["total_cost_usd"].as_f64().unwrap() > 0.0, "{first}");
    let second = workspace.run(&model).await;
    assert_eq!(second["is_error"], false);

    let second_task = "It's documented: `$(touch injected)` and \"quotes\" stay words";
    assert_eq!(
        workspace.subjects().await,
        ["begin", "The program greets people by name", second_task]
    );
    assert_eq!(workspace.read("SPEC.md"), CHECKLIST.replace("[ ]", "[x]"));
    assert_eq!(workspace.read("greet.sh"), "echo \"Hello, $1\"\n");
    assert!(!workspace.path("injected").exists());
    let tracked = workspace.git(&["ls-files"]).await;
    assert_eq!(
        tracked,
        "README.md\ngreet.sh\nnotes/2-it-s-documented-touch-injected-and.md\n"
    );

    let third = workspace.run(&model).await;
    assert_eq!(third["result"], "Every task of the checklist is done.");
    assert_eq!(model.violations(), Vec::<String>::new());
    let sessions: std::collections::HashSet<_> = model
        .requests()
        .into_iter()
        .filter(|request| request.kind == RequestKind::Agent)
        .map(|r| r.session)
        .collect();
    assert_eq!(sessions.len(), 3);
}

#[tokio::test]
async fn an_agent_is_held_after_its_commit_and_another_one_completes_the_task() {
    let model = Anthropic::start().unwrap();
    let mut gate = model.hold("", Moment::AfterCommits(1));
    let workspace = Workspace::new().await;

    let mut held = workspace.claude(&model);
    gate.reached(PATIENCE).await.unwrap();
    assert_eq!(workspace.subjects().await.len(), 2);
    assert_eq!(workspace.read("SPEC.md"), CHECKLIST);
    held.kill().await.unwrap();

    gate.open();
    workspace.run(&model).await;
    assert_eq!(workspace.subjects().await.len(), 2, "the earlier commit is kept");
    assert_eq!(workspace.read("SPEC.md"), CHECKLIST.replacen("[ ]", "[x]", 1));
}

#[tokio::test]
async fn failing_tests_keep_the_coder_from_committing() {
    let model = Anthropic::start().unwrap();
    model.set_coder(Coder::default().test_command("echo 1 failed; false"));
    let workspace = Workspace::new().await;
    let result = workspace.run(&model).await;
    assert!(
        result["result"].as_str().unwrap().contains("1 failed"),
        "{result}"
    );
    assert_eq!(workspace.subjects().await, ["begin"]);
    assert_eq!(workspace.read("SPEC.md"), CHECKLIST);
}

#[tokio::test]
async fn a_script_is_chosen_by_what_the_agent_reads() {
    let model = Anthropic::start().unwrap();
    model.when_agent_reads("An empty name is refused", AgentScript::NeverFinishes);
    let workspace = Workspace::new().await;
    workspace.run(&model).await;
    assert_eq!(workspace.subjects().await, ["begin"]);
    assert_eq!(workspace.read("SPEC.md"), CHECKLIST);
    assert!(workspace.path("notes/thoughts.md").exists());
}

#[tokio::test]
async fn an_agent_that_gives_up_writes_its_reason_to_the_file_for_it() {
    let model = Anthropic::start().unwrap();
    model.when_agent_reads(
        "",
        AgentScript::GivesUp("The payment provider needs a key.".to_owned()),
    );
    let workspace = Workspace::new().await;
    workspace.run(&model).await;
    assert_eq!(
        workspace.read(".ai/stuck.md"),
        "The payment provider needs a key."
    );
}

#[tokio::test]
async fn an_agent_with_injected_instructions_follows_them_and_then_does_its_task() {
    let model = Anthropic::start().unwrap();
    let coder = Coder::default()
        .obeying("echo obeyed; false")
        .obeying("echo x > marker");
    model.when_agent_reads("", AgentScript::Coder(coder));
    let workspace = Workspace::new().await;
    workspace.run(&model).await;
    assert_eq!(workspace.read("marker"), "x\n");
    assert_eq!(workspace.subjects().await.len(), 2);
}

#[tokio::test]
async fn claude_code_retries_when_the_model_is_overloaded() {
    let model = Anthropic::start().unwrap();
    model.when_agent_reads(
        "",
        AgentScript::Fault(Fault::Error(ApiError {
            status: 529,
            times: Some(1),
            retry_after: Some(Duration::ZERO),
        })),
    );
    let workspace = Workspace::new().await;
    let result = workspace.run(&model).await;
    assert_eq!(result["is_error"], false, "{result}");
    assert_eq!(workspace.subjects().await.len(), 2);
}
