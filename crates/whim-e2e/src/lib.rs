//! End-to-end tests: the real programs against the stand-ins.
