//! Node.js: `package.json` with a script `test`, or a workspace whose packages have one.

use std::io;

use serde_json::Value;

use super::super::plan::{Check, Step};
use super::super::tools::programs_directory;
use super::node_workspaces::{has_test_script, has_tests};
use super::project::Project;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PackageManager {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

impl PackageManager {
    fn program(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
            Self::Bun => "bun",
        }
    }
}

pub(super) fn detect(project: &Project<'_>) -> io::Result<Option<Check>> {
    let Some(text) = project.files.read("package.json")? else {
        return Ok(None);
    };
    let manifest: Value = serde_json::from_str(&text).unwrap_or_default();
    let node = Node {
        manager: package_manager(project, &manifest),
        is_modern_yarn: is_modern_yarn(project, &manifest),
        project,
        manifest: &manifest,
    };
    let Some(test) = node.test()? else {
        return Ok(None);
    };
    let mut check = Check::new("node", node.step(test)).needs(&["node"]);
    if let Some(shims) = node.corepack_shims() {
        check = check.prepared_by(shims);
    }
    if let Some(install) = node.install() {
        check = check.prepared_by(node.step(install));
    }
    Ok(Some(check))
}

struct Node<'p> {
    project: &'p Project<'p>,
    manifest: &'p Value,
    manager: PackageManager,
    /// Yarn 2 or newer.
    is_modern_yarn: bool,
}

impl Node<'_> {
    /// The arguments of the package manager, after its program.
    fn test(&self) -> io::Result<Option<Vec<&'static str>>> {
        use PackageManager::{Bun, Npm, Pnpm, Yarn};
        if has_test_script(self.manifest) {
            return Ok(Some(match self.manager {
                Npm => vec!["npm", "test"],
                Pnpm => vec!["pnpm", "test"],
                Yarn => vec!["yarn", "run", "test"],
                Bun => vec!["bun", "run", "test"],
            }));
        }
        if !has_tests(self.project, self.manifest)? {
            return Ok(None);
        }
        if self.project.files.has("turbo.json") {
            return Ok(Some(match self.manager {
                Npm => vec!["npm", "exec", "--no", "--", "turbo", "run", "test"],
                Pnpm => vec!["pnpm", "exec", "turbo", "run", "test"],
                Yarn => vec!["yarn", "run", "turbo", "run", "test"],
                Bun => vec!["bun", "run", "turbo", "run", "test"],
            }));
        }
        Ok(Some(match self.manager {
            Npm => vec!["npm", "test", "--workspaces", "--if-present"],
            Pnpm => vec!["pnpm", "--recursive", "run", "test"],
            Yarn if self.is_modern_yarn => {
                vec!["yarn", "workspaces", "foreach", "--all", "run", "test"]
            }
            Yarn => vec!["yarn", "workspaces", "run", "test"],
            Bun => vec!["bun", "run", "--filter", "*", "test"],
        }))
    }

    fn install(&self) -> Option<Vec<&'static str>> {
        let files = &self.project.files;
        let has_dependencies = [
            "dependencies",
            "devDependencies",
            "optionalDependencies",
            "workspaces",
        ]
        .iter()
        .any(|field| self.manifest.get(field).is_some_and(|value| !is_empty(value)));
        // Modern Yarn refuses to run scripts of a project that was never installed.
        if !has_dependencies && !self.is_modern_yarn && !files.has("pnpm-workspace.yaml") {
            return None;
        }
        Some(match self.manager {
            PackageManager::Npm if files.has_any(&["package-lock.json", "npm-shrinkwrap.json"]) => {
                vec!["npm", "ci", "--no-audit", "--no-fund"]
            }
            PackageManager::Npm => vec!["npm", "install", "--no-audit", "--no-fund"],
            PackageManager::Pnpm if files.has("pnpm-lock.yaml") => {
                vec!["pnpm", "install", "--frozen-lockfile"]
            }
            PackageManager::Pnpm => vec!["pnpm", "install"],
            PackageManager::Yarn => vec!["yarn", "install"],
            PackageManager::Bun if files.has_any(&["bun.lock", "bun.lockb"]) => {
                vec!["bun", "install", "--frozen-lockfile"]
            }
            PackageManager::Bun => vec!["bun", "install"],
        })
    }

    /// Makes the package manager available through corepack: in the version that `packageManager` names, or because it is
    /// not installed.
    fn corepack_shims(&self) -> Option<Step> {
        if !self.uses_corepack() {
            return None;
        }
        let directory = programs_directory(self.project.state);
        Some(
            Step::new("corepack", ["enable", "--install-directory"])
                .args([directory.as_os_str()])
                .args([self.manager.program()]),
        )
    }

    fn uses_corepack(&self) -> bool {
        let tools = self.project.tools;
        let is_known = matches!(self.manager, PackageManager::Pnpm | PackageManager::Yarn);
        let is_pinned = self.manifest.get("packageManager").is_some_and(Value::is_string);
        let is_installed = tools.has(self.manager.program());
        is_known && tools.has("corepack") && (is_pinned || !is_installed)
    }

    /// A command whose first word is the program.
    fn step(&self, words: Vec<&'static str>) -> Step {
        let (program, arguments) = match words.split_first() {
            Some((program, arguments)) => (*program, arguments),
            None => (self.manager.program(), &[][..]),
        };
        if !self.uses_corepack() {
            return Step::new(program, []).args(arguments.iter().copied());
        }
        let shims = programs_directory(self.project.state);
        Step::new(shims.join(program), [])
            .args(arguments.iter().copied())
            // Scripts of the project start the package manager, too.
            .env("PATH", self.project.tools.path_with(&shims))
            .env("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0")
    }
}

/// That of the field `packageManager`, else that of the lock file.
fn package_manager(project: &Project<'_>, manifest: &Value) -> PackageManager {
    let pinned = manifest.get("packageManager").and_then(Value::as_str);
    let name = pinned.and_then(|pinned| pinned.split('@').next());
    match name {
        Some("npm") => return PackageManager::Npm,
        Some("pnpm") => return PackageManager::Pnpm,
        Some("yarn") => return PackageManager::Yarn,
        Some("bun") => return PackageManager::Bun,
        Some(_) | None => {}
    }
    let files = &project.files;
    if files.has_any(&["pnpm-lock.yaml", "pnpm-workspace.yaml"]) {
        PackageManager::Pnpm
    } else if files.has_any(&["yarn.lock", ".yarnrc.yml"]) {
        PackageManager::Yarn
    } else if files.has_any(&["bun.lock", "bun.lockb"]) {
        PackageManager::Bun
    } else {
        PackageManager::Npm
    }
}

fn is_modern_yarn(project: &Project<'_>, manifest: &Value) -> bool {
    let pinned = manifest.get("packageManager").and_then(Value::as_str);
    let version = pinned.and_then(|pinned| pinned.strip_prefix("yarn@"));
    match version {
        Some(version) => !version.starts_with("1."),
        None => project.files.has(".yarnrc.yml"),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}
