//! From an address and credentials to a connection that keeps itself alive.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, Instant},
};

use async_nats::{Client, ClientError, ConnectError, ConnectErrorKind, ConnectOptions, Event, jetstream};
use jetstream::{
    ErrorCode,
    context::{ContextBuilder, RequestErrorKind},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{Error, streams::is_not_ready};

/// A connection on which nothing comes back for about twice this time is given up and made anew: an ack wait, which is
/// longer, must not be the first to notice.
const PING_EVERY: Duration = Duration::from_secs(5);

/// How long the server may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A server with which nobody answers for JetStream so long has none.
const NOBODY_FOR: Duration = Duration::from_secs(2);

/// Between two attempts to connect.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Where the servers are: `nats://HOST:PORT` or `tls://HOST:PORT`, several separated by commas.
///
/// ```
/// use cluster::Address;
///
/// assert_eq!("nats://one:4222,two".parse::<Address>().unwrap().to_string(), "nats://one:4222,nats://two");
/// let error = "nats://me:secret@one".parse::<Address>().unwrap_err();
/// assert!(!error.to_string().contains("secret"), "credentials do not belong into an address");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Vec<String>);

/// Why a text is no address. It does not repeat the text, in which a password may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Credentials stand in it, where every user of the machine can read them.
    #[error("credentials do not belong into the address, where others can read them")]
    HasCredentials,
    /// It is no address.
    #[error("expected nats://HOST:PORT or tls://HOST:PORT, several separated by commas")]
    Malformed,
}

/// A password or token: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    None,
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
    /// A file with the seed of an NKey.
    Nkey(PathBuf),
    /// A file with a JWT and the seed that belongs to it, as `nsc` writes it.
    File(PathBuf),
}

/// What encryption needs; it is used if any of these is given, the address says `tls://`, or the server wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates to trust in place of the system's, PEM.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How to get to the servers.
///
/// ```
/// use cluster::{Connection, Credentials};
///
/// let connection = Connection::to("nats://localhost:4222".parse().unwrap())
///     .with_credentials(Credentials::Token("secret".into()));
/// assert!(!format!("{connection:?}").contains("secret"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The servers.
    pub address: Address,
    /// Who we are.
    pub credentials: Credentials,
    /// How it is encrypted.
    pub tls: Tls,
    /// How long to try at the start, and how long a full queue may stay full.
    pub timeout: Duration,
}

impl Connection {
    /// To these servers, without credentials, for 10 seconds.
    #[must_use]
    pub fn to(address: Address) -> Connection {
        let (credentials, tls) = (Credentials::None, Tls::default());
        Connection { address, credentials, tls, timeout: Duration::from_secs(10) }
    }

    /// The same as somebody.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Connection {
        Connection { credentials, ..self }
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Address, BadAddress> {
        let server = |text: &str| {
            let text = text.trim();
            let (scheme, host) = text.split_once("://").unwrap_or(("nats", text));
            if host.contains('@') {
                return Err(BadAddress::HasCredentials);
            }
            let is_bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '?' | '#');
            let is_known = matches!(scheme, "nats" | "tls");
            let url = format!("{scheme}://{host}");
            let is_address = is_known && !host.is_empty() && !host.contains(is_bad);
            let parsed = is_address && url.parse::<async_nats::ServerAddr>().is_ok();
            if parsed { Ok(url) } else { Err(BadAddress::Malformed) }
        };
        text.split(',').map(server).collect::<Result<_, _>>().map(Address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Secret {
        Secret(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Whether there is a connection, and how many there have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) up: bool,
    /// Counts connections: what was asked on an earlier one may never be answered.
    pub(crate) number: u64,
}

/// A connection that is made anew when it is lost.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) line: watch::Receiver<Line>,
    /// Why the server does not take us back, if it says so: the credentials may have been changed meanwhile.
    pub(crate) refused: watch::Receiver<Option<String>>,
    pub(crate) server: String,
    /// How long to ask again at the start.
    pub(crate) patience: Duration,
}

impl Session {
    /// Connects, and makes sure that there is JetStream.
    pub(crate) async fn open(connection: &Connection, name: &str) -> Result<Session, Error> {
        let start = Instant::now();
        let (options, line, refused) = options(connection, name)?;
        let servers: Vec<&str> = connection.address.0.iter().map(String::as_str).collect();
        let client = loop {
            let left = connection.timeout.saturating_sub(start.elapsed());
            let cause = match timeout(left, options.clone().connect(&servers[..])).await {
                Ok(Ok(client)) => break client,
                Ok(Err(error)) => match fatal(&error, connection) {
                    Some(fatal) => return Err(fatal),
                    None => described(&error),
                },
                Err(_) => "it does not answer".to_owned(),
            };
            if start.elapsed() + RETRY_AFTER >= connection.timeout {
                let (server, waited) = (connection.address.to_string(), connection.timeout);
                return Err(Error::Unreachable { server, waited, cause });
            }
            sleep(RETRY_AFTER).await;
        };
        let context = ContextBuilder::new().timeout(ANSWER_WITHIN).backpressure_on_inflight(true);
        let session = Session {
            jetstream: context.build(client.clone()),
            client,
            line,
            refused,
            server: connection.address.to_string(),
            patience: connection.timeout,
        };
        session.expect_jetstream(connection.timeout).await?;
        Ok(session)
    }

    /// A server that has just been started answers before its JetStream does, and servers that choose a leader have none for
    /// now.
    async fn expect_jetstream(&self, patience: Duration) -> Result<(), Error> {
        let start = Instant::now();
        let missing = |cause| Error::NoJetStream { server: self.server.clone(), cause };
        loop {
            // Read as plain JSON: the client's type for it wants fields that older servers do not send.
            let answer: Result<serde_json::Value, _> = self.jetstream.request("INFO", &()).await;
            let (error, patience) = match answer {
                Ok(answer) => match answer.get("error") {
                    None => return Ok(()),
                    Some(error) => {
                        let cause = error["description"].as_str().unwrap_or_default().to_owned();
                        match ErrorCode(error["err_code"].as_u64().unwrap_or_default()) {
                            code if is_not_ready(code) => (Error::NoAnswer(cause), patience),
                            _ => return Err(missing(cause)),
                        }
                    }
                },
                Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                    (missing(error.to_string()), patience.min(NOBODY_FOR))
                }
                Err(error) => (Error::NoAnswer(error.to_string()), patience),
            };
            if start.elapsed() + RETRY_AFTER >= patience {
                return Err(error);
            }
            sleep(RETRY_AFTER).await;
        }
    }

    /// The most bytes that a message's payload may have, with room for its headers.
    pub(crate) fn most_bytes(&self) -> usize {
        let most = self.client.server_info().max_payload;
        if most == 0 { 1 << 19 } else { most.saturating_sub(4096).max(1024) }
    }

    /// Sends what has been handed over, if there is anybody to send it to.
    pub(crate) async fn flush(&self) {
        let _ = timeout(Duration::from_millis(500), self.client.flush()).await;
    }
}

/// What the server said when it last refused the credentials.
type Refusal = Option<String>;

/// The client's options, and the news of its connection.
fn options(
    connection: &Connection,
    name: &str,
) -> Result<(ConnectOptions, watch::Receiver<Line>, watch::Receiver<Refusal>), Error> {
    let (tell, line) = watch::channel(Line::default());
    let (tell_refusal, refused) = watch::channel(None);
    let mut options = ConnectOptions::new()
        .name(name)
        .ping_interval(PING_EVERY)
        .connection_timeout(connection.timeout.clamp(Duration::from_secs(1), ANSWER_WITHIN))
        .request_timeout(Some(ANSWER_WITHIN))
        // At once, and then twice a second: to nodes that wait, a server that is back is worth more than its peace.
        .reconnect_delay_callback(|attempts| Duration::from_millis((attempts as u64 * 50).min(500)))
        .event_callback(move |event| {
            match event {
                Event::Connected => {
                    tell_refusal.send_replace(None);
                    tell.send_modify(|line| *line = Line { up: true, number: line.number + 1 });
                }
                Event::Disconnected | Event::Closed => tell.send_modify(|line| line.up = false),
                // It comes with each attempt.
                Event::ClientError(ClientError::Other(cause)) if is_refusal(&cause) => {
                    tell_refusal.send_if_modified(|told| told.replace(cause).is_none());
                }
                _ => {}
            }
            std::future::ready(())
        });
    options = match &connection.credentials {
        Credentials::None => options,
        Credentials::Password { user, password } => {
            options.user_and_password(user.clone(), password.0.clone())
        }
        Credentials::Token(token) => options.token(token.0.clone()),
        Credentials::Nkey(path) => options.nkey(read(path)?.trim().to_owned()),
        Credentials::File(path) => {
            options.credentials(&read(path)?).map_err(|error| bad_file(path, error))?
        }
    };
    let Tls { ca, identity } = &connection.tls;
    let is_wanted = connection.address.0.iter().any(|server| server.starts_with("tls://"));
    if let Some(ca) = ca {
        read(ca)?;
        options = options.add_root_certificates(ca.clone());
    }
    if let Some((certificate, key)) = identity {
        read(certificate)?;
        read(key)?;
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok((options.require_tls(is_wanted || ca.is_some() || identity.is_some()), line, refused))
}

/// Whether it is not the network that keeps us away. The client passes on the text alone.
fn is_refusal(cause: &str) -> bool {
    let kinds =
        [ConnectErrorKind::Authentication, ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Tls];
    kinds.iter().any(|kind| kind.to_string() == cause)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| bad_file(path, error))
}

fn bad_file(path: &Path, error: impl fmt::Display) -> Error {
    Error::File { path: path.to_owned(), cause: error.to_string() }
}

/// What another attempt would not change.
fn fatal(error: &ConnectError, connection: &Connection) -> Option<Error> {
    let (server, cause) = (connection.address.to_string(), described(error));
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            Some(Error::Refused { server, cause })
        }
        ConnectErrorKind::Tls => Some(Error::Tls { server, cause }),
        _ => None,
    }
}

/// An error and what is below it.
fn described(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        below = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_without_a_word_of_it() {
        for bad in ["", "nats://", "http://a", "nats://a b", "nats://a/b", "a,,b", "nats://a:port"] {
            assert_eq!(bad.parse::<Address>(), Err(BadAddress::Malformed), "{bad}");
        }
        for bad in ["nats://u:p@a", "tls://token@a:1", "a,u:p@b"] {
            assert_eq!(bad.parse::<Address>(), Err(BadAddress::HasCredentials), "{bad}");
        }
        assert_eq!("localhost".parse::<Address>().unwrap().to_string(), "nats://localhost");
        assert_eq!("tls://[::1]:4222".parse::<Address>().unwrap().to_string(), "tls://[::1]:4222");
    }
}
