//! Worker processes that tests start.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;

use whim_service::process::ProcessIdentity;
use whim_testkit::wait::wait_until;
use whim_testkit::worker_fixture::WorkerFixture;

use crate::app::PATIENCE;

pub(crate) fn orchestrator_program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_whim-orchestrator"))
}

/// The process whose identifier the worker wrote to the note of this name.
pub(crate) async fn process_of(fixture: &WorkerFixture, name: &str) -> ProcessIdentity {
    ProcessIdentity::of(fixture.pid(name).await).unwrap().unwrap()
}

pub(crate) async fn wait_until_gone(what: &str, process: ProcessIdentity) {
    wait_until(&format!("{what} to exit"), PATIENCE, async || {
        match process.is_alive() {
            Ok(false) => Ok(()),
            other => Err(format!("pid {}: alive: {other:?}", process.pid)),
        }
    })
    .await
    .unwrap();
}
