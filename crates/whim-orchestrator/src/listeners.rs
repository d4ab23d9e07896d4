//! The sockets of the orchestrator.

use std::net::SocketAddr;

use anyhow::Context as _;
use serde::Serialize;
use tokio::net::TcpListener;
use url::Url;

use crate::config::ApiConfig;

/// The sockets, bound before anything else is started.
#[derive(Debug)]
pub struct Listeners {
    pub(crate) api: TcpListener,
    pub(crate) worker: TcpListener,
    pub(crate) admin: Option<TcpListener>,
}

impl Listeners {
    /// Binds all addresses.
    ///
    /// # Errors
    /// An address is in use or not one of this machine; the error names the setting.
    pub async fn bind(config: &ApiConfig) -> anyhow::Result<Self> {
        let bind = async |address: SocketAddr, setting: &str| {
            TcpListener::bind(address)
                .await
                .with_context(|| format!("listening on {address} ({setting})"))
        };
        Ok(Self {
            api: bind(config.address, "BIND_ADDRESS and PORT").await?,
            worker: bind(config.worker_address, "WORKER_BIND_ADDRESS and WORKER_PORT").await?,
            admin: match config.admin_address {
                Some(address) => Some(bind(address, "ADMIN_PORT").await?),
                None => None,
            },
        })
    }

    /// The URLs of the two APIs.
    ///
    /// # Errors
    /// The operating system does not return the address of a socket.
    pub fn addresses(&self) -> anyhow::Result<Addresses> {
        let url = |listener: &TcpListener| -> anyhow::Result<Url> {
            let address = reachable(listener.local_addr()?);
            Ok(Url::parse(&format!("http://{address}"))?)
        };
        Ok(Addresses {
            api: url(&self.api).context("reading the address of the API listener")?,
            worker_api: url(&self.worker).context("reading the address of the worker listener")?,
        })
    }
}

/// The URLs of the two APIs; written to the file of `--ready-file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    pub api: Url,
    pub worker_api: Url,
}

impl Serialize for Addresses {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Without the trailing slash: paths are appended to these.
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Bases<'a> {
            api: &'a str,
            worker_api: &'a str,
        }
        Bases {
            api: self.api.as_str().trim_end_matches('/'),
            worker_api: self.worker_api.as_str().trim_end_matches('/'),
        }
        .serialize(serializer)
    }
}

/// The address at which this machine reaches a listener: loopback for one on all addresses.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), v4.port())
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), v6.port())
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => address,
    }
}
