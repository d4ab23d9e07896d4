//! Who may use the dashboard: the password, sessions, and the peers behind trusted proxies.

mod attempts;
mod clients;
mod hosts;
mod password;
mod sessions;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use self::attempts::Attempts;
pub(crate) use self::attempts::TooMany;
pub(crate) use self::clients::{Client, TrustedProxies};
pub(crate) use self::hosts::Hosts;
use self::password::Verifier;
pub(crate) use self::password::hash;
pub(crate) use self::sessions::{Session, Sessions};
use crate::config::LoginConfig;

/// The login of a dashboard that demands one.
#[derive(Debug)]
pub(crate) struct Login {
    verifier: Verifier,
    attempts: Attempts,
    pub(crate) sessions: Arc<Sessions>,
}

/// The result of a login.
#[derive(Debug)]
pub(crate) enum Outcome {
    Accepted(Session),
    WrongPassword,
    TooMany(TooMany),
}

impl Login {
    /// # Errors
    /// There are no random numbers, or the password cannot be hashed.
    pub(crate) fn new(config: &LoginConfig) -> anyhow::Result<Self> {
        Ok(Self {
            verifier: Verifier::new(&config.password).context("hashing DASHBOARD_PASSWORD")?,
            attempts: Attempts::default(),
            sessions: Arc::new(Sessions::new(config.session)?),
        })
    }

    /// Every attempt counts before its password is compared, so that attempts at the same time do not evade the limit.
    pub(crate) async fn log_in(&self, peer: IpAddr, password: String) -> Outcome {
        if let Err(too_many) = self.attempts.begin(peer, Instant::now()) {
            return Outcome::TooMany(too_many);
        }
        if !self.verifier.matches(password).await {
            return Outcome::WrongPassword;
        }
        self.attempts.succeeded(peer);
        Outcome::Accepted(self.sessions.start())
    }
}
