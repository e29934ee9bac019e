//! How a group stands, for `GetInfo` and `List`.

use super::consumers::Consumer;
use super::group::Group;
use super::parked::place;
use super::settings::{Source, Start};
use crate::proto::event_store::client::persistent_subscriptions::{
    SubscriptionInfo, subscription_info::ConnectionInfo,
};

/// Who every consumer is on a node that looks at no credentials.
const USER: &str = "system";

/// The group's figures.
pub(super) fn of(group: &Group) -> SubscriptionInfo {
    let settings = &group.settings;
    let source = &group.key.source;
    let shown =
        |number: Option<u64>| number.map_or_else(String::new, |number| place(source, number));
    let start_from = match (settings.start, source) {
        (Start::At(number), _) => place(source, number),
        (Start::Between(at), _) => format!("C:{at}/P:{at}"),
        (Start::End, Source::Stream(_)) => "-1".to_owned(),
        (Start::End, Source::All) => "C:-1/P:-1".to_owned(),
    };
    SubscriptionInfo {
        event_source: source.name().to_owned(),
        group_name: group.key.group.clone(),
        status: if group.live { "Live" } else { "Behind" }.to_owned(),
        connections: group.consumers.0.iter().map(connection).collect(),
        total_items: signed(group.total),
        last_checkpointed_event_position: shown(group.checkpoint.written),
        last_known_event_position: shown(group.last_known),
        resolve_link_tos: settings.resolve_links,
        start_from,
        message_timeout_milliseconds: settings.message_timeout_ms,
        extra_statistics: settings.extra_statistics,
        max_retry_count: settings.max_retry_count,
        live_buffer_size: settings.live_buffer_size,
        buffer_size: settings.history_buffer_size,
        read_batch_size: settings.read_batch_size,
        check_point_after_milliseconds: settings.checkpoint_after_ms,
        min_check_point_count: settings.min_checkpoint_count,
        max_check_point_count: settings.max_checkpoint_count,
        read_buffer_count: count(group.buffer.len()),
        // There is one buffer for both: what came last is at its end.
        live_buffer_count: signed(group.came_live.min(group.buffer.len()) as u64),
        retry_buffer_count: count(group.retries.len()),
        total_in_flight_messages: count(group.outstanding()),
        outstanding_messages_count: count(group.outstanding()),
        named_consumer_strategy: settings.strategy.name().to_owned(),
        max_subscriber_count: settings.max_subscriber_count,
        parked_message_count: signed(group.parked.count()),
        // Rates are not measured.
        ..SubscriptionInfo::default()
    }
}

fn connection(consumer: &Consumer) -> ConnectionInfo {
    ConnectionInfo {
        username: USER.to_owned(),
        total_items: signed(consumer.total),
        available_slots: count(consumer.room.saturating_sub(consumer.in_flight)),
        in_flight_messages: count(consumer.in_flight),
        connection_name: consumer.name.clone(),
        ..ConnectionInfo::default()
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
