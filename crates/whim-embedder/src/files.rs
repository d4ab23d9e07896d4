//! The files of the model, pinned by size and SHA-256.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

/// One file of the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pin {
    pub(crate) name: &'static str,
    sha256: &'static str,
}

pub(crate) const WEIGHTS: Pin = Pin {
    name: "model.safetensors",
    sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
};
pub(crate) const TOKENIZER: Pin = Pin {
    name: "tokenizer.json",
    sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
};
pub(crate) const CONFIG: Pin = Pin {
    name: "config.json",
    sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
};

impl Pin {
    /// The content of the file.
    ///
    /// # Errors
    /// The file is missing, unreadable or another one.
    pub(crate) fn read(self, directory: &Path) -> anyhow::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.open(directory)?
            .read_to_end(&mut content)
            .with_context(|| format!("reading {}", self.name))?;
        self.compare(&Sha256::digest(&content))?;
        Ok(content)
    }

    pub(crate) fn open(self, directory: &Path) -> anyhow::Result<File> {
        let path = directory.join(self.name);
        File::open(&path).with_context(|| {
            format!(
                "opening {}: ./scripts/setup.sh fetches the embedding model",
                path.display()
            )
        })
    }

    /// # Errors
    /// The sum is not the pinned one.
    pub(crate) fn compare(self, digest: &[u8]) -> anyhow::Result<()> {
        let mut found = String::with_capacity(64);
        for byte in digest {
            write!(found, "{byte:02x}")?;
        }
        if found != self.sha256 {
            bail!(
                "{} has the SHA-256 {found} instead of {}: remove it and run ./scripts/setup.sh again",
                self.name,
                self.sha256
            );
        }
        Ok(())
    }
}

/// Computes the sum of what is read.
pub(crate) struct Hashing<R> {
    inner: R,
    digest: Sha256,
}

impl<R: Read> Hashing<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            digest: Sha256::new(),
        }
    }

    /// Reads what is left, and returns the sum of everything.
    pub(crate) fn finish(mut self) -> io::Result<Vec<u8>> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.digest.finalize().to_vec())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}
