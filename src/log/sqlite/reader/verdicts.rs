//! What a filter said of streams and types, so that each is judged once and not with every event.

use crate::log::sqlite::decode::{Columns, Slots};
use crate::log::{Filter, Match, ReadError, Undecided};

/// The verdicts of one filter, by the numbers of what it judged; as many as names are remembered.
#[derive(Default)]
pub(in crate::log::sqlite) struct Verdicts {
    filter: Filter,
    streams: Slots<bool>,
    types: Slots<bool>,
}

impl Verdicts {
    /// Forgets what another filter said.
    pub(in crate::log::sqlite) fn begin_page(&mut self, filter: &Filter) {
        if self.filter != *filter {
            *self = Self {
                filter: filter.clone(),
                ..Self::default()
            };
        }
    }

    /// Whether the row's event, of this stream and type, passes the filter.
    pub(in crate::log::sqlite) fn admit(
        &mut self,
        row: &Columns,
        stream: &str,
        event_type: &str,
    ) -> Result<bool, ReadError> {
        let streams = &self.filter.streams;
        if !judge(streams, &mut self.streams, row.stream, stream)? {
            return Ok(false);
        }
        let types = &self.filter.types;
        Ok(judge(types, &mut self.types, row.event_type, event_type)?)
    }
}

fn judge(
    names: &Match,
    known: &mut Slots<bool>,
    number: i64,
    name: &str,
) -> Result<bool, Undecided> {
    if matches!(names, Match::Any) {
        return Ok(true);
    }
    if let Some(verdict) = known.get(number) {
        return Ok(*verdict);
    }
    let verdict = names.admits(name)?;
    known.put(number, verdict);
    Ok(verdict)
}
