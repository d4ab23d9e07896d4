//! The orchestrator's HTTP interface as typed calls.
