//! Injected faults.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::Method;
use regex::Regex;
use whim_core::protocol::ErrorCode;

use super::api_error::ApiError;
use crate::path_template;

/// A fault of one request, or of every matching one with [`Fault::always`].
#[derive(Clone, Debug)]
pub struct Fault {
    /// `None` matches every request.
    route: Option<(Method, Regex)>,
    is_permanent: bool,
    pub(super) delay: Duration,
    pub(super) effect: Effect,
}

#[derive(Clone, Debug)]
pub(super) enum Effect {
    Pass,
    /// Nothing is done; this is the response.
    Refuse(ApiError),
    /// The request takes effect, and the caller gets 502.
    LoseResponse,
    /// The request takes effect, and the caller gets no response.
    HoldResponse,
}

impl Fault {
    /// For requests with this method on a path such as `/api/work/{id}/spec`.
    ///
    /// # Panics
    /// The path is not a path template.
    #[must_use]
    #[track_caller]
    pub fn on(method: Method, path: &str) -> Self {
        Self::new(Some((method, path_template::compile(path))))
    }

    #[must_use]
    pub fn on_every_request() -> Self {
        Self::new(None)
    }

    fn new(route: Option<(Method, Regex)>) -> Self {
        Self {
            route,
            is_permanent: false,
            delay: Duration::ZERO,
            effect: Effect::Pass,
        }
    }

    /// Stays until [`Faults::clear`].
    #[must_use]
    pub fn always(mut self) -> Self {
        self.is_permanent = true;
        self
    }

    /// Delays the request before anything else happens.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Responds 503 as while Postgres is down; nothing is done.
    #[must_use]
    pub fn unavailable(self) -> Self {
        self.refuse(ErrorCode::Unavailable, "Postgres is unavailable")
    }

    /// Responds 409 with one of the codes of that status; nothing is done.
    #[must_use]
    pub fn conflict(self, code: ErrorCode) -> Self {
        self.refuse(code, "refused by a fault of the test")
    }

    fn refuse(mut self, code: ErrorCode, error: &str) -> Self {
        self.effect = Effect::Refuse(ApiError::new(code, error));
        self
    }

    /// Processes the request and responds 502, like a proxy whose upstream connection broke.
    #[must_use]
    pub fn lose_response(mut self) -> Self {
        self.effect = Effect::LoseResponse;
        self
    }

    /// Processes the request and never responds.
    #[must_use]
    pub fn hold_response(mut self) -> Self {
        self.effect = Effect::HoldResponse;
        self
    }

    fn matches(&self, method: &Method, path: &str) -> bool {
        self.route
            .as_ref()
            .is_none_or(|(of_fault, pattern)| of_fault == method && pattern.is_match(path))
    }
}

/// The faults that wait for a request, oldest first.
#[derive(Debug, Default)]
pub struct Faults {
    pending: RwLock<Vec<Fault>>,
    /// Requests with a one-time fault that are under way.
    running: RwLock<usize>,
}

impl Faults {
    pub fn push(&self, fault: Fault) {
        self.pending
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(fault);
    }

    /// Removes all faults. Responses that are held stay held.
    pub fn clear(&self) {
        self.pending
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The number of one-time faults whose request has not come, or has not taken effect yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        pending.iter().filter(|fault| !fault.is_permanent).count() + *running
    }

    /// Takes the first fault that matches. [`Faults::done`] has to follow.
    pub(super) fn take(&self, method: &Method, path: &str) -> Option<Fault> {
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        let index = pending.iter().position(|fault| fault.matches(method, path))?;
        if pending[index].is_permanent {
            return Some(pending[index].clone());
        }
        *self.running.write().unwrap_or_else(PoisonError::into_inner) += 1;
        Some(pending.remove(index))
    }

    /// The request of a fault has taken effect.
    pub(super) fn done(&self, fault: &Fault) {
        if !fault.is_permanent {
            *self.running.write().unwrap_or_else(PoisonError::into_inner) -= 1;
        }
    }
}
