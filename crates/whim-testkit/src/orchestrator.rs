//! A fake orchestrator for the tests of its clients: the intake's and the worker's half of the protocol, in memory.
//!
//! It speaks the real protocol with the types of `whim-core`, checks credentials, and allows only the transitions of
//! [`WorkItemStatus::predecessors`](whim_core::WorkItemStatus::predecessors). Every request and every response is
//! checked against `openapi.json`: a request for an unknown route or with an undocumented body is refused and is a
//! [`Violation`], and so is a response that the document does not allow. An [`Orchestrator`] that is dropped with
//! violations fails its test. [`Fault`]s make it misbehave.
//!
//! It starts no workers and has no clock: items change state only by requests and by the test.
//!
//! ```no_run
//! use axum::http::Method;
//! use whim_testkit::orchestrator::{Fault, Orchestrator};
//!
//! let orchestrator = Orchestrator::start();
//! orchestrator.faults().push(Fault::on(Method::POST, "/api/work").lose_response());
//! // The program under test gets `orchestrator.url()` and `Orchestrator::API_KEY`.
//! assert_eq!(orchestrator.items(), []);
//! ```

mod access;
mod api_error;
mod contract;
mod faults;
mod handle;
mod item_controls;
mod items;
mod notes;
mod pipeline;
mod quarantine;
mod routes;
mod shared;
mod state;
mod worker_controls;
mod worker_record;
mod workers;

pub use self::faults::{Fault, Faults};
pub use self::handle::Orchestrator;
pub use self::state::ModelBreaker;
pub use self::worker_record::FinalReport;
pub use crate::journal::{RecordedRequest, Violation, ViolationKind};
