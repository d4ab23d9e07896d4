//! Work items.

use serde::Serialize;
use serde_json::Value;
use whim_core::WorkItemId;
use whim_core::protocol::work::{
    CancelWork, CreateWork, FailSpec, PutSpec, RequeueWork, SetPriority, WorkFilter, WorkItem, WorkPage,
};

use crate::http::{Call, Repeat};
use crate::{Client, ClientError};

/// Result of [`Client::create_work`].
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    New(Box<WorkItem>),
    /// An item of the same repository, source and reference existed, in any state.
    Existing(Box<WorkItem>),
}

impl Created {
    pub fn into_item(self) -> WorkItem {
        match self {
            Self::New(item) | Self::Existing(item) => *item,
        }
    }
}

impl Client {
    /// `POST /api/work`. Repeated without a response only if `source` and `sourceRef` make it idempotent.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_work(&self, work: &CreateWork) -> Result<Created, ClientError> {
        let named = work.source.is_some() && work.source_ref.is_some();
        let repeat = if named {
            Repeat::Idempotent
        } else {
            Repeat::IfNotSent
        };
        let answer = self
            .http
            .send_for_success(Call::post(["api", "work"], work, repeat))
            .await?;
        let item = answer.parse()?;
        Ok(if answer.status.as_u16() == 201 {
            Created::New(item)
        } else {
            Created::Existing(item)
        })
    }

    /// `GET /api/work/:id`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_work(&self, id: WorkItemId) -> Result<WorkItem, ClientError> {
        self.http.send(Call::get(["api", "work", &id.to_string()])).await
    }

    /// `GET /api/work`: one page, newest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn list_work(&self, filter: &WorkFilter) -> Result<WorkPage, ClientError> {
        let mut call = Call::get(["api", "work"]);
        call.query = query_of(filter);
        self.http.send(call).await
    }

    /// `POST /api/work/:id/cancel`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cancel_work(&self, id: WorkItemId, cancel: &CancelWork) -> Result<WorkItem, ClientError> {
        let id = id.to_string();
        self.http
            .send(Call::post(
                ["api", "work", &id, "cancel"],
                cancel,
                Repeat::Idempotent,
            ))
            .await
    }

    /// `POST /api/work/:id/requeue`. Repeated without a response only if `afterRun` makes it idempotent.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn requeue_work(&self, id: WorkItemId, requeue: &RequeueWork) -> Result<WorkItem, ClientError> {
        let repeat = if requeue.after_run.is_some() {
            Repeat::Idempotent
        } else {
            Repeat::IfNotSent
        };
        self.http
            .send(Call::post(
                ["api", "work", &id.to_string(), "requeue"],
                requeue,
                repeat,
            ))
            .await
    }

    /// `PUT /api/work/:id/priority`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_priority(
        &self,
        id: WorkItemId,
        priority: &SetPriority,
    ) -> Result<WorkItem, ClientError> {
        let call = Call::put(["api", "work", &id.to_string(), "priority"], priority);
        self.http.send(call).await
    }

    /// `PUT /api/work/:id/spec`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn put_spec(&self, id: WorkItemId, spec: &PutSpec) -> Result<WorkItem, ClientError> {
        self.http
            .send(Call::put(["api", "work", &id.to_string(), "spec"], spec))
            .await
    }

    /// `POST /api/work/:id/spec/fail`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn fail_spec(&self, id: WorkItemId, fail: &FailSpec) -> Result<WorkItem, ClientError> {
        let id = id.to_string();
        self.http
            .send(Call::post(
                ["api", "work", &id, "spec", "fail"],
                fail,
                Repeat::IfNotSent,
            ))
            .await
    }
}

/// A filter as query parameters. Its JSON form is flat, and absent fields are left out.
pub(crate) fn query_of(filter: &impl Serialize) -> Vec<(String, String)> {
    let Ok(Value::Object(fields)) = serde_json::to_value(filter) else {
        return Vec::new();
    };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other.to_string()
        }
    };
    fields
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .collect()
}
