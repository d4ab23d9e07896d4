//! How long data of ended attempts is kept.

use std::time::Duration;

use whim_service::environment::{Environment, whole_number};

use super::values::hours;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionConfig {
    /// `LOG_RETENTION_HOURS`: logs and directories of ended attempts.
    pub logs: Duration,
    /// `EVENT_RETENTION_DAYS`: UTC days of the event log besides today.
    pub event_days: u32,
    /// `TRANSCRIPT_RETENTION_DAYS`: UTC days of transcripts besides today.
    pub transcript_days: u32,
}

impl RetentionConfig {
    pub(super) fn read(env: &mut Environment) -> Self {
        Self {
            logs: env.or_default("LOG_RETENTION_HOURS", Duration::from_hours(72), hours()),
            event_days: env.or_default("EVENT_RETENTION_DAYS", 14, whole_number(1..=3650)),
            transcript_days: env.or_default("TRANSCRIPT_RETENTION_DAYS", 14, whole_number(1..=3650)),
        }
    }
}
