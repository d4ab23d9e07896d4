//! Every route, once, together with its description.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::worker_protocol::{self, WorkerState};
use super::{
    costs, events, gateway, history, intake, learnings, locks, notes, queue, repositories, reviews, stats,
    status, work, workers,
};
use crate::app::App;

/// Routes for people and for the intake.
pub(super) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(status::health))
        .routes(routes!(status::status))
        .routes(routes!(status::tasks))
        .routes(routes!(queue::queue))
        .routes(routes!(queue::pause_queue))
        .routes(routes!(queue::resume_queue))
        .routes(routes!(work::list_work, work::create_work))
        .routes(routes!(work::get_work))
        .routes(routes!(work::explain_work))
        .routes(routes!(history::get_transcript))
        .routes(routes!(history::get_diff))
        .routes(routes!(history::get_timeline))
        .routes(routes!(history::export_work))
        .routes(routes!(work::cancel_work))
        .routes(routes!(work::requeue_work))
        .routes(routes!(work::set_priority))
        .routes(routes!(notes::add_note, notes::list_notes))
        .routes(routes!(work::put_spec))
        .routes(routes!(work::fail_spec))
        .routes(routes!(workers::list_workers))
        .routes(routes!(workers::kill_worker))
        .routes(routes!(workers::worker_logs))
        .routes(routes!(events::events))
        .routes(routes!(events::worker_events))
        .routes(routes!(locks::locks))
        .routes(routes!(stats::metrics))
        .routes(routes!(stats::daily_usage))
        .routes(routes!(costs::costs))
        .routes(routes!(costs::costs_csv))
        .routes(routes!(learnings::learnings, learnings::create_learning))
        .routes(routes!(learnings::preview_learnings))
        .routes(routes!(learnings::learnings_uplift))
        .routes(routes!(learnings::learnings_quarantine))
        .routes(routes!(learnings::decide_quarantine))
        .routes(routes!(
            learnings::get_learning,
            learnings::update_learning,
            learnings::delete_learning
        ))
        .routes(routes!(stats::settings))
        .routes(routes!(reviews::list_reviews))
        .routes(routes!(reviews::get_review))
        .routes(routes!(repositories::get_preflight))
        .routes(routes!(intake::report_intake_access))
}

/// Routes for gateways.
pub(super) fn gateway() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(gateway::find_attempt))
        .routes(routes!(gateway::report_model_limit))
        .routes(routes!(gateway::report_model_usage))
}

/// Routes of the worker protocol.
pub(super) fn worker() -> OpenApiRouter<WorkerState> {
    OpenApiRouter::new()
        .routes(routes!(worker_protocol::register))
        .routes(routes!(worker_protocol::heartbeat))
        .routes(routes!(worker_protocol::run_notes))
        .routes(routes!(worker_protocol::lock))
        .routes(routes!(worker_protocol::unlock))
        .routes(routes!(worker_protocol::report_preflight))
        .routes(routes!(worker_protocol::report_review))
        .routes(routes!(worker_protocol::upload_transcript))
        .routes(routes!(worker_protocol::report_diff))
        .routes(routes!(worker_protocol::complete))
        .routes(routes!(worker_protocol::fail))
        .routes(routes!(worker_protocol::stuck))
}
