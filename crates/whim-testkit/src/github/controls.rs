//! Actions of a test as a user or an owner of repositories.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::access::{Identity, Permissions};
use super::bare_repository::Refusal;
use super::error_response::ErrorResponse;
use super::state::{Change, NewPull, Repository, Ruleset, State};
use super::{GitHub, PERSON, bare_repository, must};
use crate::git::{self, GitError};

/// The error of a refused push.
const REFUSAL: &str = "error: GH006: Protected branch update failed.";

impl GitHub {
    /// Creates a private repository whose default branch `main` has one commit with these files.
    ///
    /// # Panics
    /// The name is taken or is not `owner/name`, or git fails.
    #[track_caller]
    pub fn create_repository(&self, repository: &str, files: &[(&str, &str)]) {
        self.create_repository_with(repository, |tree| tree.commit_files("Start", files).map(drop));
    }

    /// Creates a repository whose first commit contains the files of a directory, as with `git add --all`.
    ///
    /// # Panics
    /// As [`GitHub::create_repository`].
    #[track_caller]
    pub fn create_repository_from(&self, repository: &str, directory: &Path) {
        self.create_repository_with(repository, |tree| {
            let work_tree = format!("--work-tree={}", directory.display());
            let git_directory = format!("--git-dir={}", tree.directory().join(".git").display());
            tree.run([&git_directory, &work_tree, "add", "--all"])?;
            tree.run(["commit", "--quiet", "--no-verify", "--message", "Start"])
                .map(drop)
        });
    }

    /// Creates a repository from the branches that a closure creates in an empty working tree.
    ///
    /// # Panics
    /// As [`GitHub::create_repository`].
    #[track_caller]
    pub fn create_repository_with(
        &self,
        repository: &str,
        fill: impl FnOnce(&git::Repository) -> Result<(), GitError>,
    ) {
        let (owner, name) = split(repository);
        let scratch = must("could not make a directory", TempDir::new());
        let tree = must(
            "could not make a repository",
            git::Repository::init(scratch.path()),
        );
        must("could not fill the repository", fill(&tree));
        let directory = self.shared.files.path().join(owner).join(format!("{name}.git"));
        must(
            "could not make the bare repository",
            bare_repository::create(&directory, &tree),
        );
        let is_new = self.shared.write().add_repository(owner, name, directory);
        assert!(is_new, "the repository {repository} exists already");
        must(
            "could not read the branches",
            self.shared.refresh(owner, name, PERSON),
        );
    }

    /// Creates a token in GitHub's format.
    #[must_use]
    pub fn create_token(&self, login: &str, permissions: Permissions) -> String {
        let random = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let token = format!("ghp_{}", random.get(..36).unwrap_or(&random));
        self.add_token(&token, login, permissions);
        token
    }

    /// Adds a token, or changes its permissions.
    pub fn add_token(&self, token: &str, login: &str, permissions: Permissions) {
        let (login, token) = (login.to_owned(), token.to_owned());
        self.shared.write().add_token(Identity {
            login,
            token,
            permissions,
        });
    }

    /// Opens an issue as [`PERSON`] and returns its number.
    ///
    /// # Panics
    /// GitHub would refuse it.
    #[track_caller]
    pub fn create_issue(&self, repository: &str, title: &str, body: &str, labels: &[&str]) -> u64 {
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        self.by_person(repository, |record, change| {
            record.create_issue(title, Some(body.to_owned()), &labels, change)
        })
    }

    /// Opens a pull request as [`PERSON`] and returns its number.
    ///
    /// # Panics
    /// GitHub would refuse it.
    #[track_caller]
    pub fn create_pull(&self, repository: &str, head: &str, base: &str, title: &str) -> u64 {
        self.by_person(repository, |record, change| {
            let new = NewPull {
                title: title.to_owned(),
                body: None,
                head: head.to_owned(),
                base: base.to_owned(),
                draft: false,
                maintainer_can_modify: false,
            };
            record.open_pull(new, change)
        })
    }

    /// Changes the text of an issue as [`PERSON`].
    ///
    /// # Panics
    /// There is no such issue, or GitHub would refuse the text.
    #[track_caller]
    pub fn edit_issue(&self, repository: &str, number: u64, body: &str) {
        self.by_person(repository, |record, change| {
            record.edit(number, None, Some(Some(body.to_owned())), change)
        });
    }

    /// Changes the title of an issue or a pull request as [`PERSON`].
    ///
    /// # Panics
    /// There is none with this number, or GitHub would refuse the title.
    #[track_caller]
    pub fn rename_issue(&self, repository: &str, number: u64, title: &str) {
        self.by_person(repository, |record, change| {
            record.edit(number, Some(title), None, change)
        });
    }

    /// Adds a label to an issue as [`PERSON`].
    ///
    /// # Panics
    /// There is no such issue.
    #[track_caller]
    pub fn add_label(&self, repository: &str, number: u64, label: &str) {
        self.by_person(repository, |record, change| {
            record.add_labels(number, &[label.to_owned()], change)
        });
    }

    /// Deletes a label of the repository, and of its issues, which get no event.
    ///
    /// # Panics
    /// There is no such label.
    #[track_caller]
    pub fn delete_label(&self, repository: &str, label: &str) {
        self.by_person(repository, |record, _| record.delete_label(label));
    }

    /// Removes a label from an issue as [`PERSON`].
    ///
    /// # Panics
    /// The issue does not have it.
    #[track_caller]
    pub fn remove_label(&self, repository: &str, number: u64, label: &str) {
        self.by_person(repository, |record, change| {
            record.remove_label(number, label, change)
        });
    }

    /// Comments on an issue or a pull request as [`PERSON`] and returns the comment's id.
    ///
    /// # Panics
    /// There is no such issue.
    #[track_caller]
    pub fn comment(&self, repository: &str, number: u64, body: &str) -> u64 {
        self.by_person(repository, |record, change| {
            record.comment(number, body.to_owned(), change)
        })
    }

    /// Opens or closes an issue or a pull request as [`PERSON`].
    ///
    /// # Panics
    /// There is no such issue, or it is a merged pull request.
    #[track_caller]
    pub fn set_state(&self, repository: &str, number: u64, state: State) {
        self.by_person(repository, |record, change| {
            record.set_state(number, state, None, change)
        });
    }

    /// Commits files to a branch, created from the default branch if missing, and returns the hash.
    ///
    /// # Panics
    /// Git fails.
    #[track_caller]
    pub fn commit_files(
        &self,
        repository: &str,
        branch: &str,
        message: &str,
        files: &[(&str, &str)],
    ) -> String {
        let (owner, name) = split(repository);
        let scratch = must("could not make a directory", TempDir::new());
        let source = self.bare(repository);
        let commit = || -> Result<String, GitError> {
            let source = source.directory().to_string_lossy();
            let tree = git::Repository::clone_from(&source, scratch.path().join("tree"))?;
            if tree.resolve(&format!("origin/{branch}"))?.is_some() {
                tree.run([
                    "switch",
                    "--quiet",
                    "--force-create",
                    branch,
                    &format!("origin/{branch}"),
                ])?;
            } else {
                tree.create_branch(branch)?;
            }
            let hash = tree.commit_files(message, files)?;
            tree.run(["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")])?;
            Ok(hash)
        };
        let hash = must("could not commit", commit());
        must(
            "could not read the branches",
            self.shared.refresh(owner, name, PERSON),
        );
        hash
    }

    /// Removes a branch; open pull requests from it are closed.
    ///
    /// # Panics
    /// There is no such branch.
    #[track_caller]
    pub fn delete_branch(&self, repository: &str, branch: &str) {
        let (owner, name) = split(repository);
        let removal = self
            .bare(repository)
            .run(["branch", "--quiet", "-D", "--", branch]);
        must("could not remove the branch", removal);
        must(
            "could not read the branches",
            self.shared.refresh(owner, name, PERSON),
        );
    }

    /// Renames a repository, or transfers it to another owner. The old name redirects to the new one.
    ///
    /// # Panics
    /// There is no such repository, or the new name is taken.
    #[track_caller]
    pub fn move_repository(&self, from: &str, to: &str) {
        let is_moved = self.shared.write().move_repository(split(from), split(to));
        assert!(is_moved, "{from} cannot become {to}");
    }

    /// Sets the rules of all branches but the default one, as `GET /rules/branches/{branch}` reports them: each has `type`
    /// and, for some types, `parameters`. The fake does not enforce them.
    ///
    /// # Panics
    /// There is no such repository.
    #[track_caller]
    pub fn set_rules(&self, repository: &str, rules: Vec<Value>, can_bypass: bool) {
        self.by_person(repository, |record, _change| {
            record.ruleset = Ruleset { rules, can_bypass };
            Ok(())
        });
    }

    /// Refuses every push from now on, as a protected branch does: the push is authorized, and fails.
    ///
    /// # Panics
    /// The hook cannot be written.
    #[track_caller]
    pub fn refuse_push(&self, repository: &str) {
        let directory = self.bare(repository);
        must(
            "could not write the hook",
            bare_repository::refuse_pushes(
                directory.directory(),
                Some(Refusal {
                    message: REFUSAL,
                    path: None,
                }),
            ),
        );
    }

    /// Refuses every push with a commit that changes `path`, with this message.
    ///
    /// # Panics
    /// The hook cannot be written.
    #[track_caller]
    pub fn refuse_push_of(&self, repository: &str, path: &str, message: &str) {
        let directory = self.bare(repository);
        let refusal = Refusal {
            message,
            path: Some(path),
        };
        must(
            "could not write the hook",
            bare_repository::refuse_pushes(directory.directory(), Some(refusal)),
        );
    }

    /// Accepts pushes again.
    ///
    /// # Panics
    /// The hook cannot be removed.
    #[track_caller]
    pub fn accept_push(&self, repository: &str) {
        let directory = self.bare(repository);
        must(
            "could not remove the hook",
            bare_repository::refuse_pushes(directory.directory(), None),
        );
    }

    /// Sets the number of requests per hour and token, and starts a new hour for all tokens.
    pub fn set_rate_limit(&self, requests: u32) {
        self.shared.write().limits.set_limit(requests);
    }

    /// Advances the fake's clock: GitHub's times have whole seconds, and its limits whole hours.
    pub fn advance_clock(&self, by: Duration) {
        self.shared
            .write()
            .advance_clock(TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX));
    }

    #[track_caller]
    pub(super) fn bare(&self, repository: &str) -> git::Repository {
        let (owner, name) = split(repository);
        must(
            &format!("no repository {repository}"),
            self.shared.bare(owner, name),
        )
    }

    #[track_caller]
    fn by_person<T>(
        &self,
        repository: &str,
        apply: impl FnOnce(&mut Repository, &Change) -> Result<T, ErrorResponse>,
    ) -> T {
        self.by_login(PERSON, repository, apply)
    }

    #[track_caller]
    pub(super) fn by_login<T>(
        &self,
        login: &str,
        repository: &str,
        apply: impl FnOnce(&mut Repository, &Change) -> Result<T, ErrorResponse>,
    ) -> T {
        let (owner, name) = split(repository);
        let mut world = self.shared.write();
        let change = world.change_by(login);
        let done = match world.repository_mut(owner, name) {
            Some(record) => apply(record, &change),
            None => Err(ErrorResponse::NotFound),
        };
        // The lock is released first, so that a panic here does not poison it.
        drop(world);
        must(&format!("GitHub would not do this in {repository}"), done)
    }
}

/// Splits `owner/name`.
#[track_caller]
pub(super) fn split(repository: &str) -> (&str, &str) {
    match repository.split_once('/') {
        Some(parts) => parts,
        None => panic!("`{repository}` is not of the form `owner/name`"),
    }
}
