//! Tests of the engine as a whole. `samples` runs the folders' own; the rest drives the engine on logs in memory.

mod engine;
mod rpc;
mod samples;
