//! What requests to the model API cost.

use whim_core::protocol::costs::{CostFilter, CostReport, ModelUsageRecorded, ReportModelUsage};

use crate::http::{Call, Repeat};
use crate::work::query_of;
use crate::{Client, ClientError, GatewayClient};

impl Client {
    /// `GET /api/costs`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn costs(&self, filter: &CostFilter) -> Result<CostReport, ClientError> {
        let mut call = Call::get(["api", "costs"]);
        call.query = query_of(filter);
        self.http.send(call).await
    }

    /// `GET /api/costs/csv`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn costs_csv(&self, filter: &CostFilter) -> Result<String, ClientError> {
        let mut call = Call::get(["api", "costs", "csv"]);
        call.query = query_of(filter);
        Ok(self.http.send_for_success(call).await?.into_text())
    }
}

impl GatewayClient {
    /// `POST /api/gateway/usage`: what requests of agents used.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn report_model_usage(
        &self,
        report: &ReportModelUsage,
    ) -> Result<ModelUsageRecorded, ClientError> {
        let call = Call::post(["api", "gateway", "usage"], report, Repeat::Idempotent);
        self.http.send(call).await
    }
}
