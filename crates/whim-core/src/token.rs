//! Workers' tokens.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A worker's token: 256 random bits, one per attempt (`docs/attacks.md`, row 23). The database stores only its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct WorkerToken(String);

impl WorkerToken {
    const BYTES: usize = 32;

    /// A new random token.
    pub fn generate() -> Self {
        let bytes: [u8; Self::BYTES] = rand::random();
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// A token as a caller presents it, to be checked with [`WorkerToken::matches`].
    pub fn presented(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The token itself, for the file that the worker reads.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the token. A plain hash is enough for 256 random bits.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// Whether the hash is this token's. Compares in constant time.
    pub fn matches(&self, hash: &[u8]) -> bool {
        self.hash().as_slice().ct_eq(hash).into()
    }
}

impl fmt::Debug for WorkerToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WorkerToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_its_own_hash_only() {
        let token = WorkerToken::generate();
        assert!(WorkerToken::presented(token.reveal()).matches(&token.hash()));
        assert!(!WorkerToken::generate().matches(&token.hash()));
        assert!(!WorkerToken::presented("").matches(&token.hash()));
        assert!(!token.matches(&[]));
    }

    #[test]
    fn debug_output_does_not_reveal_it() {
        let token = WorkerToken::generate();
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
}
