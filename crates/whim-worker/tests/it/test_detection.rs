use std::fs;

use whim_worker::checks::detect;

/// The commands for a project with these files, separated by `; `.
fn commands(files: &[(&str, &str)]) -> anyhow::Result<String> {
    let root = tempfile::tempdir()?;
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(root.path()))?;
        fs::write(path, content)?;
    }
    let Some(plan) = detect(root.path(), "/tmp/x".as_ref())? else {
        return Ok(String::new());
    };
    let steps: Vec<String> = plan
        .preparation
        .iter()
        .chain([&plan.test])
        .map(ToString::to_string)
        .collect();
    Ok(steps.join("; "))
}

const SCRIPT: &str = r#"{"scripts": {"test": "x"}}"#;
const WITH_DEPENDENCY: &str = r#"{"scripts": {"test": "x"}, "devDependencies": {"jest": "30"}}"#;

#[test]
fn every_supported_kind_of_project_is_detected() -> anyhow::Result<()> {
    for (files, expected) in [
        (&[("Cargo.toml", "")][..], "cargo test --workspace"),
        (&[("package.json", SCRIPT)], "npm test"),
        (
            &[("package.json", WITH_DEPENDENCY)],
            "npm install --no-audit --no-fund; npm test",
        ),
        (
            &[("package.json", WITH_DEPENDENCY), ("package-lock.json", "{}")],
            "npm ci --no-audit --no-fund; npm test",
        ),
        (
            &[("package.json", SCRIPT), ("package-lock.json", "{}")],
            "npm test",
        ),
        (
            &[("package.json", WITH_DEPENDENCY), ("pnpm-lock.yaml", "")],
            "pnpm install --frozen-lockfile; pnpm test",
        ),
        (
            &[("package.json", WITH_DEPENDENCY), ("yarn.lock", "")],
            "yarn install; yarn run test",
        ),
        (
            &[("package.json", WITH_DEPENDENCY), ("bun.lock", "")],
            "bun install --frozen-lockfile; bun run test",
        ),
        (&[("pytest.ini", "")], "python3 -m pytest"),
        (&[("tox.ini", "[pytest]\n")], "python3 -m pytest"),
        (
            &[("pyproject.toml", "[tool.pytest.ini_options]\n")],
            "python3 -m pytest",
        ),
        (
            &[("requirements.txt", ""), ("tests/test_a.py", "")],
            "python3 -m venv --system-site-packages /tmp/x/venv; python -m pip install --quiet --disable-pip-version-check pytest -r requirements.txt; python -m pytest",
        ),
        (
            &[("pyproject.toml", "[project]\n"), ("test_a.py", "")],
            "python3 -m venv --system-site-packages /tmp/x/venv; python -m pip install --quiet --disable-pip-version-check pytest -e .; python -m pytest",
        ),
        (
            &[("pyproject.toml", "[tool.pytest]\n"), ("uv.lock", "")],
            "uv run pytest",
        ),
        (
            &[("pyproject.toml", "[tool.pytest]\n"), ("poetry.lock", "")],
            "poetry install --no-interaction; poetry run pytest",
        ),
        (&[("go.mod", "")], "go test -v ./..."),
        (&[("pom.xml", "")], "mvn --batch-mode --no-transfer-progress test"),
        (
            &[("pom.xml", ""), ("mvnw", "")],
            "mvnw --batch-mode --no-transfer-progress test",
        ),
        (
            &[("build.gradle.kts", "")],
            "gradle --console=plain --no-daemon test",
        ),
        (
            &[("build.gradle", ""), ("gradlew", "")],
            "gradlew --console=plain --no-daemon test",
        ),
        (&[("Makefile", "all:\n\ntest: all\n\ttrue\n")], "make test"),
        (&[("Makefile", "build test:\n\ttrue\n")], "make test"),
    ] {
        assert_eq!(commands(files)?, expected, "{files:?}");
    }
    Ok(())
}

#[test]
fn projects_without_tests_have_no_plan() -> anyhow::Result<()> {
    for files in [
        &[("README.md", "")][..],
        &[(
            "package.json",
            r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#,
        )],
        &[("package.json", r#"{"scripts": {"build": "x"}}"#)],
        &[("package.json", "not json")],
        &[("pyproject.toml", "[project]\n")],
        &[("tests/test_a.py", "")],
        &[("Makefile", "all:\n\ttest: x\ntest := x\ntest ::= x\n# test:\n")],
    ] {
        assert_eq!(commands(files)?, "", "{files:?}");
    }
    Ok(())
}

#[test]
fn the_first_matching_kind_of_project_decides() -> anyhow::Result<()> {
    let makefile = ("Makefile", "test:\n\ttrue\n");
    assert_eq!(
        commands(&[("Cargo.toml", ""), ("package.json", SCRIPT), makefile])?,
        "cargo test --workspace"
    );
    assert_eq!(
        commands(&[("go.mod", ""), ("package.json", SCRIPT), makefile])?,
        "npm test"
    );
    assert_eq!(commands(&[("go.mod", ""), makefile])?, "go test -v ./...");
    Ok(())
}
