//! The findings of a preflight, in order.

use whim_core::protocol::preflight::{PreflightCheck, PreflightOutcome, PreflightSubject};

use crate::outcome::Failure;
use crate::text::shorten;

const MAX_MESSAGE_CHARACTERS: usize = 2000;

/// What was examined so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    checks: Vec<PreflightCheck>,
}

impl Findings {
    /// Adds a result: passed, with a limitation, or a failure, which is returned.
    ///
    /// # Errors
    /// The failure.
    pub fn add(
        &mut self,
        subject: PreflightSubject,
        result: Result<Option<String>, Failure>,
    ) -> Result<(), Failure> {
        let warning = self.result(subject, result)?;
        if let Some((message, check)) = warning.zip(self.checks.last_mut()) {
            check.outcome = PreflightOutcome::Warning;
            check.message = Some(shorten(&message, MAX_MESSAGE_CHARACTERS));
        }
        Ok(())
    }

    /// Adds that it passed, or a failure, and returns the result.
    ///
    /// # Errors
    /// The failure.
    pub fn result<T>(&mut self, subject: PreflightSubject, result: Result<T, Failure>) -> Result<T, Failure> {
        let (outcome, message) = match &result {
            Ok(_) => (PreflightOutcome::Passed, None),
            Err(failure) => (
                PreflightOutcome::Failed,
                Some(shorten(failure.reason(), MAX_MESSAGE_CHARACTERS)),
            ),
        };
        self.checks.push(PreflightCheck {
            subject,
            outcome,
            message,
        });
        result
    }

    /// The messages about limitations.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        let is_warning = |check: &&PreflightCheck| check.outcome == PreflightOutcome::Warning;
        let checks = self.checks.iter().filter(is_warning);
        checks.filter_map(|check| check.message.as_deref())
    }

    pub fn checks(&self) -> &[PreflightCheck] {
        &self.checks
    }
}
