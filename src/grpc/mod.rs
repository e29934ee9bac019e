//! Helpers for the rooms' edge: who calls, what they may, what fields say, what a failure answers.
//!
//! Knows the command path and the kernel. Knows no room.

pub mod auth;
mod caller;
mod codec;
mod desk;
mod fields;
pub mod limits;
mod policy;
mod status;

pub use caller::Caller;
pub use codec::MessageCodec;
pub use desk::{Clock, CommandRequest, Desk, Follow, Options};
pub use fields::Fields;
pub use policy::{ACTIONS, Action, Grant, PUBLIC, authorise, authorise_own, grant};
pub use status::{
    DOMAIN, from_command_error, from_read_error, invalid, overloaded, refuse, with_reason,
};

/// The request types of a room's commands: their common fields, by one macro, so that no room spells them again.
#[macro_export]
macro_rules! command_requests {
    ($($request:ty),+ $(,)?) => {$(
        impl $crate::grpc::CommandRequest for $request {
            fn take_options(&mut self) -> $crate::grpc::Options {
                $crate::grpc::Options {
                    request_id: self.request_id.clone(),
                    expected_revision: self.expected_revision.take(),
                    validate_only: std::mem::take(&mut self.validate_only),
                    occurred_at: self.occurred_at,
                }
            }
        }
    )+};
}
