//! Who calls, as the verified token says.

use tonic::{Extensions, Status};

use super::status;
use crate::kernel::Actor;

/// An authenticated caller; the authentication layer puts it into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Subject and role of the token.
    pub actor: Actor,
}

impl Caller {
    /// The caller of a request.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` where there is none, which the layer prevents for all but public methods.
    pub fn of(extensions: &Extensions) -> Result<Self, Status> {
        extensions
            .get::<Self>()
            .copied()
            .ok_or_else(|| status::unauthenticated("this method needs a token"))
    }
}
