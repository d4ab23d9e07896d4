use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use whim_worker::checks::{Check, Tools, detect};

/// The checks of a project with these files where these programs are installed. A file `name+x` is executable.
fn detected(files: &[(&str, &str)], installed: &[&str]) -> anyhow::Result<Vec<Check>> {
    let root = tempfile::tempdir()?;
    let programs = tempfile::tempdir()?;
    let write = |directory: &Path, path: &str, content: &str, mode| -> anyhow::Result<()> {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap_or(directory))?;
        fs::write(&path, content)?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
    };
    for (path, content) in files {
        match path.strip_suffix("+x") {
            Some(path) => write(root.path(), path, content, 0o755)?,
            None => write(root.path(), path, content, 0o644)?,
        }
    }
    for program in installed {
        write(programs.path(), program, "", 0o755)?;
    }
    let tools = Tools::on(programs.path().to_string_lossy());
    Ok(detect(root.path(), Path::new("/state"), &tools)?)
}

/// The commands of all checks, separated by `; `, and checks by `\n`.
fn commands_with(files: &[(&str, &str)], installed: &[&str]) -> anyhow::Result<String> {
    let line = |check: &Check| {
        let steps = check.preparation.iter().chain([&check.test]);
        let steps: Vec<String> = steps.map(ToString::to_string).collect();
        steps.join("; ")
    };
    let checks = detected(files, installed)?;
    Ok(checks.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn commands(files: &[(&str, &str)]) -> anyhow::Result<String> {
    commands_with(files, &["npm", "pnpm", "yarn", "bun", "python3", "uv", "poetry"])
}

const SCRIPT: &str = r#"{"scripts": {"test": "x"}}"#;
const WITH_DEPENDENCY: &str = r#"{"scripts": {"test": "x"}, "devDependencies": {"jest": "30"}}"#;
const WORKSPACE: &str = r#"{"workspaces": ["packages/*"]}"#;
const PIP: &str =
    "python3 -m venv --system-site-packages venv; python -m pip install --quiet --disable-pip-version-check";

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
        (
            &[("package.json", WORKSPACE), ("packages/a/package.json", SCRIPT)],
            "npm install --no-audit --no-fund; npm test --workspaces --if-present",
        ),
        (
            &[
                ("package.json", WORKSPACE),
                ("packages/a/package.json", SCRIPT),
                ("turbo.json", "{}"),
            ],
            "npm install --no-audit --no-fund; npm exec --no -- turbo run test",
        ),
        (
            &[
                ("package.json", "{}"),
                (
                    "pnpm-workspace.yaml",
                    "packages:\n  - 'apps/**'\n  - '!apps/old'\n",
                ),
                ("pnpm-lock.yaml", ""),
                ("apps/web/client/package.json", SCRIPT),
            ],
            "pnpm install --frozen-lockfile; pnpm --recursive run test",
        ),
        (
            &[
                ("package.json", r#"{"workspaces": {"packages": ["lib-*"]}}"#),
                (".yarnrc.yml", ""),
                ("lib-a/package.json", SCRIPT),
            ],
            "yarn install; yarn workspaces foreach --all run test",
        ),
        (&[("deno.json", r#"{"tasks": {"test": "x"}}"#)], "deno task test"),
        (
            &[("deno.jsonc", "{} // x"), ("src/a_test.ts", "")],
            "deno test --allow-all",
        ),
        (&[("go.mod", "")], "go test -v ./..."),
        (&[("go.work", "use ./a\nuse ./b\n")], "go test -v ./a/... ./b/..."),
        (&[("pom.xml", "")], "mvn --batch-mode --no-transfer-progress test"),
        (
            &[("pom.xml", ""), ("mvnw+x", "")],
            "mvnw --batch-mode --no-transfer-progress test",
        ),
        (
            &[("build.gradle.kts", "")],
            "gradle --console=plain --no-daemon test",
        ),
        (
            &[("build.gradle", ""), ("gradlew+x", "")],
            "gradlew --console=plain --no-daemon test",
        ),
        (
            &[("settings.gradle", ""), ("gradlew", "")],
            "sh gradlew --console=plain --no-daemon test",
        ),
        (
            &[("Gemfile", ""), ("spec/a_spec.rb", "")],
            "bundle install; bundle exec rspec",
        ),
        (
            &[("Gemfile", ""), ("Rakefile", ""), ("test/a_test.rb", "")],
            "bundle install; bundle exec rake test",
        ),
        (
            &[("composer.json", r#"{"scripts": {"test": "x"}}"#)],
            "composer install --no-interaction --no-progress; composer run-script test",
        ),
        (
            &[("composer.json", "{}"), ("phpunit.xml.dist", "")],
            "composer install --no-interaction --no-progress; php vendor/bin/phpunit",
        ),
        (&[("Shop.sln", "")], "dotnet test --nologo"),
        (&[("Shop.fsproj", "")], "dotnet test --nologo"),
        (
            &[("mix.exs", ""), ("test/a_test.exs", "")],
            "mix local.hex --force --if-missing; mix local.rebar --force --if-missing; mix deps.get; mix test",
        ),
        (&[("Package.swift", ""), ("Tests/a/a.swift", "")], "swift test"),
        (
            &[("CMakeLists.txt", "project(x)\nEnable_Testing ( )\n")],
            "cmake -S . -B build; cmake --build build; ctest --output-on-failure --test-dir build",
        ),
        (&[("Makefile", "all:\n\ntest: all\n\ttrue\n")], "make test"),
        (&[("Makefile", "build test:\n\ttrue\n")], "make test"),
    ] {
        assert_eq!(commands(files)?, expected, "{files:?}");
    }
    Ok(())
}

#[test]
fn the_packages_that_python_tests_need_are_found() -> anyhow::Result<()> {
    let project = "[project]\nname = \"shop\"\ndependencies = [\"attrs\"]\n";
    let with_tests = format!("{project}[project.optional-dependencies]\ntest = [\"pytest-cov\"]\n");
    let grouped = format!("{project}[dependency-groups]\ndev = [\"hypothesis\"]\n");
    let editable = "python -m pip install --quiet --disable-pip-version-check --no-deps -e .";
    for (files, expected) in [
        (
            &[("pytest.ini", "")][..],
            format!("{PIP} pytest; python -m pytest"),
        ),
        (
            &[("tox.ini", "[pytest]\n")],
            format!("{PIP} pytest; python -m pytest"),
        ),
        (
            &[("pyproject.toml", "[tool.pytest.ini_options]\n")],
            format!("{PIP} pytest; python -m pytest"),
        ),
        (
            &[("requirements.txt", ""), ("tests/unit/deep/test_a.py", "")],
            format!("{PIP} pytest -r requirements.txt; python -m pytest"),
        ),
        // `[flake8]` does not make a package.
        (
            &[("setup.cfg", "[flake8]\n"), ("test_a.py", "")],
            format!("{PIP} pytest; python -m pytest"),
        ),
        (
            &[("setup.py", ""), ("test_a.py", "")],
            format!("{PIP} pytest -e .; python -m pytest"),
        ),
        (
            &[("setup.cfg", "[metadata]\n"), ("test_a.py", "")],
            format!("{PIP} pytest -e .; python -m pytest"),
        ),
        (
            &[("pyproject.toml", with_tests.as_str()), ("test_a.py", "")],
            format!("{PIP} pytest attrs pytest-cov; {editable}; python -m pytest"),
        ),
        (
            &[("pyproject.toml", grouped.as_str()), ("test_a.py", "")],
            format!("{PIP} pytest attrs hypothesis; {editable}; python -m pytest"),
        ),
        (
            &[
                ("pyproject.toml", grouped.as_str()),
                ("uv.lock", ""),
                ("test_a.py", ""),
            ],
            "uv sync --group dev; uv run --no-sync --with pytest python -m pytest".to_owned(),
        ),
        (
            &[
                ("pyproject.toml", with_tests.as_str()),
                ("uv.lock", ""),
                ("test_a.py", ""),
            ],
            "uv sync --extra test; uv run --no-sync --with pytest python -m pytest".to_owned(),
        ),
        (
            &[("pyproject.toml", "[tool.pytest]\n"), ("poetry.lock", "")],
            "poetry install --no-interaction; poetry run python -m pytest".to_owned(),
        ),
        (&[("tox.ini", "[testenv]\n")], "tox run -e py".to_owned()),
        (
            &[("noxfile.py", "import nox\n@nox.session\ndef tests(session):\n")],
            "nox --non-interactive --session tests".to_owned(),
        ),
        (
            &[("pyproject.toml", "[tool.hatch.envs.hatch-test]\n")],
            "hatch test".to_owned(),
        ),
    ] {
        assert_eq!(commands(files)?, expected, "{files:?}");
    }
    Ok(())
}

#[test]
fn a_declared_test_runner_is_preferred_to_pytest_if_it_is_installed() -> anyhow::Result<()> {
    let files = [("tox.ini", "[testenv]\n[pytest]\n")];
    assert_eq!(commands_with(&files, &["tox", "python3"])?, "tox run -e py");
    assert_eq!(
        commands_with(&files, &["python3"])?,
        format!("{PIP} pytest; python -m pytest")
    );
    Ok(())
}

#[test]
fn corepack_provides_a_pinned_or_missing_package_manager() -> anyhow::Result<()> {
    let pinned = r#"{"packageManager": "yarn@4.1.0", "scripts": {"test": "x"}}"#;
    let plain = [("package.json", WITH_DEPENDENCY), ("pnpm-lock.yaml", "")];
    for (files, installed, expected) in [
        (
            &[("package.json", pinned)][..],
            &["yarn", "corepack"][..],
            "corepack enable --install-directory bin yarn; yarn install; yarn run test",
        ),
        (
            &[("package.json", pinned)],
            &["yarn"],
            "yarn install; yarn run test",
        ),
        (
            &plain,
            &["corepack"],
            "corepack enable --install-directory bin pnpm; pnpm install --frozen-lockfile; pnpm test",
        ),
        (
            &plain,
            &["pnpm", "corepack"],
            "pnpm install --frozen-lockfile; pnpm test",
        ),
        (&plain, &[], "pnpm install --frozen-lockfile; pnpm test"),
    ] {
        assert_eq!(
            commands_with(files, installed)?,
            expected,
            "{files:?} {installed:?}"
        );
    }
    Ok(())
}

#[test]
fn projects_without_tests_have_no_checks() -> anyhow::Result<()> {
    for files in [
        &[("README.md", "")][..],
        &[(
            "package.json",
            r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#,
        )],
        &[("package.json", r#"{"scripts": {"build": "x"}}"#)],
        &[("package.json", "not json")],
        &[("package.json", WORKSPACE), ("packages/a/package.json", "{}")],
        &[("package.json", r#"{"workspaces": ["../*", "/etc", "a/*b*c"]}"#)],
        &[("pyproject.toml", "[project]\n")],
        &[("tests/test_a.py", "")],
        &[("deno.json", "{}")],
        &[("Gemfile", "")],
        &[("composer.json", "{}")],
        &[("mix.exs", "")],
        &[("CMakeLists.txt", "# enable_testing()\n")],
        &[("Makefile", "all:\n\ttest: x\ntest := x\ntest ::= x\n# test:\n")],
    ] {
        assert_eq!(commands(files)?, "", "{files:?}");
    }
    Ok(())
}

#[test]
fn every_kind_of_a_polyglot_project_is_checked_and_a_makefile_only_alone() -> anyhow::Result<()> {
    let makefile = ("Makefile", "test:\n\ttrue\n");
    assert_eq!(
        commands(&[
            ("Cargo.toml", ""),
            ("package.json", SCRIPT),
            ("go.mod", ""),
            makefile
        ])?,
        "cargo test --workspace\nnpm test\ngo test -v ./..."
    );
    Ok(())
}
