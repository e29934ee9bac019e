//! Pages of parked events: those of one owner after another, owners by name, each in the order of its logs.

use std::collections::BTreeSet;

use tonic::Status;

use super::Operations;
use super::replies::{projection_error, store_error, timestamp};
use super::rpc::MAX_NAME_CHARS;
use crate::grpc::Fields;
use crate::kernel::Position;
use crate::proto::annals::operations::v1::{
    ListParkedEventsRequest, ListParkedEventsResponse, ParkedEvent,
};

/// Page size where none is asked for, and the largest.
const DEFAULT_PAGE: i32 = 100;
const MAX_PAGE: i32 = 1_000;

/// Where a page begins: after this event.
struct Cursor {
    owner: String,
    service: String,
    position: Position,
}

impl Operations {
    /// One page.
    pub(super) async fn parked_page(
        &self,
        request: &ListParkedEventsRequest,
    ) -> Result<ListParkedEventsResponse, Status> {
        let mut fields = Fields::default();
        fields.text("owner", &request.owner, 0..=MAX_NAME_CHARS);
        let size = page_size(&mut fields, request.page_size);
        let after = Cursor::read(&request.page_token);
        if after.is_none() && !request.page_token.is_empty() {
            fields.violation("page_token", "is none that this method answered");
        }
        fields.check()?;

        let mut events = Vec::new();
        for owner in self.owners(&request.owner) {
            let from = match &after {
                Some(cursor) if owner < cursor.owner => continue,
                Some(cursor) if owner == cursor.owner => Some(cursor),
                Some(_) | None => None,
            };
            // One more than the page, to know whether another follows.
            let room = size + 1 - events.len();
            events.extend(self.parked_of(&owner, from, room).await?);
            if events.len() > size {
                break;
            }
        }
        let more = events.len() > size;
        events.truncate(size);
        let last = events.last().filter(|_| more);
        Ok(ListParkedEventsResponse {
            next_page_token: last.map(Cursor::write).unwrap_or_default(),
            events,
        })
    }

    fn owners(&self, only: &str) -> BTreeSet<String> {
        self.processes
            .names()
            .map(str::to_owned)
            .chain(self.projections.models().into_keys())
            .filter(|name| only.is_empty() || name == only)
            .collect()
    }

    async fn parked_of(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, Status> {
        let after = after.map(|cursor| (cursor.service.as_str(), cursor.position));
        if self.processes.names().any(|name| name == owner) {
            let parked = self.processes.store().parked_after(owner, after, limit);
            let parked = parked.map_err(|error| store_error(&error))?;
            return Ok(parked
                .into_iter()
                .map(|event| ParkedEvent {
                    owner: event.process,
                    service: event.service,
                    position: event.position.0,
                    stream: event.stream,
                    r#type: event.event_type,
                    cause: event.cause,
                    parked_at: Some(timestamp(event.parked_at)),
                })
                .collect());
        }
        let parked = self.projections.parked(owner, after, limit).await;
        let parked = parked.map_err(|error| projection_error(&error))?;
        Ok(parked
            .into_iter()
            .map(|event| ParkedEvent {
                owner: event.model,
                service: event.service,
                position: event.position.0,
                stream: event.stream,
                r#type: event.event_type,
                cause: event.cause,
                parked_at: Some(timestamp(event.parked_at)),
            })
            .collect())
    }
}

fn page_size(fields: &mut Fields, asked: i32) -> usize {
    if !(0..=MAX_PAGE).contains(&asked) {
        fields.violation("page_size", format!("must be 0 to {MAX_PAGE}"));
    }
    let size = if asked == 0 { DEFAULT_PAGE } else { asked };
    usize::try_from(size).unwrap_or_default()
}

impl Cursor {
    fn write(last: &ParkedEvent) -> String {
        format!("{}/{}/{}", last.owner, last.service, last.position)
    }

    fn read(token: &str) -> Option<Self> {
        let mut parts = token.splitn(3, '/');
        Some(Self {
            owner: parts.next()?.to_owned(),
            service: parts.next()?.to_owned(),
            position: Position(parts.next()?.parse().ok()?),
        })
    }
}
