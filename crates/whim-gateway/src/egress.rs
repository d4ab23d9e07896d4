//! The proxy: `CONNECT` to hosts of an allow-list. Names are resolved once, and the tunnel leads to the address that was
//! checked.

mod address;
mod resolver;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::address::may_be_reached;
pub use self::resolver::{Resolve, SystemResolver};
use crate::attempts::{Attempt, Attempts, TunnelPermit};
use crate::config::{EgressConfig, EgressPolicy};
use crate::credential;
use crate::hosts::{AllowedHost, InvalidTarget, Target};
use crate::metrics::{self, OpenTunnel, Part};
use crate::refusal::Refusal;

const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Egress {
    allowed: Vec<AllowedHost>,
    is_open: bool,
    private_networks: Vec<IpNet>,
    attempts: Arc<Attempts>,
    resolver: Arc<dyn Resolve>,
    tunnels: TaskTracker,
    stop: CancellationToken,
}

impl Egress {
    pub(crate) fn new(
        config: &EgressConfig,
        attempts: Arc<Attempts>,
        resolver: Arc<dyn Resolve>,
        stop: CancellationToken,
    ) -> Self {
        let mut allowed = config.allowed.clone();
        if config.policy == EgressPolicy::Registries {
            allowed.extend(AllowedHost::registries());
        }
        Self {
            allowed,
            is_open: config.policy == EgressPolicy::Open,
            private_networks: config.private_networks.clone(),
            attempts,
            resolver,
            tunnels: TaskTracker::new(),
            stop,
        }
    }

    /// Owns the tunnels: ends when they have, after a stop.
    ///
    /// # Errors
    /// None; the signature is that of a supervised task.
    pub(crate) async fn run(self: Arc<Self>) -> anyhow::Result<()> {
        self.stop.cancelled().await;
        self.tunnels.close();
        self.tunnels.wait().await;
        Ok(())
    }

    /// Answers `CONNECT`.
    pub(crate) async fn connect(self: &Arc<Self>, request: Request) -> Response {
        let asked = request.uri().to_string();
        let token = credential::of_proxy_client(request.headers());
        let attempt = match self.attempts.find_any(token.as_deref()).await {
            Ok(attempt) => attempt,
            Err(denied) => {
                let mut refusal = Refusal::from(denied);
                if refusal.status == StatusCode::UNAUTHORIZED {
                    refusal.status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
                }
                // Clients send their first request without credentials.
                if refusal.reason != "no_token" {
                    refusal.record(Part::Proxy, None, &asked);
                }
                return refusal.into_text();
            }
        };
        match self.open(&asked, &attempt).await {
            Ok((target, server, permit)) => {
                self.start_tunnel(Tunnel {
                    client: hyper::upgrade::on(request),
                    server,
                    target,
                    attempt,
                    attempts: Arc::clone(&self.attempts),
                    _permit: permit,
                });
                Response::new(Body::empty())
            }
            Err(refusal) => {
                refusal.record(Part::Proxy, Some(&attempt), &asked);
                refusal.into_text()
            }
        }
    }

    /// A connection to the target, if it may be reached.
    async fn open(
        &self,
        asked: &str,
        attempt: &Attempt,
    ) -> Result<(Target, TcpStream, TunnelPermit), Refusal> {
        let target = Target::parse(asked).map_err(|invalid| {
            let reason = match invalid {
                InvalidTarget::Address => "ip_address",
                InvalidTarget::Form | InvalidTarget::Name => "invalid_request",
            };
            Refusal::forbidden(reason, format!("CONNECT {asked}: {invalid}"))
        })?;
        if !self.is_open && !self.allowed.iter().any(|allowed| allowed.matches(&target)) {
            return Err(Refusal::forbidden(
                "not_allowed",
                format!(
                    "{target} is not allowed; the operator can allow it with EGRESS_ALLOW={}",
                    setting(&target)
                ),
            ));
        }
        let permit = attempt.state.open_tunnel().ok_or_else(|| {
            let message = "the attempt has too many connections open: close some and try again";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tunnels", message)
        })?;
        let addresses = self.resolve(&target).await?;
        let server = connect(&target, &addresses).await?;
        Ok((target, server, permit))
    }

    /// The addresses of a host. If one of them must not be reached, none is: a name that leads to the inside is not used.
    async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, Refusal> {
        let lookup = self.resolver.resolve(target.host.as_str().to_owned());
        let addresses = timeout(RESOLVE_TIMEOUT, lookup)
            .await
            .unwrap_or_else(|_elapsed| Err(io::Error::from(io::ErrorKind::TimedOut)))
            .map_err(|error| {
                Refusal::upstream(format!("the name {} cannot be resolved: {error}", target.host))
            })?;
        if addresses.is_empty() {
            return Err(Refusal::upstream(format!(
                "the name {} has no address",
                target.host
            )));
        }
        if let Some(address) = addresses
            .iter()
            .find(|address| !may_be_reached(**address, &self.private_networks))
        {
            return Err(Refusal::forbidden(
                "private_address",
                format!(
                    "{} leads to {address}, which is not public; the operator can allow a network with \
                     EGRESS_PRIVATE_NETWORKS",
                    target.host
                ),
            ));
        }
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, target.port))
            .collect())
    }

    fn start_tunnel(&self, tunnel: Tunnel) {
        let stop = self.stop.clone();
        self.tunnels.spawn(async move {
            stop.run_until_cancelled(tunnel.run()).await;
        });
    }
}

async fn connect(target: &Target, addresses: &[SocketAddr]) -> Result<TcpStream, Refusal> {
    let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(addresses)).await;
    let connected = connected.unwrap_or_else(|_elapsed| Err(io::Error::from(io::ErrorKind::TimedOut)));
    connected.map_err(|error| Refusal::upstream(format!("{target} cannot be reached: {error}")))
}

/// The target as a value of `EGRESS_ALLOW`.
fn setting(target: &Target) -> String {
    match target.port {
        443 => target.host.to_string(),
        _ => target.to_string(),
    }
}

/// A connection that was accepted and opened.
struct Tunnel {
    client: OnUpgrade,
    server: TcpStream,
    target: Target,
    attempt: Attempt,
    attempts: Arc<Attempts>,
    _permit: TunnelPermit,
}

impl Tunnel {
    /// Copies bytes in both directions until both sides close, or the attempt ends.
    async fn run(self) {
        let Self {
            client,
            mut server,
            target,
            attempt,
            attempts,
            _permit,
        } = self;
        let client = match client.await {
            Ok(client) => client,
            Err(error) => {
                tracing::debug!(%target, %error, "a client of the proxy went away");
                return;
            }
        };
        let _open = OpenTunnel::new();
        let (work_item_id, worker_id) = (attempt.grant.work_item_id, attempt.grant.worker_id);
        tracing::info!(target: "audit", %work_item_id, %worker_id, to = %target, "opened a tunnel");
        let mut client = TokioIo::new(client);
        tokio::select! {
            copied = copy_bidirectional(&mut client, &mut server) => match copied {
                Ok((sent, received)) => {
                    metrics::tunnel_closed(sent, received);
                    tracing::debug!(%target, sent, received, "a tunnel was closed");
                }
                Err(error) => tracing::debug!(%target, %error, "a tunnel broke"),
            },
            () = ended(&attempts, &attempt) => {
                tracing::info!(
                    target: "audit",
                    %work_item_id, %worker_id, to = %target, "closed a tunnel: the attempt has ended"
                );
            }
        }
    }
}

/// Completes when the attempt has ended.
async fn ended(attempts: &Attempts, attempt: &Attempt) {
    let mut ticks = interval(attempts.refresh_interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if !attempts.is_live(attempt).await {
            return;
        }
    }
}
