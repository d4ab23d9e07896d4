//! The queue, the worker lifecycle, limits, locks and the HTTP interface.
