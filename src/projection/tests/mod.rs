//! Tests of the engine as a whole. `samples` runs the folders' own; the rest drives the engine on logs in memory.

mod following;
mod queries;
mod rebuilds;
mod rpc;
mod samples;
mod world;
