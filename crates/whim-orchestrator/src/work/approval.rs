//! The approved text of a run is the text that runs.

use whim_core::protocol::work::Approval;
use whim_core::source::TextHash;

use crate::error::Error;

/// # Errors
/// The approval is for another text than the description.
pub(super) fn check_approval(
    field: &'static str,
    approval: &Approval,
    description: Option<&str>,
) -> Result<(), Error> {
    if description.map(TextHash::of).as_ref() == Some(&approval.text_sha256) {
        return Ok(());
    }
    let problem = "has a textSha256 that is not that of the description; expected the SHA-256 of the description in UTF-8";
    Err(Error::invalid(field, problem))
}
