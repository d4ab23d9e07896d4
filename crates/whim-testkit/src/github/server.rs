//! The listener.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::pipeline::Pipeline;
use crate::background::Background;

/// Binds an address without serving yet.
pub(super) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    tokio::net::TcpListener::bind(address).await?.into_std()
}

/// Serves until the returned value is dropped.
pub(super) fn start(listener: TcpListener, gate: Pipeline) -> anyhow::Result<Background> {
    Background::start("fake-github", async move {
        serve(tokio::net::TcpListener::from_std(listener)?, Arc::new(gate)).await;
        Ok(())
    })
}

async fn serve(listener: tokio::net::TcpListener, gate: Arc<Pipeline>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => {
                    connections.spawn(serve_connection(stream, Arc::clone(&gate)));
                }
                Err(error) => tracing::warn!(%error, "the fake could not accept a connection"),
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    gate.record_panic(&error);
                }
            }
        }
    }
}

/// An error of the service makes hyper close the connection without a response: this implements a cut.
async fn serve_connection(stream: TcpStream, gate: Arc<Pipeline>) {
    let service = service_fn(|request| gate.serve(request));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection of the fake ended");
    }
}
