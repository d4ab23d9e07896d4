//! The orchestrator's HTTP API as typed calls: one method per operation, with its name.
//!
//! [`Client`] authenticates with the API key, [`WorkerClient`] with the token of one worker, [`GatewayClient`] with the key of
//! gateways. Callers decide on
//! [`ClientError::code`], never on the text of an error.

mod costs;
mod error;
mod events;
mod gateway;
mod history;
mod http;
mod intake;
mod learnings;
mod logs;
mod notes;
mod reviews;
mod stats;
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

/// Calls the API. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: Http,
}

impl Client {
    /// For the orchestrator at `base_url`; without a key if the orchestrator requires none.
    ///
    /// # Errors
    /// The URL cannot have paths, the key is not valid in a header, or no TLS implementation is installed.
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

/// Calls the API as a gateway. Clones share their connections.
#[derive(Clone, Debug)]
pub struct GatewayClient {
    http: Http,
}

impl GatewayClient {
    /// For the orchestrator at `base_url`.
    ///
    /// # Errors
    /// The URL cannot have paths, the key is not valid in a header, or no TLS implementation is installed.
    pub fn new(base_url: Url, key: &SecretString, timing: Timing) -> Result<Self, BuildError> {
        Ok(Self {
            http: Http::new(base_url, Some(key), timing)?,
        })
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
    /// The URL cannot have paths, the token is not valid in a header, or no TLS implementation is installed.
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

    pub fn worker_id(&self) -> WorkerId {
        self.worker_id
    }
}
