//! Storing and reading transcripts.

use whim_core::protocol::transcript::{
    MAX_SEGMENT_BYTES, MAX_SEGMENT_ENTRIES, MAX_TRANSCRIPT_BYTES, TranscriptEntry, TranscriptStored,
    UploadTranscript,
};
use whim_core::{LeaseEpoch, WorkItemId, WorkerId};

use super::codec::{SizedEntry, pack_entries, unpack_entries};
use crate::app::App;
use crate::db::transcripts::{self, Extent, Segment};
use crate::db::{in_transaction, work_items};
use crate::error::Error;
use crate::metrics;

/// A page ends at this size as JSON, so that the response has a bounded size.
const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Stores the entries of a segment that are not stored yet. The attempt may have ended: the end of its transcript may
/// arrive after the final report.
///
/// # Errors
/// A field is invalid, the transcript is at its limit, or Postgres is unavailable.
pub async fn upload_transcript(
    app: &App,
    worker: WorkerId,
    request: UploadTranscript,
) -> Result<TranscriptStored, Error> {
    let UploadTranscript { mut entries, more } = request;
    check(&entries)?;
    let (last_number, bytes) = in_transaction(&app.database, async |db| {
        let stored = transcripts::lock(db, worker).await?;
        entries.retain(|entry| number_of(entry) > stored.last_number);
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Ok((stored.last_number, 0));
        };
        let (packed, size) = pack_entries(&entries).map_err(|error| sqlx::Error::Encode(error.into()))?;
        if size > MAX_SEGMENT_BYTES {
            return Err(Error::TooLarge {
                what: "the segment",
                max_bytes: MAX_SEGMENT_BYTES as u64,
            });
        }
        let total_bytes = stored.total_bytes.cast_unsigned().saturating_add(size as u64);
        if total_bytes > MAX_TRANSCRIPT_BYTES {
            return Err(Error::TooLarge {
                what: "the transcript of the attempt",
                max_bytes: MAX_TRANSCRIPT_BYTES,
            });
        }
        let segment = Segment {
            first_number: number_of(first),
            last_number: number_of(last),
            bytes: i64::try_from(size).unwrap_or(i64::MAX),
            entries: packed,
        };
        transcripts::append(db, worker, &segment, !more).await?;
        Ok((segment.last_number, segment.entries.len()))
    })
    .await?;
    metrics::transcript_stored(bytes);
    Ok(TranscriptStored {
        last_number: last_number.cast_unsigned(),
    })
}

fn check(entries: &[TranscriptEntry]) -> Result<(), Error> {
    if !(1..=MAX_SEGMENT_ENTRIES).contains(&entries.len()) {
        let problem = format!("has {}; expected 1 to {MAX_SEGMENT_ENTRIES}", entries.len());
        return Err(Error::invalid("entries", problem));
    }
    let first = entries.first().map_or(0, |entry| entry.number);
    let has_gap = (first..)
        .zip(entries)
        .any(|(number, entry)| entry.number != number);
    let last = entries.last().map_or(0, |entry| entry.number);
    if first == 0 || has_gap || i64::try_from(last).is_err() {
        return Err(Error::invalid(
            "entries",
            "their numbers have to follow each other, from 1 at the least",
        ));
    }
    Ok(())
}

/// The number as the database stores it.
fn number_of(entry: &TranscriptEntry) -> i64 {
    i64::try_from(entry.number).unwrap_or(i64::MAX)
}

/// Entries of the transcript of an attempt.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// `None` if the item has had no attempt.
    pub extent: Option<Extent>,
    pub entries: Vec<TranscriptEntry>,
    /// The entry after which to continue; `None` at the end.
    pub next: Option<i64>,
}

/// At most `limit` entries after the entry `after`, and at most 2 MiB, of an attempt or of the latest one.
///
/// # Errors
/// The item or attempt does not exist, or Postgres is unavailable.
pub async fn transcript(
    app: &App,
    item: WorkItemId,
    attempt: Option<LeaseEpoch>,
    after: i64,
    limit: usize,
) -> Result<Transcript, Error> {
    let Some(extent) = transcripts::extent(&app.database, item, attempt).await? else {
        if work_items::exists(&app.database, item).await? && attempt.is_none() {
            return Ok(Transcript {
                extent: None,
                entries: Vec::new(),
                next: None,
            });
        }
        return Err(match attempt {
            Some(attempt) => Error::NoSuchAttempt { item, attempt },
            None => Error::NoSuchItem(item),
        });
    };
    let count = i64::try_from(limit).unwrap_or(i64::MAX);
    let segments = if after < extent.last_number {
        transcripts::segments(&app.database, extent.worker, after, count).await?
    } else {
        Vec::new()
    };
    let mut entries: Vec<TranscriptEntry> = Vec::new();
    let mut bytes = 0;
    'segments: for segment in segments {
        let unpacked = unpack_entries(&segment).map_err(|error| sqlx::Error::Decode(error.into()))?;
        for SizedEntry { entry, bytes: size } in unpacked {
            if number_of(&entry) <= after {
                continue;
            }
            bytes += size;
            if entries.len() == limit || (bytes > MAX_PAGE_BYTES && !entries.is_empty()) {
                break 'segments;
            }
            entries.push(entry);
        }
    }
    let next = entries
        .last()
        .map(number_of)
        .filter(|last| *last < extent.last_number);
    Ok(Transcript {
        extent: Some(extent),
        entries,
        next,
    })
}

#[cfg(test)]
mod tests {
    use whim_core::protocol::transcript::TranscriptBody;

    use super::*;

    fn numbered(numbers: &[u64]) -> Vec<TranscriptEntry> {
        let entry = |number: &u64| TranscriptEntry {
            number: *number,
            occurred_at: chrono::Utc::now(),
            iteration: 1,
            body: TranscriptBody::IterationStarted,
        };
        numbers.iter().map(entry).collect()
    }

    #[test]
    fn the_numbers_of_a_segment_follow_each_other() {
        assert!(check(&numbered(&[1])).is_ok());
        assert!(check(&numbered(&[7, 8, 9])).is_ok());
        let most = i64::MAX.cast_unsigned();
        for refused in [&[][..], &[0, 1], &[1, 3], &[2, 1], &[5, 5], &[most, most + 1]] {
            assert!(check(&numbered(refused)).is_err(), "{refused:?}");
        }
        assert!(check(&numbered(&(1..=501).collect::<Vec<_>>())).is_err());
    }
}
