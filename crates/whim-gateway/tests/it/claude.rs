//! The real Claude Code CLI through the gateway.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;
use whim_testkit::anthropic::{Coder, Solution};
use whim_testkit::tools;

use crate::world::{AGENT, World};

/// A run takes some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

const CHECKLIST: &str = "# Greetings\n\n## Tasks\n\n- [ ] The program greets people by name\n";

#[tokio::test]
async fn claude_code_does_a_task_with_the_token_of_its_attempt() {
    let world = World::with(&[("GATEWAY_MODELS", "claude-*")]).await;
    let greeting = Solution::for_task("greets people").file("greet.sh", "echo \"Hello, $1\"\n");
    world.anthropic.set_coder(
        Coder::default()
            .solution(greeting)
            .test_command("test -f README.md"),
    );
    let clone = world.clone_with_commit("clone").await;
    clone.write(".git/info/exclude", "/SPEC.md\n/.ai/\n").unwrap();
    clone.write("SPEC.md", CHECKLIST).unwrap();
    let home = tempfile::tempdir().unwrap();

    let mut command = Command::new(tools::claude().unwrap());
    command
        .current_dir(clone.directory())
        .args([
            "-p",
            "Do the first open task. The checklist is the file `SPEC.md`.",
        ])
        .args(["--output-format", "stream-json", "--verbose"])
        .args(["--allowedTools", "Bash", "Edit", "Read", "Write"])
        .env_clear()
        .envs([
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ])
        .envs(["AUTHOR", "COMMITTER"].map(|role| (format!("GIT_{role}_NAME"), "Agent")))
        .envs(["AUTHOR", "COMMITTER"].map(|role| (format!("GIT_{role}_EMAIL"), "agent@example.com")))
        .env("HOME", home.path())
        .env("TMPDIR", home.path())
        .env(
            "ANTHROPIC_BASE_URL",
            format!("http://{}/anthropic", world.address),
        )
        // The only secret that it has; it is worth nothing at the model API.
        .env("ANTHROPIC_API_KEY", AGENT)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, command.output())
        .await
        .expect("it does not end")
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = stdout.lines().last().unwrap_or_default();
    let result: Value = serde_json::from_str(last).unwrap_or_default();
    assert_eq!(
        result["is_error"],
        false,
        "{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );

    assert_eq!(
        clone.read("HEAD", "greet.sh").unwrap().unwrap(),
        "echo \"Hello, $1\"\n"
    );
    assert_eq!(world.anthropic.violations(), [""; 0]);
    assert!(!stdout.contains(world.anthropic.api_key()));
}
