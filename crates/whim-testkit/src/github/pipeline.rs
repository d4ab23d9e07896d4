//! The steps of every request: faults first, then git or the REST API, and an entry in the journal.

use std::sync::Arc;

use axum::http::Request;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;

use super::access::Caller;
use super::faults::{Effect, Prepared};
use super::git_http;
use super::graphql;
use super::moved;
use super::received::ReceivedRequest;
use super::rest::Rest;
use super::shared::Shared;
use crate::journal::RecordedRequest;
use crate::server::Cut;

pub(super) struct Pipeline {
    shared: Arc<Shared>,
    rest: Rest,
}

impl Pipeline {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let rest = Rest::new(Arc::clone(&shared));
        Self { shared, rest }
    }

    /// Responds to one request and records it.
    pub(super) async fn serve(&self, request: Request<Incoming>) -> Result<Response, Cut> {
        let mut received = ReceivedRequest::read(request).await.ok_or(Cut)?;
        let caller = self.shared.identify(&received.headers);
        let redirect = moved::resolve(&mut received, &self.shared.read());
        let (answer, cut) = match redirect {
            Some(redirect) => (Some(redirect), false),
            None => self.strike_or_answer(&received, &caller).await,
        };
        self.shared.journal.record(RecordedRequest {
            method: received.method,
            path: received.path,
            query: received.query,
            login: caller.into_login(),
            status: answer.as_ref().map(Response::status),
            cut,
        });
        answer.filter(|_answer| !cut).ok_or(Cut)
    }

    /// The response, if any, and whether the connection is cut instead of sending it.
    async fn strike_or_answer(
        &self,
        received: &ReceivedRequest,
        caller: &Caller,
    ) -> (Option<Response>, bool) {
        let git = git_http::Target::of(&received.path);
        // A request is checked against the description even if a fault answers it.
        let is_graphql = graphql::is_addressed(received);
        let described = if git.is_none() && !is_graphql {
            self.rest.examine(received)
        } else {
            None
        };
        let faults = &self.shared.faults;
        let strike = faults.strike(&received.method, &received.path, &received.body);
        if let Some(strike) = &strike {
            tokio::time::sleep(strike.delay).await;
        }
        let cut = match strike.as_ref().map(|strike| &strike.effect) {
            Some(Effect::CutBefore) => return (None, true),
            Some(Effect::Answer(prepared)) => return (Some(self.fault_answer(prepared, caller)), false),
            Some(Effect::Pass) | None => false,
            Some(Effect::CutAfter) => true,
        };
        let answer = match git {
            Some(target) => git_http::answer(&self.shared, target, received, caller).await,
            None if is_graphql => graphql::answer(&self.shared, received, caller),
            None => self.rest.answer(received, caller, described).await,
        };
        (Some(answer), cut)
    }

    fn fault_answer(&self, prepared: &Prepared, caller: &Caller) -> Response {
        let mut response = (prepared.status, prepared.body.clone()).into_response();
        let headers = prepared.headers_at(self.shared.read().now());
        response.headers_mut().extend(headers);
        self.rest.write_standing(caller, response.headers_mut());
        response
    }
}
