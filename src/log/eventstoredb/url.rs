//! Connection strings: what the `eventstore` crate would trip over is settled before it sees them.

use std::path::PathBuf;

use eventstore::{ClientSettings, Credentials, NodePreference};

/// The beginnings of connection strings that name a server.
const SCHEMES: [&str; 2] = ["esdb://", "esdb+discover://"];

/// The crate waits this long before each try to connect, the first included; its own default is 500 ms.
const DISCOVERY_INTERVAL_MS: &str = "50";

/// Why a connection string is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme.
    #[error("a connection string begins with esdb:// or esdb+discover://")]
    Scheme,
    /// The crate does not take it.
    #[error("{0}")]
    Malformed(String),
    /// Decisions need what the leader knows.
    #[error(
        "nodePreference must be leader: followers lag behind, and commands are decided on what is read"
    )]
    NotLeader,
    /// A certificate or key that is not there.
    #[error("{option} = {path}: {cause}", path = .path.display())]
    File {
        /// Which option names it.
        option: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
}

/// Whether `text` names a server.
#[must_use]
pub fn is_esdb(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// A connection string without its user and password, for messages.
#[must_use]
pub fn shown(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (authority, tail) = split_authority(rest);
    let hosts = authority
        .rsplit_once('@')
        .map_or(authority, |(_, hosts)| hosts);
    format!("{scheme}://{hosts}{tail}")
}

/// What a connection string asks for.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) settings: ClientSettings,
    pub(super) user: Option<Credentials>,
}

/// Reads a connection string, files that it names included.
pub(super) fn parse(text: &str) -> Result<Connection, UrlError> {
    if !is_esdb(text) {
        return Err(UrlError::Scheme);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    let (authority, tail) = split_authority(rest);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(credentials(user)?), hosts),
        None => (None, authority),
    };
    let mut options = tail
        .split_once('?')
        .map_or_else(String::new, |(_, options)| options.to_owned());
    let names = |name: &str, options: &str| {
        options
            .split('&')
            .any(|pair| pair.to_lowercase().starts_with(&format!("{name}=")))
    };
    if !names("discoveryinterval", &options) {
        add(
            &mut options,
            &format!("discoveryInterval={DISCOVERY_INTERVAL_MS}"),
        );
    }
    // Without TLS the crate still reads the system's certificates, and panics where there are none.
    if options.to_lowercase().contains("tls=false") && !names("tlscafile", &options) {
        add(&mut options, "tlsCaFile=/dev/null");
    }
    let settings: ClientSettings = format!("{scheme}://{hosts}?{options}")
        .parse()
        .map_err(|error| UrlError::Malformed(format!("{error}")))?;
    if settings.node_preference() != NodePreference::Leader {
        return Err(UrlError::NotLeader);
    }
    check_files(&settings)?;
    Ok(Connection { settings, user })
}

fn add(options: &mut String, option: &str) {
    if !options.is_empty() {
        options.push('&');
    }
    options.push_str(option);
}

/// Splits `user@hosts` from what follows, which begins with `/` or `?`.
fn split_authority(rest: &str) -> (&str, &str) {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    rest.split_at(end)
}

/// `user:password`, percent-encoded, which the crate would take as it stands.
fn credentials(text: &str) -> Result<Credentials, UrlError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    Ok(Credentials::new(decoded(user)?, decoded(password)?))
}

fn decoded(text: &str) -> Result<String, UrlError> {
    let malformed =
        || UrlError::Malformed("user and password: % is followed by two hexadecimal digits".into());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            rest.next()
                .and_then(|digit| char::from(digit).to_digit(16))
                .and_then(|digit| u8::try_from(digit).ok())
                .ok_or_else(malformed)
        };
        bytes.push(digit()? * 16 + digit()?);
    }
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    // It becomes a header, where control characters make the crate panic only after being encoded; still no name has them.
    if text.chars().any(char::is_control) {
        return Err(malformed());
    }
    Ok(text)
}

/// A file that cannot be read would end the crate's connection task with a panic.
fn check_files(settings: &ClientSettings) -> Result<(), UrlError> {
    let mut named: Vec<(&'static str, &String)> = Vec::new();
    if let Some(path) = settings.tls_ca_file() {
        named.push(("tlsCaFile", path));
    }
    if let Some((certificate, key)) = settings.user_certificate() {
        named.push(("userCertFile", certificate));
        named.push(("userKeyFile", key));
    }
    for (option, path) in named {
        std::fs::read(path).map_err(|cause| UrlError::File {
            option,
            path: PathBuf::from(path),
            cause: cause.to_string(),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_hosts_and_options_are_read() {
        let connection =
            parse("esdb://admin:ch%40nge%3Ait@a:2113,b:2114,c/?tls=false&connectionName=x")
                .unwrap();
        let hosts: Vec<String> = connection
            .settings
            .hosts()
            .iter()
            .map(|host| format!("{}:{}", host.host, host.port))
            .collect();
        assert_eq!(hosts, ["a:2113", "b:2114", "c:2113"]);
        assert!(!connection.settings.is_secure_mode_enabled());
        assert_eq!(
            connection.user,
            Some(Credentials::new("admin".to_owned(), "ch@nge:it".to_owned()))
        );
    }

    #[test]
    fn what_the_crate_would_trip_over_is_refused() {
        assert_eq!(parse("kurrentdb://a").unwrap_err(), UrlError::Scheme);
        assert_eq!(
            parse("esdb://a?nodePreference=follower").unwrap_err(),
            UrlError::NotLeader
        );
        let missing = parse("esdb://a?tlsCaFile=/nowhere/ca.pem").unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("tlsCaFile = /nowhere/ca.pem: ")
        );
        assert!(matches!(
            parse("esdb://a%zz@b").unwrap_err(),
            UrlError::Malformed(_)
        ));
        assert!(matches!(
            parse("esdb://a:port").unwrap_err(),
            UrlError::Malformed(_)
        ));
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(
            shown("esdb://admin:secret@a:1,b:2?tls=true"),
            "esdb://a:1,b:2?tls=true"
        );
    }
}
