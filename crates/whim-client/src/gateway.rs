//! What gateways ask.

use whim_core::protocol::gateway::{FindAttempt, GatewayAttempt, ModelLimitReported, ReportModelLimit};

use crate::http::{Call, Repeat};
use crate::{ClientError, GatewayClient};

impl GatewayClient {
    /// `POST /api/gateway/attempts`: the live attempt that a token belongs to. 404 if there is none.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn find_attempt(&self, request: &FindAttempt) -> Result<GatewayAttempt, ClientError> {
        let call = Call::post(["api", "gateway", "attempts"], request, Repeat::Idempotent);
        self.http.send(call).await
    }

    /// `POST /api/gateway/limits`: counts a limit of the model API against its circuit breaker.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn report_model_limit(
        &self,
        request: &ReportModelLimit,
    ) -> Result<ModelLimitReported, ClientError> {
        let call = Call::post(["api", "gateway", "limits"], request, Repeat::IfNotSent);
        self.http.send(call).await
    }
}
