//! Faults that a test injects into a fake: a queue, each for the requests of one method and path.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::Method;
use regex::Regex;

use crate::path_template;

/// What goes wrong with a request after its delay. The default is nothing.
pub trait Effect: Clone + Default {
    /// Whether the request is processed, whatever the client gets to see.
    fn is_processed(&self) -> bool;
}

/// What goes wrong with a request: once, unless [`Fault::times`] or [`Fault::always`] says otherwise.
#[derive(Clone, Debug)]
pub struct Fault<E> {
    /// `None` matches every request.
    route: Option<(Method, Regex)>,
    body_text: Option<String>,
    skipped: u32,
    /// Remaining number of requests; `None` means no limit.
    remaining: Option<u32>,
    delay: Duration,
    pub(crate) effect: E,
}

impl<E: Effect> Fault<E> {
    /// For requests with this method on a path such as `/repos/{owner}/{repo}/pulls`. A name in braces stands for one
    /// segment or a part of it, `{*rest}` for any number of segments.
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
            body_text: None,
            skipped: 0,
            remaining: Some(1),
            delay: Duration::ZERO,
            effect: E::default(),
        }
    }

    /// Applies only to requests whose body contains this text.
    #[must_use]
    pub fn when_body_contains(mut self, text: impl Into<String>) -> Self {
        self.body_text = Some(text.into());
        self
    }

    /// Skips this many matching requests first.
    #[must_use]
    pub fn after(mut self, skipped: u32) -> Self {
        self.skipped = skipped;
        self
    }

    /// Applies to this many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.remaining = Some(times);
        self
    }

    /// Applies to all matching requests until [`Faults::clear`].
    #[must_use]
    pub fn always(mut self) -> Self {
        self.remaining = None;
        self
    }

    /// Delays the request before anything else happens.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    #[must_use]
    pub(crate) fn with_effect(mut self, effect: E) -> Self {
        self.effect = effect;
        self
    }

    fn matches(&self, method: &Method, path: &str, body: &[u8]) -> bool {
        let route_matches = self
            .route
            .as_ref()
            .is_none_or(|(of_fault, pattern)| of_fault == method && pattern.is_match(path));
        let body_matches = self.body_text.as_ref().is_none_or(|text| {
            body.windows(text.len().max(1))
                .any(|window| window == text.as_bytes())
        });
        route_matches && body_matches
    }
}

/// The faults that wait for a request, oldest first.
#[derive(Debug)]
pub struct Faults<E> {
    waiting: RwLock<Vec<Fault<E>>>,
    /// Requests under way that were struck by a fault with a limit and are to be processed.
    running: AtomicUsize,
}

impl<E> Default for Faults<E> {
    fn default() -> Self {
        Self {
            waiting: RwLock::default(),
            running: AtomicUsize::default(),
        }
    }
}

impl<E: Effect> Faults<E> {
    pub fn push(&self, fault: Fault<E>) {
        self.waiting
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(fault);
    }

    /// Removes all faults. Requests that were struck already are not affected.
    pub fn clear(&self) {
        self.waiting
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The number of faults, other than permanent ones, that have requests left, plus the number of
    /// requests that they apply to and that are still to be processed.
    #[must_use]
    pub fn pending(&self) -> usize {
        let waiting = self.waiting.read().unwrap_or_else(PoisonError::into_inner);
        let limited = waiting.iter().filter(|fault| fault.remaining.is_some());
        limited.count() + self.running.load(Ordering::SeqCst)
    }

    /// Applies the first fault that matches a request. The caller waits for the delay, carries out the effect, and
    /// holds the result until the request is processed.
    pub(crate) fn strike(&self, method: &Method, path: &str, body: &[u8]) -> Option<Strike<'_, E>> {
        let mut waiting = self.waiting.write().unwrap_or_else(PoisonError::into_inner);
        let index = waiting
            .iter()
            .position(|fault| fault.matches(method, path, body))?;
        let fault = &mut waiting[index];
        if 0 < fault.skipped {
            fault.skipped -= 1;
            return None;
        }
        let is_limited = fault.remaining.is_some();
        let strike = Strike {
            delay: fault.delay,
            effect: fault.effect.clone(),
            _running: (is_limited && fault.effect.is_processed()).then(|| Running::start(&self.running)),
        };
        fault.remaining = fault.remaining.map(|remaining| remaining.saturating_sub(1));
        if fault.remaining == Some(0) {
            waiting.remove(index);
        }
        Some(strike)
    }
}

/// What happens to a request: first the delay, then the effect.
pub(crate) struct Strike<'a, E> {
    pub(crate) delay: Duration,
    pub(crate) effect: E,
    _running: Option<Running<'a>>,
}

/// Counts as running until it drops, also if the client goes away.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn start(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    enum Test {
        #[default]
        Process,
        Refuse,
    }

    impl Effect for Test {
        fn is_processed(&self) -> bool {
            *self == Self::Process
        }
    }

    fn strike(faults: &Faults<Test>) -> Option<Strike<'_, Test>> {
        faults.strike(&Method::GET, "/things/1", b"")
    }

    #[test]
    fn a_fault_is_pending_until_its_request_is_processed() {
        let faults = Faults::default();
        faults.push(Fault::on(Method::GET, "/things/{id}"));
        assert_eq!(faults.pending(), 1);
        let running = strike(&faults).unwrap();
        assert_eq!(faults.pending(), 1);
        drop(running);
        assert_eq!(faults.pending(), 0);
        assert!(strike(&faults).is_none());
    }

    #[test]
    fn a_fault_whose_request_is_not_processed_is_pending_until_the_request_comes() {
        let faults = Faults::default();
        faults.push(Fault::on_every_request().with_effect(Test::Refuse));
        let running = strike(&faults).unwrap();
        assert_eq!(running.effect, Test::Refuse);
        assert_eq!(faults.pending(), 0);
    }

    #[test]
    fn a_permanent_fault_strikes_until_cleared_and_is_not_pending() {
        let faults = Faults::default();
        faults.push(Fault::on_every_request().always());
        for _ in 0..3 {
            let running = strike(&faults);
            assert!(running.is_some());
            assert_eq!(faults.pending(), 0);
        }
        faults.clear();
        assert!(strike(&faults).is_none());
    }

    #[test]
    fn faults_strike_in_the_order_in_which_they_were_pushed() {
        let faults = Faults::default();
        faults.push(Fault::on(Method::PUT, "/things/1"));
        faults.push(
            Fault::on(Method::GET, "/things/1")
                .with_effect(Test::Refuse)
                .times(2),
        );
        faults.push(Fault::on_every_request());
        let effects: Vec<_> = std::iter::from_fn(|| strike(&faults).map(|strike| strike.effect)).collect();
        assert_eq!(effects, [Test::Refuse, Test::Refuse, Test::Process]);
        assert_eq!(faults.pending(), 1);
    }
}
