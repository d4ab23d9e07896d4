//! Python: pytest, or the test runner that the project declares.

use std::ffi::OsString;
use std::io;

use super::super::plan::{Check, Step};
use super::project::Project;
use super::python_manifest::Manifest;

const NAME: &str = "python";
const REQUIREMENTS: [&str; 8] = [
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
];

pub(super) fn detect(project: &Project<'_>) -> io::Result<Option<Check>> {
    let text = project.files.read("pyproject.toml")?;
    let python = Python {
        manifest: text.as_deref().map(Manifest::parse).unwrap_or_default(),
        project,
    };
    let has_pytest = python.has_pytest()?;
    if let Some(check) = python.declared_runner(has_pytest)? {
        return Ok(Some(check));
    }
    if !has_pytest {
        return Ok(None);
    }
    // Exit code 5: no tests were collected.
    let pytest = |check: Check| Check {
        success_codes: &[5],
        ..check
    };
    Ok(Some(pytest(if project.files.has("uv.lock") {
        python.uv()
    } else if project.files.has("poetry.lock") {
        python.poetry()
    } else {
        python.pip()?
    })))
}

struct Python<'p> {
    project: &'p Project<'p>,
    /// `pyproject.toml`.
    manifest: Manifest,
}

impl Python<'_> {
    fn has_pytest(&self) -> io::Result<bool> {
        let files = &self.project.files;
        for (file, section) in [("setup.cfg", "[tool:pytest]"), ("tox.ini", "[pytest]")] {
            if files.has_line(file, section)? {
                return Ok(true);
            }
        }
        let configurations = ["pytest.ini", ".pytest.ini", "conftest.py", "tests/conftest.py"];
        if self.manifest.has(&["tool", "pytest"]) || files.has_any(&configurations) {
            return Ok(true);
        }
        let is_python = files.has_any(&["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt"]);
        if !is_python {
            return Ok(false);
        }
        let in_root = files.names("")?.iter().any(|name| is_test_module(name));
        Ok(in_root || files.contains("tests", is_test_module)? || files.contains("test", is_test_module)?)
    }

    /// tox, nox and hatch. Without pytest's own files they are the only way to run the tests; with them, tox and hatch are
    /// preferred if they are installed.
    fn declared_runner(&self, has_pytest: bool) -> io::Result<Option<Check>> {
        let (files, tools) = (&self.project.files, self.project.tools);
        let is_used = |program| tools.has(program) || !has_pytest;
        let has_tox = files.has_line("tox.ini", "[testenv")? || self.manifest.has(&["tool", "tox"]);
        if has_tox && is_used("tox") {
            // The environment `py` is that of the installed interpreter.
            return Ok(Some(
                Check::new(NAME, Step::new("tox", ["run", "-e", "py"])).downloads(),
            ));
        }
        if self.manifest.has(&["tool", "hatch", "envs", "hatch-test"]) && is_used("hatch") {
            return Ok(Some(Check::new(NAME, Step::new("hatch", ["test"])).downloads()));
        }
        if has_pytest {
            return Ok(None);
        }
        for session in ["tests", "test"] {
            if files.has_line("noxfile.py", &format!("def {session}("))? {
                let nox = Step::new("nox", ["--non-interactive", "--session", session]);
                return Ok(Some(Check::new(NAME, nox).downloads()));
            }
        }
        Ok(None)
    }

    fn uv(&self) -> Check {
        let extras = self.manifest.test_extras();
        let groups = self.manifest.test_dependency_groups();
        let selected = extras
            .into_iter()
            .flat_map(|extra| ["--extra", extra])
            .chain(groups.into_iter().flat_map(|group| ["--group", group]));
        let sync = Step::new("uv", ["sync"]).args(selected);
        let test = Step::new(
            "uv",
            ["run", "--no-sync", "--with", "pytest", "python", "-m", "pytest"],
        );
        Check::new(NAME, test).prepared_by(sync).downloads()
    }

    fn poetry(&self) -> Check {
        let extras = self.manifest.test_extras();
        let selected = extras.into_iter().flat_map(|extra| ["--extras", extra]);
        let install = Step::new("poetry", ["install", "--no-interaction"]).args(selected);
        Check::new(NAME, Step::new("poetry", ["run", "python", "-m", "pytest"])).prepared_by(install)
    }

    /// An environment of its own with pytest and what the project needs, as far as its files say so. Distributions do not
    /// allow installing packages into their Python (PEP 668).
    fn pip(&self) -> io::Result<Check> {
        let files = &self.project.files;
        let environment = self.project.state.join("venv");
        let python = environment.join("bin/python");
        let pip = || {
            let options = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            Step::new(&python, options)
        };
        let mut needed: Vec<OsString> = vec!["pytest".into()];
        for requirements in REQUIREMENTS {
            if files.has(requirements) {
                needed.extend(["-r".into(), requirements.into()]);
            }
        }
        let is_described_by_setup = files.has("setup.py")
            || files.has_line("setup.cfg", "[metadata]")?
            || files.has_line("setup.cfg", "[options]")?;
        let mut editable = None;
        if self.manifest.has_static_dependencies() {
            needed.extend(self.manifest.dependencies().into_iter().map(OsString::from));
            // Without it, tests still find modules in the root and in `src`: not every project can be installed.
            editable = Some(pip().args(["--no-deps", "-e", "."]).may_fail());
        } else if self.manifest.is_package() || is_described_by_setup {
            needed.extend(["-e".into(), ".".into()]);
        }
        needed.extend(self.manifest.test_requirements().into_iter().map(OsString::from));
        let make = Step::new("python3", ["-m", "venv", "--system-site-packages"]).args([&environment]);
        let test = Step::new(&python, ["-m", "pytest"]).env("PYTHONPATH", "src");
        let mut check = Check::new(NAME, test)
            .prepared_by(make)
            .prepared_by(pip().args(needed));
        check.preparation.extend(editable);
        Ok(check)
    }
}

/// Whether pytest would collect a file of this name.
fn is_test_module(name: &str) -> bool {
    name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py"))
}
