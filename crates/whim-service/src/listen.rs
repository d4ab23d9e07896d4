//! Serves HTTP on one listener.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Layer as _;

/// Serves until `stop`, then finishes the requests in progress. The address of the peer is in the extensions of each
/// request.
///
/// A connection that does not send the complete head of its first or next request within `head_limit` is closed, so that
/// idle clients cannot exhaust connections. `axum::serve` has no such limit.
///
/// # Errors
/// None; the signature is that of a supervised task.
pub async fn serve(
    mut listener: TcpListener,
    routes: Router,
    head_limit: Duration,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_limit);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer): (_, SocketAddr) = tokio::select! {
            () = stop.cancelled() => break,
            Some(_ended) = connections.join_next() => continue,
            // Waits instead of failing while there are too many open files.
            accepted = Listener::accept(&mut listener) => accepted,
        };
        let routes = axum::Extension(ConnectInfo(peer)).layer(routes.clone());
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "a connection ended");
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}
