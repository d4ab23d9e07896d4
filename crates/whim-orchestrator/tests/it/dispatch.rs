//! Which item is started next, and when.

mod claim;
mod counts;
mod pause;
mod starting;
