//! Subscriptions: confirmed, what is there, caught up, what comes. They end with an error or with the client.
//!
//! What is there is read page by page; what comes is the log's own subscription from where the pages ended, so nothing is
//! missed and nothing comes twice. A slow client holds up nobody: its call waits, the log's subscription is read on later.

mod all;
mod stream;

use uuid::Uuid;

pub(super) use all::AllSubscription;
pub(super) use stream::StreamSubscription;

use super::messages::write_position;
use super::replies::{Over, Replies};
use crate::kernel::Position;
use crate::proto::event_store::client::streams::read_resp;

/// Events fetched at a time while catching up.
const PAGE: usize = 256;

async fn confirm(replies: &mut Replies) -> Result<(), Over> {
    let confirmation = read_resp::SubscriptionConfirmation {
        subscription_id: subscription_id().to_string(),
    };
    replies
        .send(read_resp::Content::Confirmation(confirmation))
        .await
}

/// Ids of subscriptions only tell one from another.
pub(super) fn subscription_id() -> Uuid {
    #[expect(
        clippy::disallowed_methods,
        reason = "names a call, not anything that is recorded"
    )]
    Uuid::new_v4()
}

async fn caught_up(replies: &mut Replies) -> Result<(), Over> {
    let caught_up = read_resp::CaughtUp {};
    replies.send(read_resp::Content::CaughtUp(caught_up)).await
}

/// Goes with the events around it.
async fn checkpoint(
    replies: &mut Replies,
    commit: Position,
    prepare: Position,
) -> Result<(), Over> {
    let checkpoint = read_resp::Checkpoint {
        commit_position: write_position(commit),
        prepare_position: write_position(prepare),
    };
    replies
        .add(read_resp::Content::Checkpoint(checkpoint))
        .await
}
