//! Which log a call is for, and whether it may come in.
//!
//! One log takes every call. Of several, the user of the connection string names one and the password says who asks:
//! the official clients can send nothing else with every call. What clients ask before they say who they are, the list
//! of methods and gossip, is the same for all logs.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use tonic::Status;
use tonic::service::Routes;

use super::node::Node;

/// Services that clients call without credentials.
const ANONYMOUS: [&str; 2] = [
    "/event_store.client.server_features.ServerFeatures/",
    "/event_store.client.gossip.Gossip/",
];

/// Judges who comes in.
#[tonic::async_trait]
pub trait Gate: Send + Sync + 'static {
    /// Lets a call of `method` on the log of that name in, or answers why not.
    ///
    /// # Errors
    /// The status that the client is answered with.
    async fn admit(&self, log: &str, password: &str, method: &str) -> Result<(), Status>;
}

/// One served log and its services.
pub(super) struct Served {
    pub(super) node: Arc<Node>,
    pub(super) routes: Routes,
}

/// All that is behind one address.
pub(super) enum Front {
    One(Served),
    Several {
        any: Served,
        logs: BTreeMap<String, Served>,
        gate: Arc<dyn Gate>,
    },
}

impl Front {
    /// A node for what is the same for all.
    pub(super) fn any(&self) -> &Served {
        match self {
            Self::One(served) | Self::Several { any: served, .. } => served,
        }
    }

    /// The log that the call is for.
    pub(super) async fn choose(&self, path: &str, headers: &HeaderMap) -> Result<&Served, Status> {
        let (logs, gate) = match self {
            Self::One(served) => return Ok(served),
            Self::Several { any, .. } if ANONYMOUS.iter().any(|open| path.starts_with(open)) => {
                return Ok(any);
            }
            Self::Several { logs, gate, .. } => (logs, gate),
        };
        let Some((user, password)) = basic(headers) else {
            return Err(Status::unauthenticated(
                "the user of the connection names a log, its password says who asks",
            ));
        };
        let Some(served) = logs.get(&user) else {
            let names: Vec<&str> = logs.keys().map(String::as_str).collect();
            return Err(Status::unauthenticated(format!(
                "no log is named '{user}'; there are {}",
                names.join(", ")
            )));
        };
        gate.admit(&user, &password, path).await?;
        Ok(served)
    }
}

/// User and password of `authorization: Basic`.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = STANDARD.decode(encoded.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn credentials_are_read_as_clients_send_them() {
        let sent = format!("Basic {}", STANDARD.encode("tasks:a.b:c"));
        assert_eq!(
            basic(&headers(&sent)),
            Some(("tasks".into(), "a.b:c".into()))
        );
        assert_eq!(basic(&headers("Bearer a.b")), None);
        assert_eq!(basic(&headers("Basic !")), None);
        assert_eq!(basic(&HeaderMap::new()), None);
    }
}
