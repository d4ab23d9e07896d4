//! What people may do in a repository.

use super::super::logins::{BOT, PERSON};
use super::super::role::Role;
use super::{Repository, World};

impl Repository {
    /// The owner and [`PERSON`] are administrators; [`BOT`] may write. Others have the role that the test gave them.
    pub(in super::super) fn role(&self, login: &str) -> Role {
        let login = login.to_lowercase();
        let given = self.roles.get(&login).copied();
        given.unwrap_or_else(|| match login.as_str() {
            PERSON => Role::Admin,
            BOT => Role::Write,
            _ if login == self.owner.to_lowercase() => Role::Admin,
            _ => Role::None,
        })
    }
}

impl World {
    /// The account with this login: one that has a role, a token or a team, or is the author of anything.
    pub(in super::super) fn account(&self, login: &str) -> Option<String> {
        let login = login.to_lowercase();
        let is_known = [BOT, PERSON].contains(&login.as_str())
            || self
                .tokens
                .values()
                .any(|identity| identity.login.to_lowercase() == login)
            || self
                .teams
                .values()
                .flatten()
                .any(|member| member.to_lowercase() == login)
            || self
                .repositories
                .values()
                .any(|repository| repository.knows(&login));
        is_known.then_some(login)
    }
}

impl Repository {
    fn knows(&self, login: &str) -> bool {
        let is_author = |author: &str| author.to_lowercase() == login;
        self.roles.contains_key(login)
            || is_author(&self.owner)
            || self.issues.values().any(|issue| {
                is_author(&issue.author)
                    || issue.events.iter().any(|event| is_author(&event.actor))
                    || issue.comments.iter().any(|comment| is_author(&comment.author))
            })
    }
}
