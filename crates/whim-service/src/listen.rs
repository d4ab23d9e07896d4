//! Serves HTTP on one listener.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Layer as _;

/// Serves until `stop`, then finishes the requests in progress. The address of the peer is in the extensions of each
/// request. A connection that is upgraded is no longer served here.
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
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer): (_, SocketAddr) = tokio::select! {
            () = stop.cancelled() => break,
            Some(_ended) = connections.join_next() => continue,
            // Waits instead of failing while there are too many open files.
            accepted = Listener::accept(&mut listener) => accepted,
        };
        let routes = axum::Extension(ConnectInfo(peer)).layer(routes.clone());
        let service = TowerToHyperService::new(routes);
        let connection = http
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let stop = stop.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "a connection ended");
            }
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}
