//! Domain types and the bodies of Whim's HTTP interface: no input or output, no async.
