//! What a push may do.

use whim_core::CommitHash;
use whim_core::protocol::gateway::GatewayAttempt;

use super::push_request::{Command, PushRequest};

/// A push that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) reference: String,
    pub(super) new: CommitHash,
    /// The commit from which `new` must descend: a head that Whim did not push, as far as is known.
    pub(super) must_descend_from: Option<CommitHash>,
}

/// Exactly the branch of the attempt, never a deletion.
///
/// A head that is known to Whim may be replaced: its agents amend their own commits. Commits of others are never lost, because
/// a push from their head must be a fast-forward.
///
/// # Errors
/// The reason, for `git push` to print.
pub(super) fn check(
    push: &PushRequest,
    grant: &GatewayAttempt,
    is_known: impl Fn(&CommitHash) -> bool,
) -> Result<Allowed, String> {
    if push.has("push-options") {
        return Err("push options are not supported".to_owned());
    }
    if let Some(format) = push.other_object_format() {
        return Err(format!("the object format {format} is not supported"));
    }
    let branch = format!("refs/heads/{}", grant.branch);
    if let Some(other) = push.commands.iter().find(|command| command.reference != branch) {
        return Err(format!("only {branch} may be pushed, not {}", other.reference));
    }
    let [Command { old, new, .. }] = push.commands.as_slice() else {
        return Err("expected one command".to_owned());
    };
    let Some(new) = new else {
        return Err("the branch may not be deleted".to_owned());
    };
    if old.as_ref() == Some(new) {
        return Err(format!("{branch} is at {new} already"));
    }
    let must_descend_from = old
        .as_ref()
        .filter(|old| grant.head_sha.as_ref() != Some(*old) && !is_known(old));
    Ok(Allowed {
        reference: branch,
        new: new.clone(),
        must_descend_from: must_descend_from.cloned(),
    })
}
