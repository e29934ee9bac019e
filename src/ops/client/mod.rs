//! Calls by description: any method of Annals and of the standard health service, request and reply as JSON, without
//! generated code.
//!
//! Used by `annals call`; anything that reads requests from files can use it.

mod codec;
mod connect;
mod table;

pub use codec::DynamicCodec;
pub use connect::{ConnectError, Target};
pub use table::{to_table, unknown_columns};

use http::uri::PathAndQuery;
use prost_reflect::{
    DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions, ServiceDescriptor,
};
use tonic::Status;
use tonic::client::Grpc;
use tonic::transport::Channel;

use crate::proto::DESCRIPTORS;

/// Why a request could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The descriptors are not what the build wrote.
    #[error("descriptors cannot be read: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// No such method.
    #[error(
        "no method {0}; methods are named as attendance.ClockIn or annals.attendance.v1.AttendanceService/ClockIn"
    )]
    UnknownMethod(String),
    /// The JSON is not the method's request.
    #[error("request is not a {expected}: {cause}")]
    NotTheRequest {
        /// The request's type.
        expected: String,
        /// What does not fit.
        cause: serde_json::Error,
    },
    /// The server answered an error, or there was no server.
    #[error("{}", describe(.0))]
    Status(Box<Status>),
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// Every method there is.
pub struct Methods(DescriptorPool);

impl Methods {
    /// Those of this build.
    pub fn load() -> Result<Self, CallError> {
        let mut pool = DescriptorPool::decode(DESCRIPTORS)?;
        pool.decode_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)?;
        Ok(Self(pool))
    }

    /// The services.
    pub fn services(&self) -> impl Iterator<Item = ServiceDescriptor> {
        self.0.services()
    }

    /// By full name (`package.Service/Method`) or short name (`room.Method`).
    pub fn find(&self, name: &str) -> Result<MethodDescriptor, CallError> {
        let unknown = || CallError::UnknownMethod(name.to_owned());
        let (service, method) = match name.trim_start_matches('/').split_once('/') {
            Some(full) => full,
            None => name.rsplit_once('.').ok_or_else(unknown)?,
        };
        self.0
            .services()
            .find(|candidate| {
                candidate.full_name() == service || room(candidate.full_name()) == Some(service)
            })
            .and_then(|service| {
                service
                    .methods()
                    .find(|candidate| candidate.name() == method)
            })
            .ok_or_else(unknown)
    }
}

/// `attendance` of `annals.attendance.v1.AttendanceService`.
#[must_use]
pub fn room(service: &str) -> Option<&str> {
    service.strip_prefix("annals.")?.split('.').next()
}

/// Reads proto JSON as the request of `method`.
pub fn request(method: &MethodDescriptor, json: &str) -> Result<DynamicMessage, CallError> {
    let expected = method.input();
    let name = expected.full_name().to_owned();
    let read = || {
        let mut json = serde_json::Deserializer::from_str(json);
        let message = DynamicMessage::deserialize(expected, &mut json)?;
        json.end().map(|()| message)
    };
    read().map_err(|cause| CallError::NotTheRequest {
        expected: name,
        cause,
    })
}

/// Sends `request` and answers the reply.
pub async fn call(
    channel: Channel,
    method: &MethodDescriptor,
    request: tonic::Request<DynamicMessage>,
) -> Result<DynamicMessage, CallError> {
    let status = |status: Status| CallError::Status(Box::new(status));
    let mut grpc = Grpc::new(channel);
    grpc.ready()
        .await
        .map_err(|error| status(Status::unavailable(error.to_string())))?;
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = PathAndQuery::try_from(path)
        .map_err(|error| status(Status::internal(error.to_string())))?;
    let codec = DynamicCodec::new(method.clone());
    let reply = grpc.unary(request, path, codec).await.map_err(status)?;
    Ok(reply.into_inner())
}

/// A message as JSON, with the fields that hold their default left in: a reader sees zero as zero.
pub fn to_json(message: &DynamicMessage) -> Result<String, serde_json::Error> {
    let options = SerializeOptions::new().skip_default_fields(false);
    let mut text = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::pretty(&mut text), &options)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Code, reason, message and remedy in one line.
fn describe(status: &Status) -> String {
    use tonic_types::StatusExt as _;
    let mut line = format!("{:?}", status.code());
    let info = status.get_details_error_info();
    if let Some(info) = &info {
        line = format!("{line} {}", info.reason);
    }
    line = format!("{line}: {}", status.message());
    if let Some(remedy) = info.and_then(|info| info.metadata.get("remedy").cloned()) {
        line = format!("{line} ({remedy})");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found_by_short_and_by_full_name() {
        let methods = Methods::load().unwrap();
        for name in [
            "attendance.ClockIn",
            "annals.attendance.v1.AttendanceService/ClockIn",
            "/annals.attendance.v1.AttendanceService/ClockIn",
        ] {
            let method = methods.find(name).unwrap();
            assert_eq!(
                method.input().full_name(),
                "annals.attendance.v1.ClockInRequest"
            );
        }
        assert!(methods.find("grpc.health.v1.Health/Check").is_ok());
        for name in ["", "ClockIn", "attendance.ClockUp", "google.ClockIn", "/"] {
            assert!(methods.find(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_field_that_the_request_has_not_is_named() {
        let method = Methods::load().unwrap().find("attendance.ClockIn").unwrap();
        assert!(request(&method, r#"{"requestId":"x","date":"2024-01-01"}"#).is_ok());
        assert!(request(&method, r#"{"request_id":"x"}"#).is_ok());
        let error = request(&method, r#"{"day":"2024-01-01"}"#).unwrap_err();
        assert!(error.to_string().contains("day"), "{error}");
        assert!(request(&method, "{} {}").is_err());
    }
}
