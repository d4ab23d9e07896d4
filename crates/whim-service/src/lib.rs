//! What every long-running Whim program shares: telemetry, signals, supervised tasks, reconcilers, the admin port.
