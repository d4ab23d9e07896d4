use std::os::unix::fs::symlink;
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
