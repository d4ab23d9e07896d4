//! What happened to an item: transcripts, diffs, timelines, and the archive of all of them.
//!
//! Nothing here renews a lease or changes an item. Uploads use the connections of the API, so that they do not delay
//! heartbeats.

mod codec;
mod diff;
mod export;
mod timeline;
mod transcript;

pub use self::diff::{diff, report_diff};
pub use self::export::export;
pub use self::timeline::timeline;
pub use self::transcript::{Transcript, transcript, upload_transcript};
