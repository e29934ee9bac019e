//! The methods of the API by service and name, from the descriptors built into this program.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};

use super::error::ImportError;

/// The reply that every command answers.
const COMMAND_REPLY: &str = "annals.common.v1.CommandReply";

/// One unary method.
pub(super) struct Method {
    /// `<service>.<Method>`, as reports and the policy table name it.
    pub(super) name: String,
    /// The gRPC path.
    pub(super) path: PathAndQuery,
    /// Whether it answers a `CommandReply`.
    pub(super) is_command: bool,
    input: MessageDescriptor,
}

impl Method {
    /// The request's bytes.
    ///
    /// # Errors
    /// What does not fit the request's type.
    pub(super) fn encode(&self, json: &str) -> Result<Bytes, serde_json::Error> {
        let mut text = serde_json::Deserializer::from_str(json);
        let message = DynamicMessage::deserialize(self.input.clone(), &mut text)?;
        text.end()?;
        Ok(message.encode_to_vec().into())
    }

    fn of(service: &str, method: &MethodDescriptor) -> Option<Self> {
        if method.is_client_streaming() || method.is_server_streaming() {
            return None;
        }
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        Some(Self {
            name: format!("{service}.{}", method.name()),
            path: path.parse().ok()?,
            is_command: method.output().full_name() == COMMAND_REPLY,
            input: method.input(),
        })
    }
}

/// Every unary method of `annals.<service>.v1`.
pub(super) struct Catalog {
    methods: HashMap<String, HashMap<String, Arc<Method>>>,
}

impl Catalog {
    /// Reads the descriptors.
    pub(super) fn load() -> Result<Self, ImportError> {
        let pool = DescriptorPool::decode(crate::proto::DESCRIPTORS)
            .map_err(|error| ImportError::Descriptors(error.to_string()))?;
        let mut methods: HashMap<String, HashMap<String, Arc<Method>>> = HashMap::new();
        for service in pool.services() {
            let Some(short) = short_name(service.package_name()) else {
                continue;
            };
            let known = methods.entry(short.to_owned()).or_default();
            for method in service.methods() {
                if let Some(found) = Method::of(short, &method) {
                    known.insert(method.name().to_owned(), Arc::new(found));
                }
            }
        }
        Ok(Self { methods })
    }

    /// The method of that name.
    pub(super) fn find(&self, service: &str, method: &str) -> Option<&Arc<Method>> {
        self.methods.get(service)?.get(method)
    }
}

/// `tasks` of `annals.tasks.v1`.
fn short_name(package: &str) -> Option<&str> {
    package.strip_prefix("annals.")?.strip_suffix(".v1")
}
