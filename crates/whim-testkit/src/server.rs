//! HTTP servers of the stand-ins.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context as _;
use axum::Router;

use crate::background::Background;

/// A server on a loopback port of its own; when it drops, its connections end.
#[derive(Debug)]
pub(crate) struct LoopbackServer {
    address: SocketAddr,
    _running: Background,
}

impl LoopbackServer {
    pub(crate) fn start(name: &'static str, router: Router) -> anyhow::Result<Self> {
        let (listener, address) = listen()?;
        let running = Background::start(name, async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            Ok(axum::serve(listener, router).await?)
        })?;
        Ok(Self {
            address,
            _running: running,
        })
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A listener on a loopback port that the kernel chooses, ready for tokio.
pub(crate) fn listen() -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen on a loopback port")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
