//! An error and all its sources on one line, for logs.

use std::error::Error;
use std::fmt;

/// Shows `error` and every source below it, separated by `: `.
///
/// The `Display` of an error in this project names only what its own layer was doing, so that the line reads from the
/// outermost operation to the innermost cause. A failure is logged once, where it is handled.
pub fn chain<'error>(error: &'error (dyn Error + 'static)) -> Chain<'error> {
    Chain { error }
}

/// The [`fmt::Display`] made by [`chain`].
#[derive(Clone, Copy, Debug)]
pub struct Chain<'error> {
    error: &'error (dyn Error + 'static),
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.error)?;
        let mut source = self.error.source();
        while let Some(error) = source {
            write!(formatter, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
