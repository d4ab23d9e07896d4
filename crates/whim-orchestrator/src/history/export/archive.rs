//! A tar archive, compressed with zstd and sent in chunks.

use std::io::{self, Write as _};

use axum::body::Bytes;
use chrono::Utc;
use serde::Serialize;
use tokio::sync::mpsc;

/// The default of zstd.
const LEVEL: i32 = 3;
const BLOCK_BYTES: usize = 512;
/// A chunk is sent when it has at least this size.
const CHUNK_BYTES: usize = 64 * 1024;

pub(super) struct Archive {
    encoder: zstd::Encoder<'static, Vec<u8>>,
    chunks: mpsc::Sender<Bytes>,
    created_at: u64,
}

impl Archive {
    pub(super) fn new(chunks: mpsc::Sender<Bytes>) -> io::Result<Self> {
        let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
        // Reveals an archive that was damaged or cut.
        encoder.include_checksum(true)?;
        Ok(Self {
            encoder,
            chunks,
            created_at: u64::try_from(Utc::now().timestamp()).unwrap_or_default(),
        })
    }

    pub(super) async fn json(&mut self, path: &str, value: &(impl Serialize + Sync)) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        self.file(path, &text).await
    }

    /// One JSON object per line; no file without values.
    pub(super) async fn lines<T: Serialize>(
        &mut self,
        path: &str,
        values: impl IntoIterator<Item = T>,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        for value in values {
            serde_json::to_writer(&mut text, &value)?;
            text.push(b'\n');
        }
        if text.is_empty() {
            return Ok(());
        }
        self.file(path, &text).await
    }

    /// # Errors
    /// The reader is gone.
    pub(super) async fn file(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_path(path)?;
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(self.created_at);
        header.set_cksum();
        self.encoder.write_all(header.as_bytes())?;
        self.encoder.write_all(content)?;
        let padding = content.len().next_multiple_of(BLOCK_BYTES) - content.len();
        self.encoder.write_all(&[0; BLOCK_BYTES][..padding])?;
        if self.encoder.get_ref().len() >= CHUNK_BYTES {
            let chunk = std::mem::take(self.encoder.get_mut());
            send(&self.chunks, chunk).await?;
        }
        Ok(())
    }

    /// Without this end, the archive is recognised as incomplete.
    pub(super) async fn finish(mut self) -> io::Result<()> {
        self.encoder.write_all(&[0; 2 * BLOCK_BYTES])?;
        let chunk = self.encoder.finish()?;
        send(&self.chunks, chunk).await
    }
}

async fn send(chunks: &mpsc::Sender<Bytes>, chunk: Vec<u8>) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    chunks.send(chunk.into()).await.map_err(gone)
}
