//! A TCP proxy that breaks connections on demand.
