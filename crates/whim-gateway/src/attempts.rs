//! Which attempt a token belongs to. The orchestrator knows; its answers are used for some seconds.

mod rate;
mod state;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use whim_client::{BuildError, ClientError, GatewayClient, Timing};
use whim_core::protocol::ErrorCode;
use whim_core::protocol::gateway::{FindAttempt, GatewayAttempt, TokenScope};
use whim_core::{TokenHash, WorkerId};
use whim_service::chain::chain;

pub(crate) use self::state::{AttemptState, TunnelPermit};
use crate::config::OrchestratorConfig;
use crate::metrics;

/// Without retries: the request of a worker waits.
const TIMING: Timing = Timing {
    connect: Duration::from_secs(2),
    attempt: Duration::from_secs(10),
    retries: 0,
    first_delay: Duration::from_millis(200),
    longest_delay: Duration::from_secs(1),
};
const MIN_REFRESH_INTERVAL: Duration = Duration::from_millis(100);
/// Answers that are kept; guessed tokens cannot fill the memory.
const MAX_CACHED: usize = 4096;
/// The state of an attempt that is not asked about for this long is dropped.
const STATE_KEPT: Duration = Duration::from_hours(1);

/// The live attempts, by their tokens.
#[derive(Debug)]
pub(crate) struct Attempts {
    orchestrator: GatewayClient,
    cached_for: Duration,
    requests_per_minute: NonZeroU32,
    cache: RwLock<HashMap<TokenHash, Cached>>,
    states: RwLock<HashMap<WorkerId, Arc<AttemptState>>>,
}

#[derive(Clone, Debug)]
struct Cached {
    attempt: Option<Arc<GatewayAttempt>>,
    since: Instant,
}

/// A live attempt, and what this gateway knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) grant: Arc<GatewayAttempt>,
    pub(crate) state: Arc<AttemptState>,
    token: TokenHash,
}

/// The attempt of a request is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Denied {
    #[error("expected the token of a running attempt")]
    NoToken,
    #[error("the token belongs to no running attempt")]
    UnknownToken,
    #[error("the token is not for this")]
    WrongScope,
    /// Nothing is known about the token.
    #[error("the orchestrator does not say which attempt the token belongs to")]
    Unavailable(#[source] ClientError),
}

impl Denied {
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::UnknownToken => "unknown_token",
            Self::WrongScope => "wrong_scope",
            Self::Unavailable(_) => "orchestrator_unavailable",
        }
    }
}

impl Attempts {
    /// # Errors
    /// The URL or the key cannot be used.
    pub(crate) fn new(
        config: &OrchestratorConfig,
        requests_per_minute: NonZeroU32,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            orchestrator: GatewayClient::new(config.url.clone(), &config.key, TIMING)?,
            cached_for: config.token_cache,
            requests_per_minute,
            cache: RwLock::default(),
            states: RwLock::default(),
        })
    }

    pub(crate) fn orchestrator(&self) -> &GatewayClient {
        &self.orchestrator
    }

    /// The attempt of a token that is for `scope`.
    ///
    /// # Errors
    /// See [`Denied`].
    pub(crate) async fn find(&self, token: Option<&str>, scope: TokenScope) -> Result<Attempt, Denied> {
        let attempt = self.find_any(token).await?;
        if attempt.grant.scope != scope {
            return Err(Denied::WrongScope);
        }
        Ok(attempt)
    }

    /// The attempt of a token, whatever it is for.
    ///
    /// # Errors
    /// See [`Denied`].
    pub(crate) async fn find_any(&self, token: Option<&str>) -> Result<Attempt, Denied> {
        let token = token.filter(|token| !token.is_empty()).ok_or(Denied::NoToken)?;
        let token = TokenHash::of(token);
        let cached = self.cached(token);
        let grant = match cached {
            Some(grant) => grant,
            None => self.ask(token).await?,
        };
        self.attempt(token, grant)
    }

    /// Asks again, whatever is cached.
    ///
    /// # Errors
    /// See [`Denied`].
    pub(crate) async fn refresh(&self, attempt: &Attempt) -> Result<Attempt, Denied> {
        let grant = self.ask(attempt.token).await?;
        self.attempt(attempt.token, grant)
    }

    /// How often it makes sense to ask whether an attempt still runs.
    pub(crate) fn refresh_interval(&self) -> Duration {
        self.cached_for.max(MIN_REFRESH_INTERVAL)
    }

    /// Whether the attempt still runs. One about which nothing is known counts as running.
    pub(crate) async fn is_live(&self, attempt: &Attempt) -> bool {
        let grant = match self.cached(attempt.token) {
            Some(grant) => Ok(grant),
            None => self.ask(attempt.token).await,
        };
        !matches!(grant, Ok(None))
    }

    fn attempt(&self, token: TokenHash, grant: Option<Arc<GatewayAttempt>>) -> Result<Attempt, Denied> {
        let grant = grant.ok_or(Denied::UnknownToken)?;
        let state = self.state_of(grant.worker_id);
        Ok(Attempt { grant, state, token })
    }

    fn cached(&self, token: TokenHash) -> Option<Option<Arc<GatewayAttempt>>> {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let cached = cache.get(&token)?;
        (cached.since.elapsed() < self.cached_for).then(|| cached.attempt.clone())
    }

    async fn ask(&self, token: TokenHash) -> Result<Option<Arc<GatewayAttempt>>, Denied> {
        let since = Instant::now();
        let attempt = self.request(token).await.map_err(|error| {
            metrics::lookup_failed();
            tracing::warn!(error = %chain(&error), "failed to look up the attempt of a token");
            Denied::Unavailable(error)
        })?;
        let attempt = attempt.map(Arc::new);
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_CACHED {
            cache.retain(|_, cached| cached.since.elapsed() < self.cached_for);
        }
        if cache.len() < MAX_CACHED {
            let cached = Cached {
                attempt: attempt.clone(),
                since,
            };
            cache.insert(token, cached);
        }
        Ok(attempt)
    }

    async fn request(&self, token_hash: TokenHash) -> Result<Option<GatewayAttempt>, ClientError> {
        match self.orchestrator.find_attempt(&FindAttempt { token_hash }).await {
            Ok(attempt) => Ok(Some(attempt)),
            Err(error) if error.code() == Some(ErrorCode::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn state_of(&self, worker: WorkerId) -> Arc<AttemptState> {
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        if !states.contains_key(&worker) {
            states.retain(|_, state| state.idle() < STATE_KEPT);
        }
        let state = states
            .entry(worker)
            .or_insert_with(|| Arc::new(AttemptState::new(self.requests_per_minute)));
        state.touch();
        Arc::clone(state)
    }
}
