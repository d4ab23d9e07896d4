//! `scripts/create-spec.sh`: the interview is Claude Code's; here a script stands in for it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use whim_testkit::git::Repository;

const SKILL: &str = ".claude/skills/create-spec/SKILL.md";
const GOOD: &str = "# Say hello\n\n## Tasks\n- [ ] A greeting is shown\n";

struct Project {
    directory: TempDir,
}

impl Project {
    fn new() -> Self {
        let project = Self {
            directory: TempDir::with_prefix("create-spec-").unwrap(),
        };
        fs::create_dir(project.path("my project")).unwrap();
        project
    }

    /// With a git repository that has a remote, and a program in place of Claude Code.
    fn ready(claude: &str) -> Self {
        let project = Self::new();
        let repository = Repository::init(project.path("my project")).unwrap();
        let url = "https://github.com/octocat/hello.git";
        repository.run(["remote", "add", "origin", url]).unwrap();
        let program = project.path("claude");
        fs::write(&program, format!("#!/bin/sh\nset -eu\n{claude}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn in_project(&self, name: &str) -> PathBuf {
        self.path("my project").join(name)
    }

    /// Whether the script succeeded, and its whole output.
    fn run(&self, arguments: &[&str], key: Option<&str>) -> (bool, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/create-spec.sh");
        let mut command = Command::new(script);
        command
            .args(arguments)
            .current_dir(self.path("my project"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.directory.path())
            .env("CLAUDE_BIN", self.path("claude"))
            .env("RALPH_BIN", env!("CARGO_BIN_EXE_ralph"))
            .stdin(Stdio::null());
        if let Some(key) = key {
            command.env("ANTHROPIC_API_KEY", key);
        }
        let output = command.output().unwrap();
        let text = [output.stderr, output.stdout].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }
}

#[test]
fn everything_that_is_missing_is_named_before_the_interview() {
    let project = Project::new();
    fs::write(project.in_project("SPEC.md"), GOOD).unwrap();
    let (succeeded, text) = project.run(&[], None);
    assert!(!succeeded);
    for missing in [
        "The Claude Code CLI is missing",
        "is in no git repository",
        "No credential of the model",
        "SPEC.md exists",
    ] {
        assert!(text.contains(missing), "{text}");
    }
    let (succeeded, text) = project.run(&["--output", "missing/SPEC.md"], Some("key"));
    assert!(!succeeded && text.contains("missing is no directory"), "{text}");
    assert!(!text.contains("No credential"), "{text}");
}

#[test]
fn a_valid_checklist_leads_to_the_next_steps_and_the_skill_is_removed_again() {
    // The skill is there during the interview, and the program is called with it.
    let interview = format!(
        "test -f {SKILL}\ntest \"$1\" = '/create-spec plan one.md'\nralph validate --help >/dev/null\nprintf '{}' > 'plan one.md'",
        GOOD.replace('\n', "\\n")
    );
    let project = Project::ready(&interview);
    let (succeeded, text) = project.run(&["--output", "plan one.md"], Some("key"));
    assert!(succeeded, "{text}");
    for expected in [
        "plan one.md: 1 task, 0 done; no violations",
        "ralph run --all --spec plan\\ one.md",
        "jq -n --rawfile spec plan\\ one.md '{repo: \"octocat/hello\", spec: $spec, priority: \"medium\"}' |",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(
        fs::read_to_string(project.in_project("plan one.md")).unwrap(),
        GOOD
    );
    assert!(!project.in_project(".claude").exists());
}

#[test]
fn files_that_were_there_or_that_the_interview_made_are_kept() {
    let writes = format!("printf '{}' > SPEC.md", GOOD.replace('\n', "\\n"));
    let settings = ".claude/settings.local.json";
    // Claude Code keeps there what the user allowed it.
    let interview = format!("test -f {SKILL}\nprintf '{{}}' > {settings}\n{writes}");
    let project = Project::ready(&interview);
    let (succeeded, text) = project.run(&[], Some("key"));
    assert!(succeeded, "{text}");
    assert_eq!(fs::read_to_string(project.in_project(settings)).unwrap(), "{}");
    assert!(!project.in_project(".claude/skills").exists());

    let project = Project::ready(&format!(
        "{writes}\nprintf new > .claude/skills/create-spec/notes.md"
    ));
    let own = ".claude/skills/own/SKILL.md";
    fs::create_dir_all(project.in_project(".claude/skills/own")).unwrap();
    fs::create_dir(project.in_project(".claude/commands")).unwrap();
    fs::write(project.in_project(own), "own").unwrap();
    let (succeeded, text) = project.run(&[], Some("key"));
    assert!(succeeded, "{text}");
    assert_eq!(fs::read_to_string(project.in_project(own)).unwrap(), "own");
    assert!(project.in_project(".claude/commands").is_dir());
    let notes = project.in_project(".claude/skills/create-spec/notes.md");
    assert_eq!(fs::read_to_string(notes).unwrap(), "new");
    assert!(!project.in_project(SKILL).exists());
}

#[test]
fn the_skill_runs_nothing_but_the_validation_and_writes_nothing_without_a_question() {
    let skill = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(SKILL);
    let skill = fs::read_to_string(skill).unwrap();
    let allowed = skill
        .lines()
        .find_map(|line| line.strip_prefix("allowed-tools: "));
    assert_eq!(
        allowed,
        Some("Read, Glob, Grep, AskUserQuestion, Bash(ralph validate:*)")
    );
}

#[test]
fn a_checklist_that_breaks_conventions_or_is_missing_fails() {
    let project = Project::ready("printf '# Hello\\n\\n- [ ] Fix auth.ts:42\\n' > SPEC.md");
    let (succeeded, text) = project.run(&[], Some("key"));
    assert!(!succeeded);
    assert!(text.contains("reference to a line of a file"), "{text}");
    assert!(text.contains("SPEC.md breaks the conventions above"), "{text}");

    let project = Project::ready("exit 0");
    let (succeeded, text) = project.run(&[], Some("key"));
    assert!(
        !succeeded && text.contains("no checklist was written to SPEC.md"),
        "{text}"
    );

    let project = Project::ready("exit 7");
    let (succeeded, text) = project.run(&[], Some("key"));
    assert!(!succeeded && text.contains("ended with exit code 7"), "{text}");
}

#[test]
fn the_skill_is_installed_into_another_project_and_stays_there() {
    let project = Project::ready(&format!("printf '{}' > SPEC.md", GOOD.replace('\n', "\\n")));
    let (succeeded, text) = project.run(&["--install"], None);
    assert!(succeeded, "{text}");
    let skill = fs::read_to_string(project.in_project(SKILL)).unwrap();
    assert!(skill.starts_with("---\nname: create-spec\n"), "{skill}");
    let (succeeded, text) = project.run(&[], Some("key"));
    assert!(succeeded, "{text}");
    assert!(project.in_project(SKILL).exists());
    let (succeeded, text) = project.run(&["--install", "missing"], None);
    assert!(!succeeded && text.contains("missing is no directory"), "{text}");
}
