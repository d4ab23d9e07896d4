//! Names of hosts: those that may be reached, and those that are asked for.

mod allowed;
mod target;

pub(crate) use self::allowed::AllowedHost;
pub(crate) use self::target::{InvalidTarget, Target};
