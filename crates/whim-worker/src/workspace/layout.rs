//! The directories of an attempt.

use std::fs::{DirBuilder, create_dir_all};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The workspace.
    pub repository: PathBuf,
    /// Clean checkouts for the checks, each with its packages and build results.
    pub checks: PathBuf,
    /// Contains the hook server's socket. Created by the server.
    pub hook: PathBuf,
    /// Not accessible to other users, and unknown to the agent.
    pub private: PathBuf,
    /// The worker's own clone.
    pub mirror: PathBuf,
    /// Gives access to the objects of the workspace.
    pub window: PathBuf,
}

const REPOSITORY: &str = "repository";
const CHECKS: &str = "checks";

/// The checkout of the base for the checks.
pub const CHECKOUT_OF_BASE: &str = "base";

/// The checkout of the base with the tests of the change.
pub const CHECKOUT_OF_NEW_TESTS: &str = "new-tests";

/// How often an attempt starts the agent again for notes that arrive after its last iteration.
pub const MAX_NOTE_ROUNDS: u32 = 3;

/// Reviews of an attempt: one before and one after the agent acts on findings, and one after each round for notes.
const MAX_REVIEWS: u32 = 2 + MAX_NOTE_ROUNDS;

/// The checkout of the head for a review, from 1.
pub fn checkout_of_review(number: u32) -> String {
    format!("review-{number}")
}

/// The checkout of the head for the checks after a number of repairs.
pub fn checkout_of_head(repairs: u32) -> String {
    format!("head-{}", repairs + 1)
}

impl Layout {
    /// The directories below `root`, and what people see in their place: paths of the machine do not leave it.
    pub fn shown_paths(root: &Path, repairs: u32) -> Vec<(String, &'static str)> {
        // The higher number first: `head-1` is the beginning of `head-10`. More than repairs of checks: for a fix after the review, and
        // for notes.
        let heads = (0..=repairs + 1 + MAX_NOTE_ROUNDS).rev().map(checkout_of_head);
        let reviews = (1..=MAX_REVIEWS).rev().map(checkout_of_review);
        let checkouts = heads
            .chain(reviews)
            .chain([CHECKOUT_OF_BASE, CHECKOUT_OF_NEW_TESTS].map(str::to_owned));
        let mut directories = vec![PathBuf::from(REPOSITORY)];
        directories.extend(checkouts.map(|name| Path::new(CHECKS).join(name)));
        let canonical = root.canonicalize().ok();
        let mut shown = Vec::new();
        for root in [Some(root), canonical.as_deref()].into_iter().flatten() {
            for directory in &directories {
                shown.push((format!("{}/", root.join(directory).display()), ""));
                shown.push((root.join(directory).display().to_string(), "."));
            }
            shown.push((root.display().to_string(), "[workspace]"));
        }
        shown
    }

    /// Creates the directories below `root`, which must exist.
    ///
    /// # Errors
    /// A directory cannot be created.
    pub fn create<'a>(root: &Path, others: impl Iterator<Item = &'a Path>) -> io::Result<Self> {
        // Git resolves relative paths against its own working directory.
        let root = root.canonicalize()?;
        let private = root.join("private");
        DirBuilder::new().recursive(true).mode(0o700).create(&private)?;
        for directory in others {
            create_dir_all(directory)?;
        }
        Ok(Self {
            repository: root.join(REPOSITORY),
            checks: root.join(CHECKS),
            hook: root.join("hook"),
            mirror: private.join("mirror.git"),
            window: private.join("window.git"),
            private,
        })
    }
}
