//! The methods of the API by service and name, from the descriptors built into this program.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message as _;
use prost_reflect::MethodDescriptor;

use crate::ops::client::{CallError, Methods, request, room};

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
    descriptor: MethodDescriptor,
}

impl Method {
    /// The request's bytes.
    ///
    /// # Errors
    /// What does not fit the request's type.
    pub(super) fn encode(&self, json: &str) -> Result<Bytes, CallError> {
        Ok(request(&self.descriptor, json)?.encode_to_vec().into())
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
            descriptor: method.clone(),
        })
    }
}

/// Every unary method of `annals.<service>.v1`.
pub(super) struct Catalog {
    methods: HashMap<String, HashMap<String, Arc<Method>>>,
}

impl Catalog {
    /// Reads the descriptors.
    pub(super) fn load() -> Result<Self, CallError> {
        let mut methods: HashMap<String, HashMap<String, Arc<Method>>> = HashMap::new();
        for service in Methods::load()?.services() {
            let Some(short) = room(service.full_name()) else {
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
