//! The format of `.whim/config.yml`, its schema, and `whim-worker policy`.

use std::process::{Command, Output};

use whim_worker::policy::Policy;

fn policy(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_whim-worker"))
        .arg("policy")
        .args(arguments)
        .env_clear()
        .output()
}

const FULL: &str = "\
# Comment
setup:
  - npm ci
checks:
  unit-tests:
    run: |
      set -e
      npm test
  web:
    run: npm run build
    directory: apps/web
    timeout: 600
    required: false
model: claude-sonnet-5-5
maxIterations: 20
review: false
draft: never
integrity: strict
protectedPaths:
  - infra/**
maxDiff:
  files: 20
  lines: 500
";

#[test]
fn a_policy_keeps_the_order_of_its_checks() {
    let policy = Policy::parse(FULL).unwrap();
    let names: Vec<&str> = policy
        .checks
        .iter()
        .flat_map(|checks| checks.iter())
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["unit-tests", "web"]);
    for empty in ["", "\n\n", "# nothing yet\n", "---\n"] {
        assert_eq!(Policy::parse(empty), Ok(Policy::default()), "{empty:?}");
    }
}

/// Policies that are refused.
const REFUSED: [&str; 26] = [
    "baze: x\n",
    "setup: npm ci\n",
    "checks: {}\n",
    "checks:\n  test: npm test\n",
    "checks:\n  test:\n    command: npm test\n",
    "checks:\n  test:\n    timeout: 5\n",
    "checks:\n  test:\n    run: npm test\n    timeout: 0\n",
    "checks:\n  test:\n    run: npm test\n    timeout: 5m\n",
    "checks:\n  test:\n    run: npm test\n    directory: ../other\n",
    "checks:\n  test:\n    run: npm test\n    directory: /etc\n",
    "checks:\n  test:\n    run: npm test\n    required: yes\n",
    "checks:\n  -test:\n    run: npm test\n",
    "checks:\n  test:\n    run: ' '\n",
    "model: --dangerously-skip-permissions\n",
    "model:\n  - a\n",
    "maxIterations: 0\n",
    "maxIterations: many\n",
    "model: a\nmodel: b\n",
    "review: maybe\n",
    "draft: always\n",
    "integrity: yes\n",
    "maxDiff: 5\n",
    "maxDiff: {file: 3}\n",
    "maxDiff: {lines: -1}\n",
    "protectedPaths: infra\n",
    "protectedPaths: ['!infra']\n",
];

#[test]
fn a_wrong_policy_is_refused_with_line_and_key() {
    let messages: Vec<String> = REFUSED
        .iter()
        .chain(&["setup: [\n", "- a\n"])
        .map(|text| format!("{text:?}\n  {}", Policy::parse(text).unwrap_err()))
        .collect();
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn the_published_schema_is_that_of_the_types() -> anyhow::Result<()> {
    let printed = policy(&["schema"])?;
    assert!(printed.status.success());
    let published = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/policy.schema.json"
    ))?;
    assert_eq!(
        String::from_utf8(printed.stdout)?,
        published,
        "regenerate it: whim-worker policy schema > docs/policy.schema.json"
    );
    Ok(())
}

#[test]
fn the_schema_accepts_and_refuses_what_the_parser_does() -> anyhow::Result<()> {
    let schema = serde_json::to_value(Policy::schema())?;
    let validator = jsonschema::validator_for(&schema)?;
    let options = serde_saphyr::options! { strict_booleans: true };
    let as_json =
        |text: &str| serde_saphyr::from_str_with_options::<serde_json::Value>(text, options.clone());
    assert!(validator.is_valid(&as_json(FULL)?));
    // JSON has no duplicate keys, and the schema does not know that a path may leave the repository.
    let not_in_schema = ["model: a\nmodel: b\n", "../other", "'!infra'"];
    for text in REFUSED {
        if !not_in_schema.iter().any(|part| text.contains(part)) {
            assert!(!validator.is_valid(&as_json(text)?), "{text}");
        }
    }
    Ok(())
}

#[test]
fn the_exit_code_of_the_check_is_the_result() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join(".whim/config.yml");
    std::fs::create_dir(directory.path().join(".whim"))?;
    let root = directory.path().to_str().unwrap();
    let path = file.to_str().unwrap();

    assert_eq!(
        policy(&["check", root])?.status.code(),
        Some(2),
        "there is no file yet"
    );
    std::fs::write(&file, FULL)?;
    assert_eq!(policy(&["check", root])?.status.code(), Some(0));
    assert_eq!(policy(&["check", path])?.status.code(), Some(0));
    std::fs::write(&file, "model: x\nbaze: y\n")?;
    let refused = policy(&["check", path])?;
    assert_eq!(refused.status.code(), Some(1));
    let message = String::from_utf8(refused.stderr)?;
    assert!(
        message.contains("config.yml: line 2: ") && message.contains("`baze`"),
        "{message}"
    );
    assert_eq!(policy(&["chekc"])?.status.code(), Some(64));
    Ok(())
}
