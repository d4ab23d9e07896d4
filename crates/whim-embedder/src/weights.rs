//! Reads a safetensors file tensor by tensor, so that the weights are in memory once.

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, bail};
use candle_core::{Device, Tensor};
use serde::Deserialize;

use crate::files::{Hashing, WEIGHTS};

/// The header of the pinned file has 10 kB.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// Bytes per read; a multiple of the size of an `f32`.
const CHUNK_BYTES: usize = 1 << 16;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// The 32-bit tensors of the pinned file, by name.
pub(crate) fn load(directory: &Path) -> anyhow::Result<HashMap<String, Tensor>> {
    let file = WEIGHTS.open(directory)?;
    let mut reader = Hashing::new(BufReader::with_capacity(CHUNK_BYTES, file));
    let tensors = tensors(&mut reader).with_context(|| format!("reading {}", WEIGHTS.name))?;
    WEIGHTS.compare(&reader.finish()?)?;
    Ok(tensors)
}

fn tensors(reader: &mut impl Read) -> anyhow::Result<HashMap<String, Tensor>> {
    let mut entries = header(reader)?;
    entries.sort_by_key(|(_, entry)| entry.data_offsets.0);
    let mut tensors = HashMap::with_capacity(entries.len());
    let mut position = 0;
    for (name, entry) in entries {
        let (start, end) = entry.data_offsets;
        if start != position || end < start {
            bail!("tensor {name} is at {start}..{end} instead of {position}");
        }
        position = end;
        if entry.dtype == "F32" {
            let numbers = read_numbers(reader, end - start)?;
            tensors.insert(name, Tensor::from_vec(numbers, entry.shape, &Device::Cpu)?);
        } else {
            // Positions as integers, which the model counts itself.
            std::io::copy(&mut reader.take((end - start) as u64), &mut std::io::sink())?;
        }
    }
    Ok(tensors)
}

fn header(reader: &mut impl Read) -> anyhow::Result<Vec<(String, Entry)>> {
    let mut length = [0; 8];
    reader.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        bail!("the header has {length} bytes");
    }
    let mut header = Vec::new();
    reader.take(length).read_to_end(&mut header)?;
    let header: HashMap<String, serde_json::Value> = serde_json::from_slice(&header)?;
    header
        .into_iter()
        .filter(|(name, _)| name != "__metadata__")
        .map(|(name, entry)| Ok((name, serde_json::from_value(entry)?)))
        .collect()
}

fn read_numbers(reader: &mut impl Read, mut bytes: usize) -> anyhow::Result<Vec<f32>> {
    let mut numbers = Vec::with_capacity(bytes / 4);
    let mut chunk = [0; CHUNK_BYTES];
    while bytes > 0 {
        let part = &mut chunk[..bytes.min(CHUNK_BYTES)];
        reader.read_exact(part)?;
        let (words, _) = part.as_chunks::<4>();
        numbers.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
        bytes -= part.len();
    }
    Ok(numbers)
}
