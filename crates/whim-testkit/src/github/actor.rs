//! Actions of a test as any user.

use super::GitHub;
use super::role::Role;
use super::state::State;

/// A user whose actions a test makes. [`GitHub`]'s own methods act as [`super::PERSON`].
#[derive(Clone, Copy)]
pub struct Actor<'a> {
    github: &'a GitHub,
    login: &'a str,
}

impl GitHub {
    /// A login that ends with `[bot]` is an app's.
    #[must_use]
    pub const fn by<'a>(&'a self, login: &'a str) -> Actor<'a> {
        Actor { github: self, login }
    }

    /// Gives a user a role in a repository.
    #[track_caller]
    pub fn set_role(&self, repository: &str, login: &str, role: Role) {
        self.by_login(login, repository, |record, _| {
            record.roles.insert(login.to_lowercase(), role);
            Ok(())
        });
    }

    /// Creates a team, or replaces its members.
    pub fn set_team(&self, organization: &str, slug: &str, members: &[&str]) {
        let team = format!("{organization}/{slug}").to_lowercase();
        let members = members.iter().map(|&member| member.to_owned()).collect();
        self.shared.write().teams.insert(team, members);
    }

    /// The numeric id of an account.
    #[must_use]
    pub fn user_id(login: &str) -> u64 {
        super::views::user_id(login)
    }
}

/// # Panics
/// As the methods of [`GitHub`] with the same names.
impl Actor<'_> {
    /// Opens an issue and returns its number.
    #[track_caller]
    pub fn create_issue(self, repository: &str, title: &str, body: &str, labels: &[&str]) -> u64 {
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        self.github.by_login(self.login, repository, |record, change| {
            record.create_issue(title, Some(body.to_owned()), &labels, change)
        })
    }

    #[track_caller]
    pub fn edit_issue(self, repository: &str, number: u64, body: &str) {
        self.github.by_login(self.login, repository, |record, change| {
            record.edit(number, None, Some(Some(body.to_owned())), change)
        });
    }

    #[track_caller]
    pub fn rename_issue(self, repository: &str, number: u64, title: &str) {
        self.github.by_login(self.login, repository, |record, change| {
            record.edit(number, Some(title), None, change)
        });
    }

    #[track_caller]
    pub fn add_label(self, repository: &str, number: u64, label: &str) {
        self.github.by_login(self.login, repository, |record, change| {
            record.add_labels(number, &[label.to_owned()], change)
        });
    }

    #[track_caller]
    pub fn remove_label(self, repository: &str, number: u64, label: &str) {
        self.github.by_login(self.login, repository, |record, change| {
            record.remove_label(number, label, change)
        });
    }

    /// Returns the comment's id.
    #[track_caller]
    pub fn comment(self, repository: &str, number: u64, body: &str) -> u64 {
        self.github.by_login(self.login, repository, |record, change| {
            record.comment(number, body.to_owned(), change)
        })
    }

    #[track_caller]
    pub fn edit_comment(self, repository: &str, id: u64, body: &str) {
        self.github.by_login(self.login, repository, |record, change| {
            record.edit_comment(id, body.to_owned(), change).map(drop)
        });
    }

    #[track_caller]
    pub fn set_state(self, repository: &str, number: u64, state: State) {
        self.github.by_login(self.login, repository, |record, change| {
            record.set_state(number, state, None, change)
        });
    }
}
