//! What the handlers share.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use whim_service::throttle::Throttle;

use crate::access::{Hosts, Login, TrustedProxies};
use crate::assets::Assets;
use crate::config::Config;
use crate::upstream::Upstream;

/// Further reports of a client within the window are counted, but not logged.
const CSP_LOG_WINDOW: Duration = Duration::from_mins(10);

/// Clones share the state.
#[derive(Clone, Debug)]
pub(crate) struct Dashboard(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) assets: Assets,
    pub(super) hosts: Hosts,
    pub(super) proxies: TrustedProxies,
    /// `None` if no login is demanded.
    pub(super) login: Option<Login>,
    pub(super) upstream: Upstream,
    /// Cancelled when event streams have to end.
    pub(super) closing: CancellationToken,
    /// Limits the log lines about reports of browsers.
    pub(super) logged_reports: RwLock<Throttle>,
}

impl Deref for Dashboard {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Dashboard {
    /// # Errors
    /// The HTTP client or the login cannot be set up.
    pub(crate) fn new(
        config: &Config,
        bind: IpAddr,
        assets: Assets,
        closing: CancellationToken,
    ) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Shared {
            assets,
            hosts: Hosts::new(config.hosts.clone(), bind),
            proxies: TrustedProxies::new(config.trusted_proxies.clone()),
            login: config.login.as_ref().map(Login::new).transpose()?,
            upstream: Upstream::new(&config.orchestrator)?,
            closing,
            logged_reports: RwLock::new(Throttle::new(CSP_LOG_WINDOW)),
        })))
    }
}
