//! What tests may rely on when they stand on the testkit.

mod services;
