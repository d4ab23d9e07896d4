//! Learnings: stored from reports, embedded, found for later attempts, and measured.
//!
//! The path of a learning: [`capture`] screens and stores what a worker or a person reports; the reconciler
//! `embed_learnings` embeds it once it may reach other items; [`search`] finds and [`rank`] orders it for a spec;
//! [`give()`] writes it into the assignment and records that.

mod capture;
mod embedder;
mod give;
mod merge;
mod normal;
mod quarantine;
pub mod rank;
mod render;
mod screen;
mod search;
mod uplift;
pub mod words;

pub use self::capture::{create, details, indexed, store_reported, update};
pub use self::embedder::{EmbedFailed, Embedder};
pub use self::give::{give, preview, search};
pub use self::merge::link_and_merge;
pub use self::quarantine::decide;
pub use self::search::{Found, Pool, find};
pub use self::uplift::{uplift, without_effect};
