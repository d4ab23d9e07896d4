//! What breaks around orchestrators, and what must happen then (`FAULTS.md`).

mod clock;
mod disk;
mod fleet;
mod orchestrators;
mod postgres;
