//! An error and all its sources on one line, for logs.

use std::error::Error;
use std::fmt;

/// Shows `error` and every source below it, separated by `: `. A source whose text is already part of the error above it
/// is left out: some libraries show their source in their own text too.
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
        let mut shown = self.error.to_string();
        formatter.write_str(&shown)?;
        let mut source = self.error.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !shown.ends_with(&text) {
                write!(formatter, ": {text}")?;
                shown = text;
            }
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: String,
        #[source]
        source: Option<Box<dyn Error + 'static>>,
    }

    fn layer(text: &str, source: impl Error + 'static) -> Layer {
        Layer {
            text: text.to_owned(),
            source: Some(Box::new(source)),
        }
    }

    #[test]
    fn every_cause_is_shown_once() {
        let refused = || {
            io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "Connection refused (os error 111)",
            )
        };
        let database = layer(
            "error communicating with database: Connection refused (os error 111)",
            refused(),
        );
        let repeated = layer("connecting to DATABASE_URL", database);
        assert_eq!(
            chain(&repeated).to_string(),
            "connecting to DATABASE_URL: error communicating with database: Connection refused (os error 111)"
        );
        let distinct = layer("reading the settings", layer("opening the file", refused()));
        assert_eq!(
            chain(&distinct).to_string(),
            "reading the settings: opening the file: Connection refused (os error 111)"
        );
    }
}
