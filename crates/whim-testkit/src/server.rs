//! HTTP servers of the fakes.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context as _;
use axum::Router;

use crate::background::Background;

/// A server; closes its connections on drop.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    _running: Background,
}

impl Server {
    /// Port 0 selects a free one.
    pub(crate) fn start(name: &'static str, address: SocketAddr, router: Router) -> anyhow::Result<Self> {
        let (listener, address) = listen_on(address)?;
        let running = Background::start(name, async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            Ok(axum::serve(listener, router).await?)
        })?;
        Ok(Self {
            address,
            _running: running,
        })
    }

    /// `http://ADDRESS:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A listener on a loopback port that the kernel chooses, ready for tokio.
pub(crate) fn listen() -> anyhow::Result<(TcpListener, SocketAddr)> {
    listen_on((Ipv4Addr::LOCALHOST, 0).into())
}

fn listen_on(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).with_context(|| format!("listen on {address}"))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
