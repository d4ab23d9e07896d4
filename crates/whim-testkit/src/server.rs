//! HTTP servers of the fakes.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context as _;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{JoinError, JoinSet};
use tower::{Service, ServiceExt as _};

use crate::background::Background;

/// A server; closes its connections on drop.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    _running: Background,
}

/// The error of a service that closes the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub(crate) struct Cut;

impl Server {
    /// Serves on a listener of [`listen_on`]. `on_panic` is called for each connection whose handler panicked.
    pub(crate) fn start<S>(
        name: &'static str,
        listener: TcpListener,
        service: S,
        on_panic: impl Fn(&JoinError) + Send + 'static,
    ) -> anyhow::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response, Future: Send, Error: Error + Send + Sync>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let address = listener.local_addr()?;
        let running = Background::start(name, async move {
            serve(tokio::net::TcpListener::from_std(listener)?, service, on_panic).await;
            Ok(())
        })?;
        Ok(Self {
            address,
            _running: running,
        })
    }

    /// `http://ADDRESS:PORT`
    pub(crate) fn url(&self) -> String {
        url_of(self.address)
    }
}

async fn serve<S>(listener: tokio::net::TcpListener, service: S, on_panic: impl Fn(&JoinError))
where
    S: Service<Request<Incoming>, Response = Response, Future: Send, Error: Error + Send + Sync>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => {
                    connections.spawn(serve_connection(stream, service.clone()));
                }
                Err(error) => tracing::warn!(%error, "a fake could not accept a connection"),
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    on_panic(&error);
                }
            }
        }
    }
}

/// hyper closes the connection when the service fails.
async fn serve_connection<S>(stream: TcpStream, service: S)
where
    S: Service<Request<Incoming>, Response = Response, Error: Error + Send + Sync + 'static> + Clone,
{
    let service = service_fn(|request| service.clone().oneshot(request));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection of a fake ended");
    }
}

/// A listener on a loopback port that the kernel chooses, ready for tokio.
pub(crate) fn listen() -> anyhow::Result<TcpListener> {
    listen_on((Ipv4Addr::LOCALHOST, 0).into())
}

/// A listener, ready for tokio; port 0 means a free one.
pub(crate) fn listen_on(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| format!("listen on {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The URL at which this machine reaches a listener: through loopback if it is bound to every interface.
pub(crate) fn url_of(bound: SocketAddr) -> String {
    let port = bound.port();
    if bound.ip().is_unspecified() {
        format!("http://{}:{port}", Ipv4Addr::LOCALHOST)
    } else {
        format!("http://{bound}")
    }
}
