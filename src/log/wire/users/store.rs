//! Users in streams of the log.

use std::num::NonZeroU32;
use std::sync::Arc;

use aws_lc_rs::{pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tonic::Status;

use super::{conflict, not_found};
use crate::kernel::{Moment, StreamName};
use crate::log::wire::errors;
use crate::log::wire::messages::{Expectation, TICKS_PER_MICRO};
use crate::log::wire::node::Node;
use crate::log::wire::subscribe::subscription_id;
use crate::log::{AppendError, Direction, Expected, NewEvent, ReadFrom};

/// The stream that names all users that ever were.
const USERS: &str = "$users";

/// The type of its events.
const USER_TYPE: &str = "$User";

/// The type of a user's first event, and of those after it.
const CREATED_TYPE: &str = "$UserCreated";
const UPDATED_TYPE: &str = "$UserUpdated";

/// Who is there from the beginning: login, full name, group.
const BUILT_IN: [(&str, &str, &str); 2] = [
    ("admin", "Event Store Administrator", "$admins"),
    ("ops", "Event Store Operations", "$ops"),
];

/// Their password until somebody changes it.
const FIRST_PASSWORD: &str = "changeit";

/// Names read at a time.
const PAGE: usize = 256;

/// Rounds of the hash of a password: a few milliseconds, for nobody logs in with one here.
const ROUNDS: NonZeroU32 = match NonZeroU32::new(10_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};

/// Bytes of salt and of hash.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// One user, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub(super) login_name: String,
    pub(super) full_name: String,
    salt: String,
    hash: String,
    pub(super) disabled: bool,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    /// When it was last written; not stored, the event has it.
    #[serde(skip)]
    updated: Option<Moment>,
}

impl User {
    pub(super) fn new(login_name: String, full_name: String, groups: Vec<String>) -> Self {
        Self {
            login_name,
            full_name,
            salt: String::new(),
            hash: String::new(),
            disabled: false,
            groups,
            updated: None,
        }
    }

    pub(super) fn set_password(&mut self, password: &str) -> Result<(), Status> {
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).map_err(|_| Status::internal("there is no randomness"))?;
        self.salt = STANDARD.encode(salt);
        self.hash = STANDARD.encode(hash(&salt, password));
        Ok(())
    }

    pub(super) fn has_password(&self, password: &str) -> bool {
        if self.hash.is_empty() {
            return password == FIRST_PASSWORD;
        }
        let (Ok(salt), Ok(hash)) = (STANDARD.decode(&self.salt), STANDARD.decode(&self.hash))
        else {
            return false;
        };
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::verify(algorithm, ROUNDS, &salt, password.as_bytes(), &hash).is_ok()
    }

    /// 100 ns ticks since 1970.
    pub(super) fn updated_ticks(&self) -> i64 {
        let micros = self.updated.map_or(0, Moment::unix_micros);
        micros.saturating_mul(TICKS_PER_MICRO)
    }
}

fn hash(salt: &[u8], password: &str) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, ROUNDS, salt, password.as_bytes(), &mut hash);
    hash
}

/// All users of a node.
pub(super) struct Users {
    node: Arc<Node>,
}

impl Users {
    pub(super) fn of(node: &Arc<Node>) -> Self {
        Self {
            node: Arc::clone(node),
        }
    }

    pub(super) async fn get(&self, login: &str) -> Result<User, Status> {
        self.node.check_writable()?;
        let (user, _) = self.load(login).await?;
        user.ok_or_else(|| not_found(login))
    }

    /// Those that are there from the beginning, then the others in the order in which they came.
    pub(super) async fn all(&self) -> Result<Vec<User>, Status> {
        self.node.check_writable()?;
        let mut users = Vec::new();
        for login in self.logins().await? {
            users.extend(self.load(&login).await?.0);
        }
        Ok(users)
    }

    pub(super) async fn create(&self, user: &User) -> Result<(), Status> {
        self.node.check_writable()?;
        let login = &user.login_name;
        if self.load(login).await?.0.is_some() {
            return Err(conflict(login));
        }
        self.write(user, CREATED_TYPE, Expected::NoStream).await?;
        if self.logins().await?.contains(login) {
            return Ok(());
        }
        let name = event(USER_TYPE, serde_json::to_vec(login));
        let users = named(USERS)?;
        let added = self.node.log.append(&users, Expected::Any, vec![name?]);
        added.await.map(|_| ()).map_err(failed)
    }

    pub(super) async fn change(
        &self,
        login: &str,
        change: impl FnOnce(&mut User) -> Result<(), Status>,
    ) -> Result<(), Status> {
        self.node.check_writable()?;
        let (user, expected) = self.load(login).await?;
        let mut user = user.ok_or_else(|| not_found(login))?;
        change(&mut user)?;
        self.write(&user, UPDATED_TYPE, expected).await
    }

    pub(super) async fn delete(&self, login: &str) -> Result<(), Status> {
        self.node.check_writable()?;
        let (user, expected) = self.load(login).await?;
        if user.is_none() || expected == Expected::NoStream {
            // One that is there from the beginning stays.
            return Err(not_found(login));
        }
        let stream = stream(login)?;
        let deleted = self.node.log.delete(&stream, expected).await;
        deleted.map(|_| ()).map_err(|error| of(login, error))
    }

    /// The user as it stands, and what its stream is expected to be at when it changes.
    async fn load(&self, login: &str) -> Result<(Option<User>, Expected), Status> {
        let stream = stream(login)?;
        let last = self
            .node
            .log
            .read_stream(&stream, ReadFrom::End, Direction::Backward, 1)
            .await
            .map_err(errors::of_read)?;
        if let Some(event) = last.events.first() {
            let mut user: User = serde_json::from_slice(&event.data)
                .map_err(|error| Status::data_loss(format!("{stream} cannot be read: {error}")))?;
            user.updated = Some(event.recorded_at);
            return Ok((Some(user), Expected::Exact(event.revision)));
        }
        let built_in = BUILT_IN.iter().find(|(name, ..)| *name == login);
        let built_in = built_in.map(|(login, name, group)| {
            User::new((*login).into(), (*name).into(), vec![(*group).into()])
        });
        Ok((built_in, Expected::NoStream))
    }

    async fn logins(&self) -> Result<Vec<String>, Status> {
        let mut logins: Vec<String> = BUILT_IN.map(|(login, ..)| login.to_owned()).into();
        let users = named(USERS)?;
        let mut next = 0;
        loop {
            let from = ReadFrom::Revision(next);
            let read = self
                .node
                .log
                .read_stream(&users, from, Direction::Forward, PAGE);
            let slice = read.await.map_err(errors::of_read)?;
            for event in &slice.events {
                next = event.revision.saturating_add(1);
                // Whatever else somebody wrote there is no name.
                logins.extend(serde_json::from_slice::<String>(&event.data).ok());
            }
            if slice.end {
                return Ok(logins);
            }
        }
    }

    async fn write(&self, user: &User, kind: &str, expected: Expected) -> Result<(), Status> {
        let login = &user.login_name;
        let event = event(kind, serde_json::to_vec(user))?;
        let stream = stream(login)?;
        let written = self.node.log.append(&stream, expected, vec![event]);
        written.await.map(|_| ()).map_err(|error| of(login, error))
    }
}

fn event(kind: &str, data: serde_json::Result<Vec<u8>>) -> Result<NewEvent, Status> {
    Ok(NewEvent {
        id: subscription_id(),
        event_type: kind.into(),
        is_json: true,
        data: data
            .map_err(|error| Status::internal(error.to_string()))?
            .into(),
        metadata: bytes::Bytes::new(),
    })
}

fn stream(login: &str) -> Result<StreamName, Status> {
    named(&format!("$user-{login}"))
}

fn named(name: &str) -> Result<StreamName, Status> {
    StreamName::new(name).map_err(|error| errors::malformed(error.to_string()))
}

/// Somebody else changed the user meanwhile, or the log refused.
fn of(login: &str, error: AppendError) -> Status {
    if matches!(error, AppendError::WrongExpected { .. }) {
        return conflict(login);
    }
    failed(error)
}

fn failed(error: AppendError) -> Status {
    errors::of_append(error, Expectation::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_not_stored() {
        let mut user = User::new("ada".into(), "Ada".into(), Vec::new());
        user.set_password("secret").unwrap();
        assert!(user.has_password("secret"));
        assert!(!user.has_password("Secret"));
        assert!(!user.has_password(""));
        let stored = serde_json::to_string(&user).unwrap();
        assert!(!stored.contains("secret"), "{stored}");
    }
}
