//! What the orchestrator answers.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use whim_core::protocol::ErrorBody;

use crate::error::{ClientError, unreachable};

/// Limit of a response body. A page of items is much smaller.
const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

const MAX_SNIPPET_CHARACTERS: usize = 200;

/// A complete response of any status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    body: Vec<u8>,
}

impl Answer {
    /// The body as text; invalid UTF-8 is replaced.
    pub(crate) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| self.unexpected(&error.to_string()))
    }

    pub(super) fn into_error(self) -> ClientError {
        match serde_json::from_slice(&self.body) {
            Ok(body) => ClientError::Refused {
                status: self.status.as_u16(),
                body: Box::<ErrorBody>::new(body),
            },
            Err(_) => self.unexpected("no error body"),
        }
    }

    fn unexpected(&self, what: &str) -> ClientError {
        let text = String::from_utf8_lossy(&self.body);
        let beginning: String = text
            .chars()
            .take(MAX_SNIPPET_CHARACTERS)
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        ClientError::Unexpected {
            status: self.status.as_u16(),
            snippet: format!("{what}: {beginning:?}"),
        }
    }
}

pub(super) async fn read(mut response: Response) -> Result<Answer, ClientError> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            let snippet = format!("larger than {MAX_RESPONSE_BYTES} bytes");
            return Err(ClientError::Unexpected {
                status: status.as_u16(),
                snippet,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response
        .headers()
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}
