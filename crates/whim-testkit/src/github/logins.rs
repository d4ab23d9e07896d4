//! Accounts that every fake has.

/// The login that [`super::GitHub::token`] belongs to.
pub const BOT: &str = "whim-bot";

/// The login of the person who files issues and changes labels by hand.
pub const PERSON: &str = "octocat";
