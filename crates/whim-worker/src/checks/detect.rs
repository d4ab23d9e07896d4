//! Detects how a project's tests are run, from the files in its root directory. The first match decides:
//!
//! 1. `Cargo.toml`: `cargo test`
//! 2. `package.json` with a script `test`: the package manager of the lock file, else npm
//! 3. a pytest configuration, or test modules together with Python packaging files: pytest
//! 4. `go.mod`: `go test`
//! 5. `pom.xml`: Maven, or the project's wrapper
//! 6. `build.gradle` or `build.gradle.kts`: Gradle, or the project's wrapper
//! 7. a makefile with a target `test`: `make test`
//!
//! All of these files are untrusted.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

const MAX_MANIFEST_BYTES: u64 = 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Run before the tests, in order.
    pub preparation: Vec<Step>,
    pub test: Step,
    /// Exit codes other than 0 that count as success.
    pub success_codes: &'static [i32],
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Additional environment variables.
    pub environment: Vec<(OsString, OsString)>,
}

/// As typed in a shell, without quoting.
impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = match self.program.parent() {
            Some(parent) if parent.is_absolute() => self.program.file_name().unwrap_or_default(),
            Some(_) | None => self.program.as_os_str(),
        };
        formatter.write_str(&program.to_string_lossy())?;
        for argument in &self.arguments {
            write!(formatter, " {}", argument.to_string_lossy())?;
        }
        Ok(())
    }
}

impl Step {
    fn new<const N: usize>(program: impl Into<PathBuf>, arguments: [&str; N]) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.map(OsString::from).into(),
            environment: Vec::new(),
        }
    }
}

impl Plan {
    fn of(test: Step) -> Self {
        Self {
            preparation: Vec::new(),
            test,
            success_codes: &[],
        }
    }

    fn prepared_by(mut self, step: Step) -> Self {
        self.preparation.push(step);
        self
    }
}

/// Detects how the tests in `root` are run. Dependencies are installed below `temporary` if they need a directory.
///
/// # Errors
/// `root` cannot be read.
pub fn detect(root: &Path, temporary: &Path) -> io::Result<Option<Plan>> {
    let project = Project { root };
    if project.has("Cargo.toml") {
        return Ok(Some(Plan::of(Step::new("cargo", ["test", "--workspace"]))));
    }
    if let Some(plan) = project.node()? {
        return Ok(Some(plan));
    }
    if let Some(plan) = project.python(temporary)? {
        return Ok(Some(plan));
    }
    if project.has("go.mod") {
        return Ok(Some(Plan::of(Step::new("go", ["test", "-v", "./..."]))));
    }
    if project.has("pom.xml") {
        let program = project.wrapper_or("mvnw", "mvn");
        return Ok(Some(Plan::of(Step::new(
            program,
            ["--batch-mode", "--no-transfer-progress", "test"],
        ))));
    }
    if project.has_any(&["build.gradle", "build.gradle.kts"]) {
        let program = project.wrapper_or("gradlew", "gradle");
        return Ok(Some(Plan::of(Step::new(
            program,
            ["--console=plain", "--no-daemon", "test"],
        ))));
    }
    for makefile in ["GNUmakefile", "makefile", "Makefile"] {
        if let Some(text) = project.read(makefile)? {
            let has_target = has_test_target(&text);
            return Ok(has_target.then(|| Plan::of(Step::new("make", ["test"]))));
        }
    }
    Ok(None)
}

struct Project<'p> {
    root: &'p Path,
}

impl Project<'_> {
    fn has(&self, path: &str) -> bool {
        self.root.join(path).is_file()
    }

    fn has_any(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| self.has(path))
    }

    /// Returns `None` unless the manifest is a regular file of at most `MAX_MANIFEST_BYTES`.
    fn read(&self, path: &str) -> io::Result<Option<String>> {
        let path = self.root.join(path);
        // Checked before opening, because opening a pipe blocks.
        if !path.is_file() {
            return Ok(None);
        }
        let mut content = Vec::new();
        File::open(path)?
            .take(MAX_MANIFEST_BYTES + 1)
            .read_to_end(&mut content)?;
        let fits = content.len() as u64 <= MAX_MANIFEST_BYTES;
        Ok(fits.then(|| String::from_utf8_lossy(&content).into_owned()))
    }

    /// The project's wrapper, if it has one, pins the version of the tool.
    fn wrapper_or(&self, wrapper: &str, program: &str) -> PathBuf {
        if self.has(wrapper) {
            self.root.join(wrapper)
        } else {
            program.into()
        }
    }

    fn node(&self) -> io::Result<Option<Plan>> {
        let Some(manifest) = self.read("package.json")? else {
            return Ok(None);
        };
        let manifest: Value = serde_json::from_str(&manifest).unwrap_or_default();
        let script = manifest
            .pointer("/scripts/test")
            .and_then(Value::as_str)
            .unwrap_or_default();
        // The default of `npm init`.
        if script.trim().is_empty() || script.contains("no test specified") {
            return Ok(None);
        }
        let has_dependencies = [
            "dependencies",
            "devDependencies",
            "optionalDependencies",
            "workspaces",
        ]
        .iter()
        .any(|field| manifest.get(field).is_some_and(|value| !is_empty(value)));
        let (test, install) = if self.has("pnpm-lock.yaml") {
            (
                Step::new("pnpm", ["test"]),
                Step::new("pnpm", ["install", "--frozen-lockfile"]),
            )
        } else if self.has("yarn.lock") {
            (Step::new("yarn", ["run", "test"]), Step::new("yarn", ["install"]))
        } else if self.has_any(&["bun.lock", "bun.lockb"]) {
            (
                Step::new("bun", ["run", "test"]),
                Step::new("bun", ["install", "--frozen-lockfile"]),
            )
        } else if self.has_any(&["package-lock.json", "npm-shrinkwrap.json"]) {
            (
                Step::new("npm", ["test"]),
                Step::new("npm", ["ci", "--no-audit", "--no-fund"]),
            )
        } else {
            (
                Step::new("npm", ["test"]),
                Step::new("npm", ["install", "--no-audit", "--no-fund"]),
            )
        };
        let plan = Plan::of(test);
        Ok(Some(if has_dependencies {
            plan.prepared_by(install)
        } else {
            plan
        }))
    }

    fn python(&self, temporary: &Path) -> io::Result<Option<Plan>> {
        if !self.has_pytest()? {
            return Ok(None);
        }
        // Exit code 5: no tests were collected.
        let pytest = |test| Plan {
            success_codes: &[5],
            ..Plan::of(test)
        };
        if self.has("uv.lock") {
            return Ok(Some(pytest(Step::new("uv", ["run", "pytest"]))));
        }
        if self.has("poetry.lock") {
            let plan = pytest(Step::new("poetry", ["run", "pytest"]));
            return Ok(Some(
                plan.prepared_by(Step::new("poetry", ["install", "--no-interaction"])),
            ));
        }
        let mut needed = Vec::new();
        for requirements in [
            "requirements.txt",
            "requirements-dev.txt",
            "dev-requirements.txt",
            "requirements-test.txt",
        ] {
            if self.has(requirements) {
                needed.extend(["-r", requirements]);
            }
        }
        if self.has_any(&["setup.py", "setup.cfg"]) || self.is_python_package()? {
            needed.extend(["-e", "."]);
        }
        let run_pytest = ["-m", "pytest"];
        if needed.is_empty() {
            return Ok(Some(pytest(Step::new("python3", run_pytest))));
        }
        // Distributions do not allow installing packages into their Python (PEP 668).
        let environment = temporary.join("venv");
        let python = environment.join("bin/python");
        let mut make = Step::new("python3", ["-m", "venv", "--system-site-packages"]);
        make.arguments.push(environment.into());
        let mut install = Step::new(
            &python,
            [
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "pytest",
            ],
        );
        install.arguments.extend(needed.into_iter().map(OsString::from));
        let plan = pytest(Step::new(&python, run_pytest));
        Ok(Some(plan.prepared_by(make).prepared_by(install)))
    }

    fn has_pytest(&self) -> io::Result<bool> {
        for (file, section) in [
            ("pyproject.toml", "[tool.pytest"),
            ("setup.cfg", "[tool:pytest]"),
            ("tox.ini", "[pytest]"),
        ] {
            if self.read(file)?.is_some_and(|text| has_line_with(&text, section)) {
                return Ok(true);
            }
        }
        if self.has_any(&["pytest.ini", "conftest.py", "tests/conftest.py"]) {
            return Ok(true);
        }
        let is_python = self.has_any(&["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt"]);
        Ok(is_python && (has_test_module(&self.root.join("tests"))? || has_test_module(self.root)?))
    }

    fn is_python_package(&self) -> io::Result<bool> {
        let manifest = self.read("pyproject.toml")?;
        Ok(manifest
            .is_some_and(|text| has_line_with(&text, "[project]") || has_line_with(&text, "[build-system]")))
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn has_line_with(text: &str, prefix: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with(prefix))
}

/// Whether pytest would collect something in this directory.
fn has_test_module(directory: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a makefile has a rule for `test`. Assignments (`test := …`) are no rules.
fn has_test_target(makefile: &str) -> bool {
    makefile.lines().any(|line| {
        if line.starts_with(['\t', '#', ' ']) {
            return false;
        }
        let Some((targets, rest)) = line.split_once(':') else {
            return false;
        };
        let is_assignment = rest.starts_with('=') || rest.starts_with(":=");
        !is_assignment && targets.split_whitespace().any(|target| target == "test")
    })
}
