//! Workers that tests start.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;
use std::time::Duration;

use whim_core::{LeaseEpoch, RepoName, WorkItemId, WorkerId};
use whim_runtime::{Credential, RuntimeConfig, WorkerSpec};
use whim_service::environment::Environment;
use whim_service::process::ProcessIdentity;
use whim_service::secret::SecretString;
use whim_testkit::wait::wait_until;
use whim_testkit::worker_fixture::WorkerFixture;

/// How long a test waits for a condition.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program that supervises a worker.
pub(crate) fn shim_program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_whim-attempt-shim"))
}

/// A worker that has not been started.
pub(crate) fn spec(environment: (&str, &str), credentials: [(&'static str, &str); 2]) -> WorkerSpec {
    let (name, value) = environment;
    WorkerSpec {
        worker_id: WorkerId::new(),
        work_item_id: WorkItemId::new(),
        repo: RepoName::parse("acme/shop").unwrap(),
        epoch: LeaseEpoch::from_number(1),
        environment: [(name.to_owned(), value.to_owned())].into(),
        credentials: credentials
            .into_iter()
            .map(|(file_name, secret)| Credential {
                file_name,
                secret: SecretString::from(secret),
            })
            .collect(),
    }
}

/// Settings, of which the later ones replace the earlier ones.
pub(crate) fn config<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> RuntimeConfig {
    let last: std::collections::BTreeMap<&str, &str> = settings.into_iter().collect();
    Environment::from_pairs(last)
        .build(|env| Some(RuntimeConfig::read(env)))
        .unwrap()
        .config
}

/// The process whose identifier the worker wrote under this name.
pub(crate) async fn process_of(fixture: &WorkerFixture, name: &str) -> ProcessIdentity {
    ProcessIdentity::of(fixture.pid(name).await).unwrap().unwrap()
}

pub(crate) async fn wait_until_gone(what: &str, process: ProcessIdentity) {
    wait_until(&format!("{what} to be gone"), PATIENCE, async || {
        match process.is_alive() {
            Ok(false) => Ok(()),
            other => Err(format!("pid {}: alive: {other:?}", process.pid)),
        }
    })
    .await
    .unwrap();
}
