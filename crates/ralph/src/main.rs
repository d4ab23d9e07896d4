//! The loop: one fresh coding agent per iteration until every box of SPEC.md is ticked.

fn main() {}
