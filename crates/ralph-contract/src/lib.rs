//! All that Whim and Ralph know of each other: events, exit codes and the rules of SPEC.md.
