//! Routes of what the model API costs.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use whim_core::protocol::costs::{CostFilter, CostReport, CostRow};

use super::error::ApiError;
use super::extract::Query;
use super::stats::range;
use crate::app::App;
use crate::db;
use crate::db::model_requests::{self, Selection};
use crate::error::Error;

/// Returns what the requests to the model API cost at list price, by day, repository, person, model or stage.
#[utoipa::path(get, path = "/api/costs", tag = "status", params(CostFilter), responses((status = 200, description = "The costs", body = CostReport)))]
pub(super) async fn costs(
    State(app): State<App>,
    Query(filter): Query<CostFilter>,
) -> Result<Json<CostReport>, ApiError> {
    Ok(Json(report(&app, &filter).await?))
}

/// Returns the same as comma-separated values (RFC 4180), with the names of the columns first.
#[utoipa::path(get, path = "/api/costs/csv", tag = "status", params(CostFilter), responses((status = 200, description = "The costs", body = String, content_type = "text/csv")))]
pub(super) async fn costs_csv(
    State(app): State<App>,
    Query(filter): Query<CostFilter>,
) -> Result<Response, ApiError> {
    let report = report(&app, &filter).await?;
    let mut text = String::from(
        "key,requests,input,output,cacheRead,cacheWrite,cacheWriteHour,microDollars,estimatedMicroDollars\r\n",
    );
    for row in &report.rows {
        text.push_str(&line(row));
    }
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"whim-costs.csv\""),
    ];
    Ok((headers, text).into_response())
}

async fn report(app: &App, filter: &CostFilter) -> Result<CostReport, Error> {
    let to = match filter.to {
        Some(to) => to,
        None => db::daily_usage::current_day(&app.database).await?,
    };
    let (from, to) = range(filter.from, to)?;
    let by = filter.by.unwrap_or_default();
    let selection = Selection {
        from,
        to,
        repo: filter.repo.as_ref(),
        work_item_id: filter.work_item_id,
    };
    let rows = model_requests::sum(&app.database, selection, by).await?;
    Ok(CostReport {
        from,
        to,
        by,
        total_micro_dollars: rows.iter().map(|row| row.micro_dollars).sum(),
        rows,
    })
}

fn line(row: &CostRow) -> String {
    let CostRow {
        key,
        requests,
        tokens,
        micro_dollars,
        estimated_micro_dollars,
    } = row;
    let numbers = [
        *requests,
        tokens.input,
        tokens.output,
        tokens.cache_read,
        tokens.cache_write,
        tokens.cache_write_hour,
        *micro_dollars,
        *estimated_micro_dollars,
    ];
    let numbers = numbers.map(|number| number.to_string()).join(",");
    format!("{},{numbers}\r\n", quoted(key))
}

/// An agent chooses the names of models, and spreadsheets run cells that begin like a formula: these begin with an apostrophe.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let apostrophe = if formula { "'" } else { "" };
    format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn keys_are_quoted_and_never_formulas() {
        for (text, expected) in [
            ("octocat/hello", "\"octocat/hello\""),
            ("a,\"b\"\nc", "\"a,\"\"b\"\"\nc\""),
            ("=cmd()", "\"'=cmd()\""),
            ("@x", "\"'@x\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
