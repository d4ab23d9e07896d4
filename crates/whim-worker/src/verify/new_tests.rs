//! Whether the tests of the change test it: they must not pass on the sources of the base.

use whim_core::CommitHash;
use whim_core::protocol::checks::TestReport;
use whim_service::chain::chain;

use super::Verification;
use crate::concerns::is_test_path;
use crate::policy::Integrity;
use crate::workspace::{self, CHECKOUT_OF_NEW_TESTS, Workspace};

impl Verification<'_> {
    /// The test files of the change, if every test passes with them and without the rest of the change. `report` is that of the
    /// head. Without counts nothing is concluded: a runner may have skipped them.
    pub(super) async fn tests_that_pass_without_the_change(
        &self,
        workspace: &Workspace,
        head: &CommitHash,
        report: Option<&TestReport>,
    ) -> Vec<String> {
        let counted = report.and_then(|report| {
            let required = report.checks.iter().filter(|check| check.required);
            let counts: Vec<u32> = required.filter_map(|check| check.tests_passed).collect();
            (!counts.is_empty()).then(|| counts.iter().sum::<u32>())
        });
        let Some(passed_on_head) = counted.filter(|_| self.checks.policy.integrity != Integrity::Off) else {
            return Vec::new();
        };
        match self.passing_tests(workspace, head, passed_on_head).await {
            Ok(tests) => tests,
            Err(error) => {
                tracing::warn!(error, "the new tests cannot be run without the change");
                Vec::new()
            }
        }
    }

    async fn passing_tests(
        &self,
        workspace: &Workspace,
        head: &CommitHash,
        passed_on_head: u32,
    ) -> Result<Vec<String>, String> {
        let names = workspace
            .changed_names(head)
            .await
            .map_err(|error| chain(&error).to_string())?;
        let (tests, others): (Vec<String>, Vec<String>) =
            names.into_iter().partition(|name| is_test_path(name));
        if tests.is_empty() || others.is_empty() {
            return Ok(Vec::new());
        }
        let base = workspace
            .merge_base()
            .await
            .map_err(|error| chain(&error).to_string())?;
        let checkout = workspace
            .check_out_for_checks(&base, CHECKOUT_OF_NEW_TESTS)
            .await
            .map_err(|error| chain(&error).to_string())?;
        let counted = async {
            let tests = workspace
                .take_over(&checkout, head, &tests)
                .await
                .map_err(|error| chain(&error).to_string())?;
            let reporter = self.reporter;
            let passed = self
                .checks
                .count_passing(&checkout, |step, elapsed| {
                    reporter.tests_running(&format!("{step}"), elapsed);
                })
                .await
                .map_err(|failure| failure.reason().to_owned())?;
            Ok(if passed == Some(passed_on_head) {
                tests
            } else {
                Vec::new()
            })
        };
        let result = counted.await;
        workspace::discard(&checkout).await;
        result
    }
}
