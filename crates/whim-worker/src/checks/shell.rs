//! The only shell that the worker starts: for commands of a policy, which are shell commands by definition, and for wrappers of
//! build tools without the executable bit.

pub(super) const SHELL: &str = "sh";
