//! Whether this server's processes are to advance.

use tokio::sync::watch;

/// What a lane is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// Another server advances, or nobody knows who.
    Wait,
    /// Advance.
    Lead,
    /// End, saving what was done.
    Stop,
}

/// Returns when `duty` is not to lead.
pub(super) async fn relieved(duty: &mut watch::Receiver<Duty>) {
    // Nobody left who could give orders is an order to end.
    let _ = duty.wait_for(|duty| *duty != Duty::Lead).await;
}

/// Waits until there is something to do; false: there never will be.
pub(super) async fn called(duty: &mut watch::Receiver<Duty>) -> bool {
    duty.wait_for(|duty| *duty != Duty::Wait)
        .await
        .is_ok_and(|duty| *duty == Duty::Lead)
}

/// Whether `duty` is to lead now.
pub(super) fn leads(duty: &watch::Receiver<Duty>) -> bool {
    *duty.borrow() == Duty::Lead
}
