//! Reviews that workers reported.

use whim_core::ReviewId;
use whim_core::protocol::reviews::{Review, ReviewFilter, ReviewPage};

use crate::http::Call;
use crate::work::query_of;
use crate::{Client, ClientError};

impl Client {
    /// `GET /api/reviews`: one page, newest first, without findings.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn list_reviews(&self, filter: &ReviewFilter) -> Result<ReviewPage, ClientError> {
        let mut call = Call::get(["api", "reviews"]);
        call.query = query_of(filter);
        self.http.send(call).await
    }

    /// `GET /api/reviews/:id`: with findings.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_review(&self, id: ReviewId) -> Result<Review, ClientError> {
        self.http
            .send(Call::get(["api", "reviews", &id.to_string()]))
            .await
    }
}
