//! The programs that an attempt runs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::config::RuntimeConfig;

/// A program and the setting that names it.
#[derive(Clone, Debug)]
pub(super) struct Program {
    setting: &'static str,
    name: &'static str,
    /// As found when the runtime was opened. `None` when no setting names it and it is in none of the usual places.
    path: Option<PathBuf>,
}

/// All programs that a worker needs.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) worker: Program,
    pub(super) ralph: Program,
    agent: Option<Program>,
}

impl Programs {
    pub(super) fn find(config: &RuntimeConfig) -> Self {
        let path = &config.path;
        let program = |setting, name, configured: Option<&Path>| Program {
            setting,
            name,
            path: find(configured, name, path),
        };
        let agent = config.agent_program.as_deref().map(Path::new);
        Self {
            worker: program("WORKER_BIN", "whim-worker", config.worker_bin.as_deref()),
            ralph: program("RALPH_BIN", "ralph", config.ralph_bin.as_deref()),
            agent: agent.map(|agent| program("CLAUDE_BIN", "claude", Some(agent))),
        }
    }

    /// # Errors
    /// One of them is missing; the error names its setting.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for program in [&self.worker, &self.ralph].into_iter().chain(&self.agent) {
            program.check()?;
        }
        Ok(())
    }
}

impl Program {
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// # Errors
    /// There is no such program now; the error names the setting.
    pub(super) fn check(&self) -> anyhow::Result<&Path> {
        let Self { setting, name, path } = self;
        let Some(path) = path else {
            bail!("{name} is neither beside this program nor on PATH: set {setting} to its path");
        };
        if !is_executable(path) {
            bail!(
                "{setting} is {}: there is no executable program; set {setting} to the path of {name}",
                path.display()
            );
        }
        Ok(path)
    }
}

/// The configured program, else the one called `name` beside this program, else the first on `path`. A configured
/// program is returned even when it does not exist, so that the error names it.
fn find(configured: Option<&Path>, name: &str, path: &str) -> Option<PathBuf> {
    match configured {
        Some(named) if named.components().count() > 1 => Some(named.to_owned()),
        Some(named) => Some(on_path(named, path).unwrap_or_else(|| named.to_owned())),
        None => beside(name).or_else(|| on_path(Path::new(name), path)),
    }
}

fn beside(name: &str) -> Option<PathBuf> {
    let this_program = std::env::current_exe().ok()?;
    Some(this_program.with_file_name(name)).filter(|candidate| is_executable(candidate))
}

fn on_path(name: &Path, path: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
