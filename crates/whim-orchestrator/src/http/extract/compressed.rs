//! JSON bodies that may be compressed.

use std::io::{self, Read as _};

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use serde::de::DeserializeOwned;

use super::{ApiError, is_json, parse, read};

/// Limit of a body after it was decompressed.
const MAX_DECOMPRESSED_BYTES: u64 = 6 * 1024 * 1024;
/// Memory that a decompressor needs is a power of two: 8 MiB, the largest window of zstd's usual levels.
const MAX_WINDOW_LOG: u32 = 23;

/// A JSON body, compressed with zstd if the header `Content-Encoding` says so.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct CompressedJson<T>(pub(in super::super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for CompressedJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::unsupported_content_type());
        }
        let is_compressed = is_compressed(request.headers())?;
        let body = read(request, state).await?;
        if !is_compressed {
            return parse(&body).map(Self);
        }
        let body = decompressed(&body).map_err(|error| {
            ApiError::malformed(format!("the body cannot be decompressed with zstd: {error}"))
        })?;
        if body.len() as u64 > MAX_DECOMPRESSED_BYTES {
            return Err(ApiError::too_large(MAX_DECOMPRESSED_BYTES as usize));
        }
        parse(&body).map(Self)
    }
}

fn is_compressed(headers: &HeaderMap) -> Result<bool, ApiError> {
    match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None | Some(b"identity") => Ok(false),
        Some(b"zstd") => Ok(true),
        Some(_other) => Err(ApiError::unsupported_content_encoding()),
    }
}

/// At most one byte more than the limit.
fn decompressed(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::Decoder::new(body)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    let mut text = Vec::new();
    decoder.take(MAX_DECOMPRESSED_BYTES + 1).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_body_that_expands_without_end_is_read_up_to_the_limit() {
        let bomb = zstd::encode_all(io::repeat(b' ').take(1 << 30), 1).unwrap();
        assert!(bomb.len() < 200_000, "{}", bomb.len());
        assert_eq!(
            decompressed(&bomb).unwrap().len() as u64,
            MAX_DECOMPRESSED_BYTES + 1
        );
    }

    #[test]
    fn a_body_that_is_cut_or_is_something_else_is_refused() {
        let whole = zstd::encode_all(&b"{}"[..], 3).unwrap();
        assert_eq!(decompressed(&whole).unwrap(), b"{}");
        assert!(decompressed(&whole[..whole.len() - 1]).is_err());
        assert!(decompressed(b"{}").is_err());
    }
}
