//! Tests of the processes: what runs them, and all of them together.

#[cfg(feature = "failpoints")]
mod crash;
mod flow;
mod listener;
mod running;
mod taking_over;
mod world;
