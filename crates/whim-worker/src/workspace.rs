//! The repository that the agent works on, and the import of its commits.
//!
//! There are three repositories, two of which the agent does not know about:
//!
//! - `mirror.git` belongs to the worker. It fetches from GitHub, pushes to it, and is the source of the workspace.
//! - `repository` is the workspace: a clone of the mirror that shares no file with it, and whose `origin` is GitHub without
//!   credentials. Once the agent has run, it is untrusted, including its `.git`.
//! - `window.git` belongs to the worker and has no objects of its own: its alternates point to those of the workspace.
//!   Commits are imported by fetching from the window, so that no git process reads a configuration, hook or attribute
//!   written by the agent. Of the workspace's `.git`, only `HEAD` and refs are read, as data. Invalid objects are detected
//!   by the checks of the fetch.

mod agent_notes;
mod base;
mod base_merge;
mod branch;
mod checkout;
mod commit_hook;
mod commits;
mod diff;
mod files;
mod handle;
mod import;
mod layout;
mod left_behind;
mod new_learnings;
mod own_files;
mod prepare;
mod prepare_error;
mod push;
mod secret_patterns;
mod secret_scan;
mod spec_file;
mod start;
mod templates;
mod trailers;

pub use self::agent_notes::AgentNotes;
pub use self::base::{BaseFile, Checkout, discard};
pub use self::base_merge::BaseMerge;
pub use self::commits::{Commit, Purpose};
pub use self::handle::Workspace;
pub use self::import::{ImportError, Imported};
pub use self::layout::{
    CHECKOUT_OF_BASE, CHECKOUT_OF_NEW_TESTS, Layout, MAX_NOTE_ROUNDS, checkout_of_head, checkout_of_review,
};
pub(crate) use self::left_behind::MAX_NAMED;
pub use self::new_learnings::NewLearnings;
pub use self::own_files::OwnFiles;
pub use self::prepare::{Ready, prepare};
pub use self::push::PushError;
pub use self::secret_patterns::OwnSecrets;
pub(crate) use self::secret_patterns::looks_random;
pub use self::secret_scan::FoundSecret;
pub use self::trailers::Trailers;
