//! Compression of what is stored as a whole.

use std::io::{self, Read as _, Write as _};

use serde::Serialize;
use serde::de::DeserializeOwned;
use whim_core::protocol::transcript::TranscriptEntry;
use whim_service::chain::chain;

/// The default of zstd.
const LEVEL: i32 = 3;
/// Limit of a stored value when it is decompressed: more than any that was accepted.
const MAX_STORED_BYTES: u64 = 16 * 1024 * 1024;

/// An entry and its size as JSON.
#[derive(Debug)]
pub(super) struct SizedEntry {
    pub(super) entry: TranscriptEntry,
    pub(super) bytes: usize,
}

/// Entries as lines of JSON, compressed, and their size before.
pub(super) fn pack_entries(entries: &[TranscriptEntry]) -> io::Result<(Vec<u8>, usize)> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    let mut size = 0;
    for entry in entries {
        let line = serde_json::to_vec(entry)?;
        size += line.len();
        encoder.write_all(&line)?;
        encoder.write_all(b"\n")?;
    }
    Ok((encoder.finish()?, size))
}

/// Entries that this release cannot read, for instance of a type that a newer one added, are logged and skipped.
pub(super) fn unpack_entries(packed: &[u8]) -> io::Result<Vec<SizedEntry>> {
    let text = decompressed(packed)?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut entries = Vec::new();
    for line in lines {
        match serde_json::from_slice(line) {
            Ok(entry) => entries.push(SizedEntry {
                entry,
                bytes: line.len(),
            }),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "skipping an entry of a transcript that cannot be decoded");
            }
        }
    }
    Ok(entries)
}

pub(super) fn pack(value: &impl Serialize) -> io::Result<Vec<u8>> {
    zstd::encode_all(serde_json::to_vec(value)?.as_slice(), LEVEL)
}

pub(super) fn unpack<T: DeserializeOwned>(packed: &[u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(&decompressed(packed)?)?)
}

fn decompressed(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    zstd::Decoder::new(packed)?
        .take(MAX_STORED_BYTES)
        .read_to_end(&mut text)?;
    Ok(text)
}
