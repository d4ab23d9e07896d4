//! Slots, budgets, caps, cooldown and circuit breakers.

mod breakers;
mod budgets;
mod caps;
mod cooldown;
mod midnight;
