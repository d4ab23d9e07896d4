//! `POST /api/gateway/usage`.

use whim_core::protocol::costs::{
    MAX_NAME_CHARACTERS, MAX_REPORTED_REQUESTS, MAX_TOKENS, ModelRequest, ModelUsageRecorded,
    ReportModelUsage,
};

use crate::app::App;
use crate::db::model_requests::{self, NewModelRequest};
use crate::error::Error;
use crate::validate;

/// Stores requests that are not known yet, at the price of today.
///
/// # Errors
/// A field is invalid, or Postgres is unavailable. Nothing is stored then.
pub async fn record(app: &App, report: &ReportModelUsage) -> Result<ModelUsageRecorded, Error> {
    let number = report.requests.len();
    if number == 0 || number > MAX_REPORTED_REQUESTS {
        let problem = format!("has {number} entries; expected 1 to {MAX_REPORTED_REQUESTS}");
        return Err(Error::invalid("requests", problem));
    }
    for request in &report.requests {
        check(request)?;
    }
    let new: Vec<NewModelRequest<'_>> = report
        .requests
        .iter()
        .map(|request| {
            let priced = app.prices.of(&request.model, request.tokens);
            if priced.is_guess {
                tracing::warn!(
                    model = request.model,
                    "the price of this model is not known, so it counts as the dearest one; set it in PRICES_FILE"
                );
            }
            NewModelRequest {
                request,
                micro_dollars: priced.micro_dollars,
                is_estimate: priced.is_guess || !request.is_reported,
            }
        })
        .collect();
    let recorded = model_requests::insert(&app.work_database, &new).await?;
    Ok(ModelUsageRecorded { recorded })
}

fn check(request: &ModelRequest) -> Result<(), Error> {
    validate::text("requests.model", &request.model, MAX_NAME_CHARACTERS)?;
    if let Some(id) = &request.request_id {
        validate::text("requests.requestId", id, MAX_NAME_CHARACTERS)?;
    }
    let tokens = request.tokens;
    for (field, number) in [
        ("requests.tokens.input", tokens.input),
        ("requests.tokens.output", tokens.output),
        ("requests.tokens.cacheRead", tokens.cache_read),
        ("requests.tokens.cacheWrite", tokens.cache_write),
        ("requests.tokens.cacheWriteHour", tokens.cache_write_hour),
    ] {
        if number > MAX_TOKENS {
            let problem = format!("was {number}; expected at most {MAX_TOKENS}");
            return Err(Error::invalid(field, problem));
        }
    }
    Ok(())
}
