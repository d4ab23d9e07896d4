//! What a runtime is given to start a worker.

use std::collections::BTreeMap;

use whim_core::{LeaseEpoch, RepoName, WorkItemId, WorkerId};
use whim_service::secret::SecretString;

/// Everything that a runtime needs to start one worker.
#[derive(Clone, Debug)]
pub struct WorkerSpec {
    pub worker_id: WorkerId,
    pub work_item_id: WorkItemId,
    /// Selects the image, where the repository has one of its own.
    pub repo: RepoName,
    /// The lease epoch of the claim.
    pub epoch: LeaseEpoch,
    /// Not secret. The runtime adds the paths that only it knows.
    pub environment: BTreeMap<String, String>,
    /// Each is handed over as a file that only the worker can read.
    pub credentials: Vec<Credential>,
}

/// A secret for one worker.
#[derive(Clone, Debug)]
pub struct Credential {
    pub file_name: &'static str,
    pub secret: SecretString,
}

impl WorkerSpec {
    /// Derived from item and epoch, so it is never reused: a start whose answer was lost finds the first container by
    /// its name instead of creating a second one (`FAULTS.md`, row 4).
    pub fn name(&self) -> String {
        whim_containers::name(self.work_item_id, self.epoch)
    }
}
