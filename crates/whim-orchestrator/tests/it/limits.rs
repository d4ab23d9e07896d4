//! Slots, budgets, caps, cooldown and circuit breakers.

mod breaker_scope;
mod breakers;
mod budgets;
mod caps;
mod cooldown;
mod midnight;
