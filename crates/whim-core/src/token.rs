//! Tokens of attempts: a worker's own, and those for the gateway.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// A token of an attempt, the worker's own or one for the gateway: 256 random bits (`docs/attacks.md`, row 23). The database stores only its hash.
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

/// SHA-256 of a token, by which the orchestrator finds it. In JSON, 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
#[serde(try_from = "String", into = "String")]
pub struct TokenHash([u8; 32]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected 64 lower-case hexadecimal digits")]
pub struct InvalidTokenHash;

impl TokenHash {
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for TokenHash {
    type Err = InvalidTokenHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(InvalidTokenHash),
        };
        let mut hash = [0; 32];
        let pairs = text.as_bytes().chunks_exact(2);
        if text.len() != 2 * hash.len() {
            return Err(InvalidTokenHash);
        }
        for (byte, pair) in hash.iter_mut().zip(pairs) {
            let [high, low] = *pair else {
                return Err(InvalidTokenHash);
            };
            *byte = 16 * digit(high)? + digit(low)?;
        }
        Ok(Self(hash))
    }
}

impl TryFrom<String> for TokenHash {
    type Error = InvalidTokenHash;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenHash({self})")
    }
}

impl From<TokenHash> for String {
    fn from(hash: TokenHash) -> Self {
        hash.to_string()
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

    #[test]
    fn a_hash_is_written_and_read_as_hexadecimal_digits() {
        let hash = TokenHash::of("abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.parse(), Ok(hash));
        for wrong in [
            "",
            &text[1..],
            &text.to_uppercase(),
            &text.replace("ba", "+a"),
            &text.replace("ba", "é"),
        ] {
            assert_eq!(wrong.parse::<TokenHash>(), Err(InvalidTokenHash), "{wrong}");
        }
    }
}
