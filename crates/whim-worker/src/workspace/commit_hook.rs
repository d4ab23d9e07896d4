//! The hook that adds trailers to the messages of the agent's commits.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use super::files;
use super::handle::Workspace;
use super::trailers::Trailers;

/// Git runs it with `--no-verify` as well.
const HOOK: &str = ".git/hooks/prepare-commit-msg";

impl Workspace {
    /// From now on, the agent's commits get these trailers. To be called before the agent runs.
    ///
    /// # Errors
    /// The hook cannot be written.
    pub fn add_trailers(&mut self, trailers: Trailers) -> io::Result<()> {
        self.trailers = Some(trailers);
        self.install_trailers()
    }

    /// In a fresh workspace.
    pub(super) fn install_trailers(&self) -> io::Result<()> {
        if self.trailers.is_none() {
            return Ok(());
        }
        self.write_trailers(false)?;
        let hook = self.layout.repository.join(HOOK);
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755))
    }

    /// Keeps the mode of an existing hook.
    pub(super) fn write_trailers(&self, is_repair: bool) -> io::Result<()> {
        match &self.trailers {
            Some(trailers) => files::write(&self.layout.repository, HOOK, &trailers.hook(is_repair)),
            None => Ok(()),
        }
    }
}
