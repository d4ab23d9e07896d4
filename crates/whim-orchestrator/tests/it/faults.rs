//! What breaks around orchestrators, and what must happen then (docs/faults.md).

mod clock;
mod disk;
mod fleet;
mod orchestrators;
mod postgres;
