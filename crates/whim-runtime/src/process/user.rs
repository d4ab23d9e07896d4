//! The user that workers run as.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use rustix::process::geteuid;

use super::directory::Owner;

/// Who workers run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WorkerUser {
    /// The orchestrator's own, unprivileged user.
    Own,
    /// Root, because the orchestrator is and nobody named another user. Claude Code then wants to be told that this is
    /// a sandbox.
    Root,
    /// Another user.
    Other {
        /// Its name.
        name: String,
        /// Its numbers.
        owner: Owner,
    },
}

impl WorkerUser {
    /// Looks up `WORKER_USER`.
    pub(super) fn look_up(name: Option<&str>, workspaces: &Path) -> anyhow::Result<Self> {
        let Some(name) = name else {
            return Ok(if geteuid().is_root() {
                Self::Root
            } else {
                Self::Own
            });
        };
        let users = std::fs::read_to_string("/etc/passwd").context("reading /etc/passwd for WORKER_USER")?;
        let Some(owner) = find(&users, name) else {
            bail!("WORKER_USER is {name:?}: there is no such user in /etc/passwd");
        };
        if owner.user_id == geteuid().as_raw() {
            return Ok(if geteuid().is_root() {
                Self::Root
            } else {
                Self::Own
            });
        }
        if !geteuid().is_root() {
            bail!("WORKER_USER is {name:?}: only root can run workers as another user");
        }
        for directory in workspaces.ancestors() {
            let metadata = directory
                .metadata()
                .with_context(|| format!("looking at {}", directory.display()))?;
            let passable = match (metadata.uid() == owner.user_id, metadata.gid() == owner.group_id) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            if metadata.mode() & passable == 0 {
                let (directory, workspaces) = (directory.display(), workspaces.display());
                bail!("WORKER_USER {name:?} cannot pass through {directory} to WORKSPACES_DIR {workspaces}");
            }
        }
        Ok(Self::Other {
            name: name.to_owned(),
            owner,
        })
    }

    pub(super) fn owner(&self) -> Option<Owner> {
        match self {
            Self::Own | Self::Root => None,
            Self::Other { name: _, owner } => Some(*owner),
        }
    }
}

fn find(users: &str, wanted: &str) -> Option<Owner> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password) = (fields.next()?, fields.next()?);
        let user_id = fields.next()?.parse().ok()?;
        let group_id = fields.next()?.parse().ok()?;
        (name == wanted).then_some(Owner { user_id, group_id })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users =
            "root:x:0:0:root:/root:/bin/bash\nwhim-worker:x:990:991::/nonexistent:/usr/sbin/nologin\n";

        let found = find(users, "whim-worker");

        assert_eq!(
            found,
            Some(Owner {
                user_id: 990,
                group_id: 991
            })
        );
        assert_eq!(find(users, "whim"), None);
    }
}
