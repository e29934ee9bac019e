//! Annals: the event-sourced system of record of an internship platform.
//!
//! In reading order: [`kernel`] (the words), the rooms, [`command`] (one way for every command), [`log`] (where
//! events live), [`projection`] (what is derived), [`processes`], [`audit`], [`grpc`], [`ops`].

pub mod applications;
pub mod attendance;
pub mod audit;
pub mod certificates;
pub mod command;
pub mod evaluations;
pub mod grpc;
pub mod kernel;
pub mod log;
pub mod ops;
pub mod placements;
pub mod processes;
pub mod projection;
pub mod proto;
pub mod tasks;
