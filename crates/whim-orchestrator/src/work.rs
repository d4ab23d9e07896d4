//! Operations on work items for people and the intake: submit, cancel, requeue, explain, and the results of spec
//! generation.

mod approval;
mod cancel;
mod explain;
mod item;
mod notes;
mod priority;
mod requeue;
mod spec;
mod submission_batch;
mod submission_queue;
mod submit;

pub use self::cancel::cancel;
pub use self::explain::explain;
pub use self::item::{find, max_retries};
pub use self::notes::{AddedNote, add_note, notes};
pub use self::priority::set_priority;
pub use self::requeue::requeue;
pub use self::spec::{fail_spec, submit_spec};
pub use self::submission_batch::run as write_submissions;
pub use self::submission_queue::Submissions;
pub(crate) use self::submit::check_source_ref;
pub use self::submit::{Submitted, submit};
