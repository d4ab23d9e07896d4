//! Paths of the programs that tests run: from a variable, from `./scripts/setup.sh`, or from `PATH`.

use std::env;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A program that was not found.
#[derive(Debug, thiserror::Error)]
#[error("{program} was not found; run ./scripts/setup.sh, or set {variable}")]
pub struct ToolMissing {
    program: &'static str,
    variable: &'static str,
}

/// The directory with `postgres`, `initdb` and `psql` of a Postgres 16 or newer that has pgvector.
/// `WHIM_POSTGRES_BIN` names another one.
pub fn postgres_bin() -> Result<PathBuf, ToolMissing> {
    let tool = Tool {
        program: "postgres",
        variable: "WHIM_POSTGRES_BIN",
        installed: "postgres/bin",
    };
    if let Some(directory) = tool.named() {
        return Ok(directory);
    }
    let installed = tools_directory().join(tool.installed);
    if is_executable(&installed.join(tool.program)) {
        return Ok(installed);
    }
    let found = tool.on_path()?;
    found.parent().map(Path::to_owned).ok_or_else(|| tool.missing())
}

/// The `redis-server` program. `WHIM_REDIS_SERVER` names another one.
pub fn redis_server() -> Result<PathBuf, ToolMissing> {
    Tool {
        program: "redis-server",
        variable: "WHIM_REDIS_SERVER",
        installed: "redis/bin/redis-server",
    }
    .find()
}

/// The pinned Claude Code CLI. `WHIM_CLAUDE` names another one.
pub fn claude() -> Result<PathBuf, ToolMissing> {
    Tool {
        program: "claude",
        variable: "WHIM_CLAUDE",
        installed: "claude/node_modules/.bin/claude",
    }
    .find()
}

/// The `faketime` program, which shifts the clock of another one. `WHIM_FAKETIME` names another one.
pub fn faketime() -> Result<PathBuf, ToolMissing> {
    Tool {
        program: "faketime",
        variable: "WHIM_FAKETIME",
        installed: "faketime/bin/faketime",
    }
    .find()
}

/// The directory of the embedding model. `WHIM_EMBEDDING_MODEL` names another one.
pub fn embedding_model() -> Result<PathBuf, ToolMissing> {
    let tool = Tool {
        program: "model.safetensors",
        variable: "WHIM_EMBEDDING_MODEL",
        installed: "embedding-model",
    };
    if let Some(directory) = tool.named() {
        return Ok(directory);
    }
    let installed = tools_directory().join(tool.installed);
    if installed.join(tool.program).is_file() {
        Ok(installed)
    } else {
        Err(tool.missing())
    }
}

/// The root of the checkout.
pub fn workspace_root() -> PathBuf {
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_directory
        .ancestors()
        .nth(2)
        .unwrap_or(crate_directory)
        .to_owned()
}

/// A variable of the test run's own environment, unless it is empty. The only place of the testkit that reads one.
pub(crate) fn environment(variable: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the testkit has no configuration of its own: this is its one read of the environment"
    )]
    env::var(variable).ok().filter(|value| !value.is_empty())
}

fn tools_directory() -> PathBuf {
    workspace_root().join(".tools")
}

struct Tool {
    program: &'static str,
    variable: &'static str,
    /// Inside the tools directory.
    installed: &'static str,
}

impl Tool {
    fn find(&self) -> Result<PathBuf, ToolMissing> {
        if let Some(named) = self.named() {
            return Ok(named);
        }
        let installed = tools_directory().join(self.installed);
        if is_executable(&installed) {
            Ok(installed)
        } else {
            self.on_path()
        }
    }

    fn named(&self) -> Option<PathBuf> {
        environment(self.variable).map(PathBuf::from)
    }

    fn on_path(&self) -> Result<PathBuf, ToolMissing> {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path)
            .map(|directory| directory.join(self.program))
            .find(|candidate| is_executable(candidate))
            .ok_or_else(|| self.missing())
    }

    fn missing(&self) -> ToolMissing {
        ToolMissing {
            program: self.program,
            variable: self.variable,
        }
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
