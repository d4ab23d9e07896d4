//! SPEC.md: a checklist that keeps its bytes.

mod blocks;
mod conventions;
mod document;
mod lines;
mod reconcile;
mod submit;
mod template;
mod text;
mod violation;

pub use self::document::{SpecDocument, Task, TickError};
pub use self::reconcile::Reconciled;
pub use self::submit::{MAX_SPEC_BYTES, MAX_TASKS, NotSubmittable};
pub use self::template::TEMPLATE;
pub use self::violation::{Violation, ViolationKind};
