//! Replies to appends of a batch: success, or one of the errors that clients tell apart by the type of their detail.

use prost::Message;
use prost_types::Any;
use tonic::Status;
use uuid::Uuid;

use crate::kernel::StreamName;
use crate::log::AppendError;
use crate::log::wire::append::Written;
use crate::log::wire::messages::{Expectation, NONE_OR_END, UuidForm};
use crate::proto::event_store::client as shared;
use crate::proto::google::rpc;
use shared::streams::{BatchAppendResp, batch_append_resp as resp};

/// What every reply to an append carries.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) correlation: Uuid,
    pub(super) form: UuidForm,
    pub(super) name: Option<shared::StreamIdentifier>,
    pub(super) stream: StreamName,
    pub(super) expectation: Expectation,
}

impl Head {
    fn reply(&self, result: resp::Result) -> BatchAppendResp {
        BatchAppendResp {
            correlation_id: Some(self.form.write(self.correlation)),
            result: Some(result),
            stream_identifier: self.name.clone(),
            expected_stream_position: None,
        }
    }

    pub(super) fn success(&self, written: &Written) -> BatchAppendResp {
        use resp::success::{CurrentRevisionOption, PositionOption};
        let revision = written
            .revision
            .map_or(CurrentRevisionOption::NoStream(()), |revision| {
                CurrentRevisionOption::CurrentRevision(revision)
            });
        let position = written
            .position
            .map_or(PositionOption::NoPosition(()), |position| {
                PositionOption::Position(shared::AllStreamPosition {
                    commit_position: position,
                    prepare_position: position,
                })
            });
        self.reply(resp::Result::Success(resp::Success {
            current_revision_option: Some(revision),
            position_option: Some(position),
        }))
    }

    pub(super) fn refusal(&self, error: AppendError) -> BatchAppendResp {
        match error {
            AppendError::WrongExpected { current, .. } => self.wrong(current),
            AppendError::StreamDeleted(_) => {
                let detail = shared::StreamDeleted {
                    stream_identifier: self.name.clone(),
                };
                self.error((rpc::Code::NotFound, "StreamDeleted"), &detail)
            }
            AppendError::Protected(_) => {
                let error = (rpc::Code::PermissionDenied, "AccessDenied");
                self.error(error, &shared::AccessDenied {})
            }
            AppendError::Invalid { .. } => self.bad_request(&error.to_string()),
            AppendError::TooLarge { limit, .. } => self.too_large(limit),
            AppendError::Overloaded { .. } => self.error(
                (rpc::Code::Unavailable, "Server Is Too Busy"),
                &shared::Unknown {},
            ),
            AppendError::StorageFull { cause, .. } | AppendError::Unavailable { cause, .. } => {
                tracing::warn!(cause, "the log is unavailable");
                self.error((rpc::Code::Unknown, "Unknown"), &shared::Unknown {})
            }
        }
    }

    fn wrong(&self, current: Option<u64>) -> BatchAppendResp {
        use shared::wrong_expected_version::{
            CurrentStreamRevisionOption as Current, ExpectedStreamPositionOption as Expected,
        };
        let detail = shared::WrongExpectedVersion {
            current_stream_revision_option: Some(
                current.map_or(Current::CurrentNoStream(()), Current::CurrentStreamRevision),
            ),
            expected_stream_position_option: Some(match self.expectation {
                Expectation::Revision(NONE_OR_END) | Expectation::NoStream => {
                    Expected::ExpectedNoStream(())
                }
                Expectation::Revision(revision) => Expected::ExpectedStreamPosition(revision),
                Expectation::Any => Expected::ExpectedAny(()),
                Expectation::StreamExists => Expected::ExpectedStreamExists(()),
            }),
        };
        self.error((rpc::Code::AlreadyExists, "WrongExpectedVersion"), &detail)
    }

    pub(super) fn too_large(&self, limit: usize) -> BatchAppendResp {
        let detail = shared::MaximumAppendSizeExceeded {
            max_append_size: u32::try_from(limit).unwrap_or(u32::MAX),
        };
        let error = (rpc::Code::InvalidArgument, "MaximumAppendSizeExceeded");
        self.error(error, &detail)
    }

    pub(super) fn bad_request(&self, text: &str) -> BatchAppendResp {
        let detail = shared::BadRequest {
            message: text.to_owned(),
        };
        self.error((rpc::Code::InvalidArgument, "BadRequest"), &detail)
    }

    pub(super) fn timeout(&self, form: UuidForm) -> BatchAppendResp {
        let reply = self.error(
            (rpc::Code::DeadlineExceeded, "Timeout"),
            &shared::Timeout {},
        );
        BatchAppendResp {
            correlation_id: Some(form.write(self.correlation)),
            ..reply
        }
    }

    pub(super) fn error(
        &self,
        (code, message): (rpc::Code, &str),
        detail: &impl Detail,
    ) -> BatchAppendResp {
        self.reply(resp::Result::Error(status(code, message, detail)))
    }
}

/// A detail message and its full name.
pub(super) trait Detail: Message {
    const NAME: &'static str;
}

macro_rules! details {
    ($($message:ident),*) => {
        $(impl Detail for shared::$message {
            const NAME: &'static str = stringify!($message);
        })*
    };
}
details!(
    AccessDenied,
    BadRequest,
    MaximumAppendSizeExceeded,
    StreamDeleted,
    Timeout,
    Unknown,
    WrongExpectedVersion
);

fn status<D: Detail>(code: rpc::Code, message: &str, detail: &D) -> rpc::Status {
    rpc::Status {
        code: code.into(),
        message: message.to_owned(),
        details: Some(Any {
            type_url: format!("type.googleapis.com/event_store.client.{}", D::NAME),
            value: detail.encode_to_vec(),
        }),
    }
}

/// The reply to what makes no append.
pub(super) fn bad_request(
    correlation: Option<shared::Uuid>,
    name: Option<shared::StreamIdentifier>,
    problem: &Status,
) -> BatchAppendResp {
    let detail = shared::BadRequest {
        message: problem.message().to_owned(),
    };
    let error = status(rpc::Code::InvalidArgument, "BadRequest", &detail);
    BatchAppendResp {
        correlation_id: correlation,
        result: Some(resp::Result::Error(error)),
        stream_identifier: name,
        expected_stream_position: None,
    }
}
