//! Which item is started next, and when.

mod claim;
mod counts;
mod gateway;
mod pause;
mod starting;
