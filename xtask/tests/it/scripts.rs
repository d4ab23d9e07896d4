use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SCRIPTS: [&str; 5] = ["demo", "dev", "migrate", "setup", "test"];

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scripts/{name}.sh"))
}

/// Without a PATH that has cargo: a script that does anything but answer fails.
fn run(program: &Path, argument: &str) -> Output {
    Command::new(program)
        .arg(argument)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn help_of_each_script_shows_its_usage_also_through_a_symlink() {
    let directory = tempfile::tempdir().unwrap();
    for name in SCRIPTS {
        let link = directory.path().join(name);
        symlink(script(name), &link).unwrap();
        for program in [script(name), link] {
            let output = run(&program, "--help");
            let help = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{name}: {help}");
            assert!(
                help.contains(&format!("\n  ./scripts/{name}.sh")),
                "{name}: {help}"
            );
        }
    }
}

#[test]
fn an_unknown_option_is_refused_before_anything_is_done() {
    for name in SCRIPTS {
        let output = run(&script(name), "--no-such-option");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {error}");
        assert!(
            error.contains("--no-such-option") && error.contains("--help"),
            "{name}: {error}"
        );
    }
}

/// A checkout with the scripts and this one's databases, without Claude Code, and with programs in the place of others.
fn set_up_with(programs: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (tools, stubs) = (directory.path().join(".tools"), directory.path().join("stubs"));
    for path in [&tools, &stubs] {
        std::fs::create_dir(path).unwrap();
    }
    let copied = Command::new("cp")
        .arg("-R")
        .args([root.join("scripts"), directory.path().to_owned()])
        .status()
        .unwrap();
    assert!(copied.success());
    for tool in ["postgres", "redis"] {
        if let Ok(installed) = root.join(".tools").join(tool).canonicalize() {
            symlink(installed, tools.join(tool)).unwrap();
        }
    }
    for (name, text) in programs {
        let path = stubs.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the stubs are put in front of the PATH of this test"
    )]
    let path = std::env::var("PATH").unwrap();
    let output = Command::new(directory.path().join("scripts/setup.sh"))
        .arg("--demo")
        .env("PATH", format!("{}:{path}", stubs.display()))
        .env_remove("CI")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    error
}

#[test]
fn an_error_of_npm_is_shown_with_the_command() {
    let error = set_up_with(&[
        ("node", "echo v22.1.0"),
        ("npm", "echo 'npm error ENOTFOUND' >&2; exit 3"),
    ]);
    for part in [
        "Installing Claude Code with npm failed (exit code 3)",
        "npm install",
        "npm error ENOTFOUND",
    ] {
        assert!(error.contains(part), "{part} is missing: {error}");
    }
}

#[test]
fn an_old_node_is_refused_with_its_version_and_what_is_needed() {
    let error = set_up_with(&[("node", "echo v12.22.9"), ("npm", "exit 9")]);
    assert!(
        error.contains("Node.js v12.22.9") && error.contains("version 18 or newer"),
        "{error}"
    );
}

/// The error of `dev.sh` in a checkout with this `.env`.
fn start_with_dotenv(dotenv: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(scripts)
        .arg(directory.path())
        .status()
        .unwrap();
    assert!(copied.success());
    std::fs::write(directory.path().join(".env"), dotenv).unwrap();
    let output = Command::new(directory.path().join("scripts/dev.sh"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_malformed_line_of_dotenv_is_refused_with_its_number() {
    for line in ["GITHUB_TOKEN = x", "GITHUB_TOKEN: x", "just words"] {
        let error = start_with_dotenv(&format!("# settings\n\n{line}\n"));
        assert!(error.contains(".env, line 3: expected NAME=VALUE"), "{error}");
    }
    for line in ["GITHUB_TOKEN=\"x", "GITHUB_TOKEN='x"] {
        let error = start_with_dotenv(line);
        assert!(
            error.contains(".env, line 1: the quote of GITHUB_TOKEN is not closed"),
            "{error}"
        );
    }
}

#[test]
fn a_required_setting_may_be_in_a_file_of_its_own() {
    let error = start_with_dotenv("GITHUB_TOKEN_FILE=/tmp/token\nANTHROPIC_API_KEY=x\n");
    assert!(error.contains("REPOS is not set"), "{error}");
    let error = start_with_dotenv("REPOS=a/b\nANTHROPIC_API_KEY=x\n");
    assert!(error.contains("GITHUB_TOKEN is not set"), "{error}");
}

/// Stands for a service: answers checks at once, else says that it is ready and runs until it is ended.
const SERVICE: &str = r#"#!/bin/sh
case $1 in config | migrate) exit 0 ;; esac
echo "$$" >"$2.pid"
echo '{}' >"$2"
exec sleep 1000
"#;

#[test]
fn closing_the_terminal_of_dev_ends_what_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let checkout = directory.path();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let copied = Command::new("cp").arg("-r").arg(scripts).arg(checkout).status();
    assert!(copied.unwrap().success());
    let write = |path: &str, text: &str| {
        let path = checkout.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    };
    write("scripts/setup.sh", "#!/bin/sh\n");
    write("bin/cargo", "#!/bin/sh\n");
    // Both servers answer.
    let databases = std::fs::read_to_string(checkout.join("scripts/lib/databases.sh")).unwrap();
    let answering = "state=$root/state\nanswers() { true; }\nis_redis() { true; }\n";
    write("scripts/lib/databases.sh", &format!("{databases}\n{answering}"));
    for service in ["whim-orchestrator", "whim-gateway", "whim-intake"] {
        write(&format!("target/release/{service}"), SERVICE);
    }
    let mut dev = Command::new(checkout.join("scripts/dev.sh"))
        .env_clear()
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", checkout.join("bin").display()),
        )
        .env("HOME", checkout)
        .envs([
            ("GITHUB_TOKEN", "x"),
            ("REPOS", "octocat/hello"),
            ("ANTHROPIC_API_KEY", "x"),
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(dev.stderr.take().unwrap()).lines();
    let running = log.find(|line| line.as_ref().is_ok_and(|line| line.contains("Whim is running")));
    assert!(running.is_some(), "it did not start");
    let services: Vec<String> = ["whim-orchestrator", "whim-gateway", "whim-intake"]
        .map(|service| {
            let pid = checkout.join(format!("state/run/{service}.json.pid"));
            std::fs::read_to_string(pid).unwrap().trim().to_owned()
        })
        .into();
    let is_alive = |pid: &String| Path::new("/proc").join(pid).exists();
    assert!(services.iter().all(is_alive), "{services:?}");

    let hung_up = Command::new("kill")
        .arg("-HUP")
        .arg(dev.id().to_string())
        .status();

    assert!(hung_up.unwrap().success());
    assert_eq!(dev.wait().unwrap().code(), Some(129));
    assert!(!services.iter().any(is_alive), "{services:?}");
}
