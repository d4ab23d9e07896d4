//! Reads the commits of a pack as it passes, to find out whether a push is a fast-forward
//! (<https://git-scm.com/docs/gitformat-pack>).

mod delta;

use std::collections::{HashMap, HashSet};

use flate2::{Decompress, FlushDecompress, Status};
use sha1::{Digest as _, Sha1};
use whim_core::CommitHash;

/// Longer commits are not read; git's own are some hundred bytes.
const MAX_COMMIT_BYTES: u64 = 256 * 1024;
/// Of all commits of a pack.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;
/// Of all objects of a pack, uncompressed: a bomb ends here.
const MAX_INFLATED_BYTES: u64 = 16 * 1024 * 1024 * 1024;
const INFLATE_BUFFER: usize = 32 * 1024;

const HEADER_BYTES: usize = 12;
const HASH_BYTES: usize = 20;

type Hash = [u8; HASH_BYTES];

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pack is damaged: {0}")]
pub(super) struct InvalidPack(&'static str);

/// Fed with the bytes of a pack, cut anywhere.
#[derive(Debug)]
pub(super) struct PackScanner {
    state: State,
    /// Bytes before the current ones.
    position: u64,
    objects_left: u32,
    inflated: u64,
    /// A commit that was read, with its parents.
    parents: HashMap<Hash, Vec<Hash>>,
    /// Commits by the position of their object, for deltas.
    by_position: HashMap<u64, Vec<u8>>,
    kept_bytes: usize,
}

#[derive(Debug)]
enum State {
    /// The pack's or an object's header, so far.
    PackHeader(Vec<u8>),
    ObjectHeader {
        begin: u64,
        bytes: Vec<u8>,
    },
    Content(Box<Content>),
    /// The checksum at the end, which the receiver checks: the bytes of it that are missing.
    Trailer(usize),
}

#[derive(Debug)]
struct Content {
    begin: u64,
    /// `None` if the object is not read.
    reading: Option<Reading>,
    size: u64,
    length: u64,
    kept: Vec<u8>,
    inflate: Decompress,
}

#[derive(Clone, Debug)]
enum Reading {
    Commit,
    /// A delta to a commit at this position.
    Delta(u64),
}

#[derive(Debug, PartialEq, Eq)]
struct ObjectHeader {
    kind: u8,
    /// Uncompressed, of the object or of the delta.
    size: u64,
    base: Base,
}

#[derive(Debug, PartialEq, Eq)]
enum Base {
    None,
    /// Bytes before the object.
    Offset(u64),
    Hash(Hash),
}

const COMMIT: u8 = 1;
const OFFSET_DELTA: u8 = 6;
const HASH_DELTA: u8 = 7;

impl PackScanner {
    pub(super) fn new() -> Self {
        Self {
            state: State::PackHeader(Vec::new()),
            position: 0,
            objects_left: 0,
            inflated: 0,
            parents: HashMap::new(),
            by_position: HashMap::new(),
            kept_bytes: 0,
        }
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// This is no pack.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), InvalidPack> {
        while let Some((&byte, after)) = bytes.split_first() {
            match &mut self.state {
                State::Trailer(0) => return Err(InvalidPack("something follows it")),
                State::Trailer(missing) => {
                    let length = bytes.len().min(*missing);
                    *missing -= length;
                    bytes = bytes.get(length..).unwrap_or_default();
                }
                State::PackHeader(header) => {
                    header.push(byte);
                    if header.len() == HEADER_BYTES {
                        self.objects_left = objects_of(header)?;
                        self.position = HEADER_BYTES as u64;
                        self.next_object();
                    }
                    bytes = after;
                }
                State::ObjectHeader { begin, bytes: header } => {
                    header.push(byte);
                    self.position += 1;
                    if let Some(parsed) = ObjectHeader::parse(header)? {
                        let begin = *begin;
                        let content = self.content(begin, &parsed);
                        self.state = State::Content(Box::new(content));
                    }
                    bytes = after;
                }
                State::Content(content) => {
                    let inflated = content.length;
                    let (used, is_complete) = content.inflate(bytes)?;
                    self.inflated += content.length - inflated;
                    if self.inflated > MAX_INFLATED_BYTES {
                        return Err(InvalidPack("its objects are too large"));
                    }
                    self.position += used as u64;
                    bytes = bytes.get(used..).unwrap_or_default();
                    if is_complete {
                        self.end_object();
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the pack.
    ///
    /// # Errors
    /// It is not complete.
    pub(super) fn end(&self) -> Result<(), InvalidPack> {
        match self.state {
            State::Trailer(0) => Ok(()),
            State::PackHeader(_) | State::ObjectHeader { .. } | State::Content(_) | State::Trailer(_) => {
                Err(InvalidPack("it ends too early"))
            }
        }
    }

    /// Whether `new` descends from `old` by commits of the pack.
    pub(super) fn proves_descent(&self, new: &CommitHash, old: &CommitHash) -> bool {
        let (Some(new), Some(old)) = (bytes_of(new), bytes_of(old)) else {
            return false;
        };
        let mut seen = HashSet::from([new]);
        let mut open = vec![new];
        while let Some(commit) = open.pop() {
            if commit == old {
                return true;
            }
            let parents = self.parents.get(&commit).map(Vec::as_slice).unwrap_or_default();
            open.extend(parents.iter().filter(|parent| seen.insert(**parent)));
        }
        false
    }

    fn next_object(&mut self) {
        self.state = match self.objects_left.checked_sub(1) {
            Some(left) => {
                self.objects_left = left;
                State::ObjectHeader {
                    begin: self.position,
                    bytes: Vec::new(),
                }
            }
            None => State::Trailer(HASH_BYTES),
        };
    }

    fn content(&self, begin: u64, header: &ObjectHeader) -> Content {
        let base = match (header.kind, &header.base) {
            (OFFSET_DELTA, Base::Offset(offset)) => begin.checked_sub(*offset),
            (HASH_DELTA, Base::Hash(hash)) => self.position_of(hash),
            _ => None,
        };
        let reading = match header.kind {
            COMMIT => Some(Reading::Commit),
            _ => base
                .filter(|base| self.by_position.contains_key(base))
                .map(Reading::Delta),
        };
        let has_room = header.size <= MAX_COMMIT_BYTES && self.kept_bytes < MAX_KEPT_BYTES;
        Content {
            begin,
            reading: reading.filter(|_| has_room),
            size: header.size,
            length: 0,
            kept: Vec::new(),
            inflate: Decompress::new(true),
        }
    }

    /// Rare: git refers to bases of the same pack by their position.
    fn position_of(&self, hash: &Hash) -> Option<u64> {
        let found = self
            .by_position
            .iter()
            .find(|(_, commit)| hash_of(commit) == *hash);
        found.map(|(position, _)| *position)
    }

    fn end_object(&mut self) {
        let begin = self.position;
        let state = State::ObjectHeader {
            begin,
            bytes: Vec::new(),
        };
        if let State::Content(content) = std::mem::replace(&mut self.state, state) {
            let Content {
                begin, reading, kept, ..
            } = *content;
            let commit = match reading {
                Some(Reading::Commit) => Some(kept),
                Some(Reading::Delta(base)) => self
                    .by_position
                    .get(&base)
                    .and_then(|base| delta::apply(base, &kept, MAX_COMMIT_BYTES)),
                None => None,
            };
            if let Some(commit) = commit {
                self.kept_bytes += commit.len();
                self.parents.insert(hash_of(&commit), parents_of(&commit));
                self.by_position.insert(begin, commit);
            }
        }
        self.next_object();
    }
}

impl Content {
    /// Inflates what it can: the bytes that were used, and whether the object is complete.
    fn inflate(&mut self, bytes: &[u8]) -> Result<(usize, bool), InvalidPack> {
        let mut buffer = [0; INFLATE_BUFFER];
        let mut used = 0;
        loop {
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let input = bytes.get(used..).unwrap_or_default();
            let status = self
                .inflate
                .decompress(input, &mut buffer, FlushDecompress::None)
                .map_err(|_| InvalidPack("an object cannot be decompressed"))?;
            let consumed = usize::try_from(self.inflate.total_in() - before_in).unwrap_or(usize::MAX);
            let produced = usize::try_from(self.inflate.total_out() - before_out).unwrap_or(usize::MAX);
            used += consumed;
            self.length += produced as u64;
            if self.length > self.size {
                return Err(InvalidPack("an object is larger than it says"));
            }
            if self.reading.is_some() {
                self.kept
                    .extend_from_slice(buffer.get(..produced).unwrap_or_default());
            }
            if status == Status::StreamEnd {
                if self.length != self.size {
                    return Err(InvalidPack("an object is smaller than it says"));
                }
                return Ok((used, true));
            }
            if consumed == 0 && produced == 0 {
                return if used < bytes.len() {
                    Err(InvalidPack("an object cannot be decompressed"))
                } else {
                    Ok((used, false))
                };
            }
        }
    }
}

impl ObjectHeader {
    /// `None` if it is not complete yet.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, InvalidPack> {
        /// Of a number: more do not fit into 64 bits.
        const MAX_NUMBER_BYTES: usize = 9;
        let Some(size_end) = bytes.iter().position(|byte| byte & 0x80 == 0) else {
            return if bytes.len() > MAX_NUMBER_BYTES {
                Err(InvalidPack("the size of an object is too large"))
            } else {
                Ok(None)
            };
        };
        let (number, base) = bytes.split_at(size_end + 1);
        let Some((&first, more)) = number.split_first() else {
            return Ok(None);
        };
        let kind = (first >> 4) & 7;
        let mut size = u64::from(first & 0x0f);
        for (index, byte) in more.iter().enumerate() {
            size |= u64::from(byte & 0x7f) << (4 + 7 * index);
        }
        let base = match kind {
            1..=4 => Base::None,
            OFFSET_DELTA => match offset(base, MAX_NUMBER_BYTES)? {
                Some(offset) => Base::Offset(offset),
                None => return Ok(None),
            },
            HASH_DELTA => match <Hash>::try_from(base) {
                Ok(hash) => Base::Hash(hash),
                Err(_) => return Ok(None),
            },
            _ => return Err(InvalidPack("an object has an unknown type")),
        };
        Ok(Some(Self { kind, size, base }))
    }
}

/// The distance to the base of a delta.
fn offset(bytes: &[u8], max_bytes: usize) -> Result<Option<u64>, InvalidPack> {
    let Some(end) = bytes.iter().position(|byte| byte & 0x80 == 0) else {
        return if bytes.len() > max_bytes {
            Err(InvalidPack("the base of a delta is too far away"))
        } else {
            Ok(None)
        };
    };
    let mut offset = 0u64;
    for (index, byte) in bytes.iter().take(end + 1).enumerate() {
        if index > 0 {
            offset += 1;
        }
        offset = (offset << 7) | u64::from(byte & 0x7f);
    }
    Ok(Some(offset))
}

fn objects_of(header: &[u8]) -> Result<u32, InvalidPack> {
    let [b'P', b'A', b'C', b'K', 0, 0, 0, 2, a, b, c, d] = *header else {
        return Err(InvalidPack("expected a pack of version 2"));
    };
    Ok(u32::from_be_bytes([a, b, c, d]))
}

fn hash_of(commit: &[u8]) -> Hash {
    let mut sha1 = Sha1::new();
    sha1.update(format!("commit {}\0", commit.len()));
    sha1.update(commit);
    sha1.finalize().into()
}

/// `tree`, then any number of `parent`.
fn parents_of(commit: &[u8]) -> Vec<Hash> {
    let lines = commit.split(|byte| *byte == b'\n').skip(1);
    lines
        .map_while(|line| {
            let hash = line.strip_prefix(b"parent ")?;
            bytes_of(&CommitHash::parse(std::str::from_utf8(hash).ok()?).ok()?)
        })
        .collect()
}

/// `None` for a SHA-256.
fn bytes_of(hash: &CommitHash) -> Option<Hash> {
    let digits = hash.as_str().as_bytes();
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = [0; HASH_BYTES];
    if digits.len() != 2 * HASH_BYTES {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = *pair else { return None };
        *byte = u8::try_from(16 * digit(high)? + digit(low)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
