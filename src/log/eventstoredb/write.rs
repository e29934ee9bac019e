//! Appends and what is like them. Every one may be made several times: its event ids settle what became of the others.

use eventstore::{
    AppendToStreamOptions, BatchWriteResult, DeleteStreamOptions, EventData, ExpectedRevision,
    TombstoneStreamOptions, WriteResult,
};

use super::call::step;
use super::cluster::Cluster;
use super::convert::proposed;
use super::trouble::Trouble;
use crate::kernel::{Position, Revision, StreamName};
use crate::log::{AppendError, Appended, Expected, NewEvent, rules};

/// No stream is ever there: asking for it makes the server say where the stream is.
const NEVER: Revision = i64::MAX.unsigned_abs() - 1;

/// The end of a stream, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Delete,
    Tombstone,
}

/// What the server says that it wrote.
#[derive(Debug)]
pub(super) struct Written {
    revision: Revision,
    /// None where it is of an event that cannot be read any more: it was there before.
    position: Option<Position>,
}

impl Written {
    /// As answered on the line; none where the answer does not say.
    pub(super) fn on_line(answer: &BatchWriteResult) -> Option<Self> {
        Some(Self {
            revision: answer.current_revision()?,
            position: answer.current_position().and_then(told),
        })
    }
}

impl From<WriteResult> for Written {
    fn from(answer: WriteResult) -> Self {
        Self {
            revision: answer.next_expected_version,
            position: told(answer.position),
        }
    }
}

fn told(position: eventstore::Position) -> Option<Position> {
    Some(Position(position.commit)).filter(|at| *at != Position::START && at.0 != u64::MAX)
}

impl Cluster {
    /// Appends, or checks the revision where there is nothing to append.
    pub(super) async fn append(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: &[NewEvent],
    ) -> Result<Appended, AppendError> {
        if events.is_empty() {
            return self.append_nothing(stream, expected).await;
        }
        let mut data = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            data.push(proposed(event).ok_or_else(|| AppendError::Invalid {
                index,
                problem: "it is said to be JSON, and is not UTF-8".into(),
            })?);
        }
        let before = self.seen();
        let fail = |trouble: Trouble| trouble.of_append(stream, expected);
        let written = match self.append_on_line(stream, expected, data.clone()).await {
            Some(written) => written,
            None => self
                .send(stream, expected, data)
                .await
                .map_err(fail)?
                .into(),
        };
        let position = match written.position {
            Some(position) => position,
            None => self.head().await.map_err(fail)?,
        };
        self.saw(position);
        Ok(Appended {
            revision: Some(written.revision),
            position,
            repeated: written.position.is_none() || position <= before,
        })
    }

    /// Judged here: the server takes an append of nothing for a new beginning of a deleted stream.
    async fn append_nothing(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Appended, AppendError> {
        let fail = |trouble: Trouble| trouble.of_append(stream, expected);
        let current = self.last_revision(stream).await.map_err(fail)?;
        let (metadata, described) = self.visible_metadata(stream).await.map_err(fail)?;
        let deleted = rules::is_soft_deleted(&metadata);
        let fits = match expected {
            Expected::Any => true,
            Expected::NoStream => current.is_none() || deleted,
            Expected::StreamExists if deleted => return Err(fail(Trouble::Deleted)),
            Expected::StreamExists => current.is_some() || described.is_some(),
            Expected::Exact(revision) => current == Some(revision),
        };
        if !fits {
            return Err(fail(Trouble::WrongRevision(current)));
        }
        Ok(Appended {
            revision: current,
            position: self.head().await.map_err(fail)?,
            repeated: false,
        })
    }

    async fn send(
        &self,
        stream: &StreamName,
        expected: Expected,
        data: Vec<EventData>,
    ) -> Result<WriteResult, Trouble> {
        let options = AppendToStreamOptions::default().expected_revision(revision(expected));
        let options = match self.user() {
            Some(user) => options.authenticated(user),
            None => options,
        };
        self.call(|client| {
            let (name, options, data) = (stream.to_string(), options.clone(), data.clone());
            async move { step(client.append_to_stream(name, &options, data)).await }
        })
        .await
    }

    /// The stream's last revision, hidden or not, without reading it.
    pub(super) async fn last_revision(
        &self,
        stream: &StreamName,
    ) -> Result<Option<Revision>, Trouble> {
        match self.send(stream, Expected::Exact(NEVER), Vec::new()).await {
            Err(Trouble::WrongRevision(current)) => Ok(current),
            Err(other) => Err(other),
            Ok(_) => Err(Trouble::Refused(format!(
                "an append to {stream} at revision {NEVER} was taken"
            ))),
        }
    }

    /// Deletes or tombstones.
    pub(super) async fn end(
        &self,
        stream: &StreamName,
        expected: Expected,
        ending: Ending,
    ) -> Result<Position, AppendError> {
        let fail = |trouble: Trouble| trouble.of_append(stream, expected);
        let done = match ending {
            Ending::Delete => self.delete(stream, expected).await,
            Ending::Tombstone => self.tombstone(stream, expected).await,
        };
        let position = match done {
            Ok(Some(position)) => Position(position.commit),
            Ok(None) => self.head().await.map_err(fail)?,
            Err(Trouble::Precondition) => {
                let current = self.last_revision(stream).await.map_err(fail)?;
                return Err(fail(Trouble::WrongRevision(current)));
            }
            Err(trouble) => return Err(fail(trouble)),
        };
        self.saw(position);
        Ok(position)
    }

    async fn delete(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Option<eventstore::Position>, Trouble> {
        let options = DeleteStreamOptions::default().expected_revision(revision(expected));
        let options = match self.user() {
            Some(user) => options.authenticated(user),
            None => options,
        };
        self.call(|client| {
            let (name, options) = (stream.to_string(), options.clone());
            async move { step(client.delete_stream(name, &options)).await }
        })
        .await
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Option<eventstore::Position>, Trouble> {
        let options = TombstoneStreamOptions::default().expected_revision(revision(expected));
        let options = match self.user() {
            Some(user) => options.authenticated(user),
            None => options,
        };
        self.call(|client| {
            let (name, options) = (stream.to_string(), options.clone());
            async move { step(client.tombstone_stream(name, &options)).await }
        })
        .await
    }
}

pub(super) fn revision(expected: Expected) -> ExpectedRevision {
    match expected {
        Expected::Any => ExpectedRevision::Any,
        Expected::NoStream => ExpectedRevision::NoStream,
        Expected::StreamExists => ExpectedRevision::StreamExists,
        Expected::Exact(revision) => ExpectedRevision::Exact(revision),
    }
}
