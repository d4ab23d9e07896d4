//! What is sent to the orchestrator.

use reqwest::Method;
use serde::Serialize;

/// The default of zstd.
const COMPRESSION_LEVEL: i32 = 3;

/// Whether a call may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Always: a second call changes nothing.
    Idempotent,
    /// Only when the request was certainly not sent.
    IfNotSent,
    Never,
}

pub(crate) struct Call {
    pub(super) method: Method,
    /// Segments of the path.
    pub(super) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) is_compressed: bool,
    pub(crate) repeat: Repeat,
}

impl Call {
    pub(crate) fn get<const N: usize>(path: [&str; N]) -> Self {
        Self::get_path(path.map(str::to_owned).into())
    }

    pub(crate) fn get_path(path: Vec<String>) -> Self {
        Self {
            method: Method::GET,
            path,
            query: Vec::new(),
            body: None,
            is_compressed: false,
            repeat: Repeat::Idempotent,
        }
    }

    pub(crate) fn post<const N: usize>(path: [&str; N], body: &impl Serialize, repeat: Repeat) -> Self {
        Self::new(Method::POST, path, to_json(body), repeat)
    }

    pub(crate) fn delete<const N: usize>(path: [&str; N]) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::get(path)
        }
    }

    pub(crate) fn put<const N: usize>(path: [&str; N], body: &impl Serialize) -> Self {
        Self::new(Method::PUT, path, to_json(body), Repeat::Idempotent)
    }

    /// Idempotent, as every `PATCH` of the API sets fields to values.
    pub(crate) fn patch<const N: usize>(path: [&str; N], body: &impl Serialize) -> Self {
        Self::new(Method::PATCH, path, to_json(body), Repeat::Idempotent)
    }

    fn new<const N: usize>(method: Method, path: [&str; N], body: Vec<u8>, repeat: Repeat) -> Self {
        Self {
            method,
            path: path.map(str::to_owned).into(),
            query: Vec::new(),
            body: Some(body),
            is_compressed: false,
            repeat,
        }
    }

    /// With its body compressed; unchanged if that fails.
    pub(crate) fn compressed(self) -> Self {
        match self
            .body
            .as_deref()
            .map(|body| zstd::encode_all(body, COMPRESSION_LEVEL))
        {
            Some(Ok(body)) => Self {
                body: Some(body),
                is_compressed: true,
                ..self
            },
            Some(Err(_)) | None => self,
        }
    }
}

/// Bodies are plain data with string keys, which always serialises. Otherwise the orchestrator would reject the empty
/// body.
fn to_json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}
