//! Submissions that wait to be inserted in a batch.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::batch_writer::BatchQueue;
use crate::db::work_items::NewItem;

/// The queue of submissions, which are answered with the time of their insert.
pub type Submissions = BatchQueue<Arc<NewItem>, DateTime<Utc>>;
