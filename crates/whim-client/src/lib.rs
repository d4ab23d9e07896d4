//! The orchestrator's HTTP interface as typed calls: one method per route, named like it.
//!
//! [`Client`] speaks for the owner, with the API key; [`WorkerClient`] for one worker, with that worker's own token.
//! A caller decides on [`ClientError::code`], never on text.

mod error;
mod events;
mod http;
mod insight;
mod logs;
mod reviews;
mod status;
mod work;
mod worker;

use secrecy::SecretString;
use url::Url;
use whim_core::{WorkerId, WorkerToken};

pub use self::error::{BuildError, ClientError};
pub use self::events::Received;
pub use self::http::Timing;
pub use self::work::Created;
use crate::http::Http;

/// Calls the routes under `/api` with the owner's API key. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: Http,
}

impl Client {
    /// For the orchestrator at `base_url`; without a key where it asks for none.
    ///
    /// # Errors
    /// The URL cannot take paths, the key cannot stand in a header, or no TLS implementation is installed.
    pub fn new(base_url: Url, api_key: Option<&SecretString>, timing: Timing) -> Result<Self, BuildError> {
        Ok(Self {
            http: Http::new(base_url, api_key, timing)?,
        })
    }

    /// Sends this program's name as the `User-Agent`; the orchestrator recognises the intake by it.
    #[must_use]
    pub fn with_user_agent(self, name: &'static str) -> Self {
        Self {
            http: self.http.with_user_agent(name),
        }
    }
}

/// Calls the worker protocol as one worker. Clones share their connections.
#[derive(Clone, Debug)]
pub struct WorkerClient {
    http: Http,
    worker_id: WorkerId,
}

impl WorkerClient {
    /// For the worker listener at `base_url`.
    ///
    /// # Errors
    /// The URL cannot take paths, the token cannot stand in a header, or no TLS implementation is installed.
    pub fn new(
        base_url: Url,
        worker_id: WorkerId,
        token: &WorkerToken,
        timing: Timing,
    ) -> Result<Self, BuildError> {
        let token = SecretString::from(token.reveal());
        Ok(Self {
            http: Http::new(base_url, Some(&token), timing)?,
            worker_id,
        })
    }

    /// The worker that this client speaks for.
    pub fn worker_id(&self) -> WorkerId {
        self.worker_id
    }
}
