//! A read request, checked: which of the shapes that make sense it has.

use tonic::Status;

use super::errors::{malformed, unset};
use super::filter::EventFilter;
use super::messages::{UuidForm, read_position, read_revision, read_stream_name};
use crate::kernel::{Revision, StreamName};
use crate::log::Direction;
use crate::proto::event_store::client::streams as proto;
use proto::read_req::{Options, options};

/// What to read.
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) direction: Direction,
    pub(super) shape: Shape,
}

/// How events are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Links are followed.
    pub(super) resolve: bool,
    pub(super) form: UuidForm,
    /// The client knows the messages that name the first and last revision.
    pub(super) positions: bool,
}

/// Of what, and how much.
pub(super) enum Target {
    Stream(StreamName, From<Revision>, u64),
    All(From<u64>, u64, Option<EventFilter>),
    StreamLive(StreamName, From<Revision>),
    AllLive(From<u64>, Option<EventFilter>),
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From<T> {
    Start,
    At(T),
    End,
}

impl<T> From<T> {
    fn of(number: Option<T>) -> Self {
        number.map_or(Self::End, Self::At)
    }
}

/// Checks a request.
pub(super) fn plan(request: proto::ReadReq) -> Result<Plan, Status> {
    let Some(options) = request.options else {
        return Err(malformed("the options are missing"));
    };
    if options.stream_option.is_none() {
        return Err(unset("Streams.ReadReq+Types+Options+StreamOption"));
    }
    check_combination(&options)?;
    let shape = shape(&options)?;
    let direction = if backwards(&options) {
        Direction::Backward
    } else {
        Direction::Forward
    };
    let filter = match options.filter_option {
        Some(options::FilterOption::Filter(filter)) => {
            let live = matches!(
                options.count_option,
                Some(options::CountOption::Subscription(_))
            );
            Some(EventFilter::parse(filter, live)?)
        }
        Some(options::FilterOption::NoFilter(_)) | None => None,
    };
    let target = match (options.stream_option, options.count_option) {
        (Some(options::StreamOption::Stream(stream)), count) => {
            let name = read_stream_name(stream.stream_identifier.as_ref())?;
            let from = revision(stream.revision_option)?;
            match count {
                Some(options::CountOption::Count(count)) => Target::Stream(name, from, count),
                Some(options::CountOption::Subscription(_)) | None => {
                    Target::StreamLive(name, from)
                }
            }
        }
        (Some(options::StreamOption::All(all)), count) => {
            let from = position(all.all_option)?;
            match count {
                Some(options::CountOption::Count(count)) => Target::All(from, count, filter),
                Some(options::CountOption::Subscription(_)) | None => Target::AllLive(from, filter),
            }
        }
        (None, _) => return Err(unset("Streams.ReadReq+Types+Options+StreamOption")),
    };
    Ok(Plan {
        target,
        direction,
        shape,
    })
}

fn backwards(options: &Options) -> bool {
    options.read_direction == options::ReadDirection::Backwards as i32
}

/// Only some of the choices go together; the text is the official server's.
fn check_combination(options: &Options) -> Result<(), Status> {
    let stream = matches!(
        options.stream_option,
        Some(options::StreamOption::Stream(_))
    );
    let (count, live) = match options.count_option {
        Some(options::CountOption::Count(_)) => ("Count", false),
        Some(options::CountOption::Subscription(_)) => ("Subscription", true),
        None => ("None", false),
    };
    let (filter, filtered) = match options.filter_option {
        Some(options::FilterOption::Filter(_)) => ("Filter", true),
        Some(options::FilterOption::NoFilter(_)) => ("NoFilter", false),
        None => ("None", false),
    };
    let direction = options::ReadDirection::try_from(options.read_direction).ok();
    let wrong = count == "None"
        || filter == "None"
        || direction.is_none()
        || (stream && filtered)
        || (live && backwards(options));
    if !wrong {
        return Ok(());
    }
    let of = if stream { "Stream" } else { "All" };
    let way = direction.map_or_else(
        || options.read_direction.to_string(),
        |way| way.as_str_name().to_owned(),
    );
    Err(malformed(format!(
        "The combination of ({of}, {count}, {way}, {filter}) is invalid."
    )))
}

fn shape(options: &Options) -> Result<Shape, Status> {
    let Some(form) = &options.uuid_option else {
        return Err(unset("Streams.ReadReq+Types+Options+UUIDOption"));
    };
    let form = match form.content {
        Some(options::uuid_option::Content::String(_)) => UuidForm::Text,
        Some(options::uuid_option::Content::Structured(_)) | None => UuidForm::Structured,
    };
    Ok(Shape {
        resolve: options.resolve_links,
        form,
        positions: options
            .control_option
            .is_some_and(|control| control.compatibility >= 1),
    })
}

fn revision(
    option: Option<options::stream_options::RevisionOption>,
) -> Result<From<Revision>, Status> {
    use options::stream_options::RevisionOption as Said;
    match option {
        None => Err(malformed("the revision to read from is missing")),
        Some(Said::Start(_)) => Ok(From::Start),
        Some(Said::End(_)) => Ok(From::End),
        Some(Said::Revision(revision)) => Ok(From::of(read_revision(revision)?)),
    }
}

fn position(option: Option<options::all_options::AllOption>) -> Result<From<u64>, Status> {
    use options::all_options::AllOption as Said;
    match option {
        None => Err(malformed("the position to read from is missing")),
        Some(Said::Start(_)) => Ok(From::Start),
        Some(Said::End(_)) => Ok(From::End),
        Some(Said::Position(at)) => Ok(From::of(read_position(
            at.commit_position,
            at.prepare_position,
        )?)),
    }
}
