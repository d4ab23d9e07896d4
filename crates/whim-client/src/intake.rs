//! What the intake reports of itself.

use whim_core::protocol::intake::IntakeAccess;

use crate::http::Call;
use crate::{Client, ClientError};

impl Client {
    /// `PUT /api/intake/access`: what the intake may do with its credentials.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn report_intake_access(&self, access: &IntakeAccess) -> Result<(), ClientError> {
        let call = Call::put(["api", "intake", "access"], access);
        self.http.send_for_success(call).await.map(drop)
    }
}
