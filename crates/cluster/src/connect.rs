//! Connects to the servers with an address and credentials; the connection reconnects by itself.

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

use crate::{Error, error::is_not_ready};

/// Interval of the client's pings. A connection without an answer for about twice this time is closed and
/// opened again. It must be shorter than the ack wait, which would otherwise expire first.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Timeout of one request to the server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Time after which a server whose JetStream API has no responders is considered to have no JetStream.
const NO_RESPONDERS_TIMEOUT: Duration = Duration::from_secs(2);

/// Delay between two attempts to connect.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Addresses of the servers: `nats://HOST:PORT` or `tls://HOST:PORT`, several separated by commas.
///
/// ```
/// use cluster::Address;
///
/// assert_eq!("nats://one:4222,two".parse::<Address>().unwrap().to_string(), "nats://one:4222,nats://two");
/// let error = "nats://me:secret@one".parse::<Address>().unwrap_err();
/// assert!(!error.to_string().contains("secret"), "credentials must not be part of an address");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Vec<String>);

/// The text is not a valid address. The message does not repeat the text, which may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// The address contains credentials, which every user of the machine could read.
    #[error("credentials must not be part of the address, where other users can read them")]
    HasCredentials,
    /// The text is not an address.
    #[error("expected nats://HOST:PORT or tls://HOST:PORT, several separated by commas")]
    Malformed,
}

/// A password or token. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Credentials for the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// No credentials.
    #[default]
    None,
    /// A user with a password.
    Password {
        /// Name of the user.
        user: String,
        /// Password of the user.
        password: Secret,
    },
    /// A token.
    Token(Secret),
    /// Path of a file with the seed of an NKey.
    Nkey(PathBuf),
    /// Path of a file with a JWT and its NKey seed, as written by `nsc`.
    File(PathBuf),
}

/// TLS settings. TLS is used if any of these is set, the address is `tls://`, or the server requires it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of certificates to trust in place of the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of the client certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Settings of a connection to the servers.
///
/// ```
/// use cluster::{Connection, Credentials};
///
/// let connection = Connection::new("nats://localhost:4222".parse().unwrap())
///     .with_credentials(Credentials::Token("secret".into()));
/// assert!(!format!("{connection:?}").contains("secret"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Addresses of the servers.
    pub address: Address,
    /// Credentials.
    pub credentials: Credentials,
    /// TLS settings.
    pub tls: Tls,
    /// How long to retry connecting, and how long a full queue may stay without progress.
    pub timeout: Duration,
}

impl Connection {
    /// Returns settings for these servers without credentials and with a timeout of 10 seconds.
    #[must_use]
    pub fn new(address: Address) -> Connection {
        let (credentials, tls) = (Credentials::None, Tls::default());
        Connection { address, credentials, tls, timeout: Duration::from_secs(10) }
    }

    /// Returns the same settings with these credentials.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Connection {
        Connection { credentials, ..self }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Address, InvalidAddress> {
        let server = |text: &str| {
            let text = text.trim();
            let (scheme, host) = text.split_once("://").unwrap_or(("nats", text));
            if host.contains('@') {
                return Err(InvalidAddress::HasCredentials);
            }
            let is_forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '?' | '#');
            let is_known = matches!(scheme, "nats" | "tls");
            let url = format!("{scheme}://{host}");
            let is_address = is_known && !host.is_empty() && !host.contains(is_forbidden);
            let parsed = is_address && url.parse::<async_nats::ServerAddr>().is_ok();
            if parsed { Ok(url) } else { Err(InvalidAddress::Malformed) }
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

/// State of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkState {
    pub(crate) up: bool,
    /// Number of connections so far. Requests sent on an earlier connection may never be answered.
    pub(crate) number: u64,
}

/// A connection that reconnects when it is lost.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) link: watch::Receiver<LinkState>,
    /// Why the server rejects reconnecting, if it does: the credentials may have been changed meanwhile.
    pub(crate) refused: watch::Receiver<Option<String>>,
    pub(crate) server: String,
    /// How long to retry requests that are not answered.
    pub(crate) retry_timeout: Duration,
}

impl Session {
    /// Connects, and checks that JetStream is available.
    pub(crate) async fn open(connection: &Connection, name: &str) -> Result<Session, Error> {
        let start = Instant::now();
        let (options, link, refused) = options(connection, name)?;
        let servers: Vec<&str> = connection.address.0.iter().map(String::as_str).collect();
        let client = loop {
            let left = connection.timeout.saturating_sub(start.elapsed());
            let cause = match timeout(left, options.clone().connect(&servers[..])).await {
                Ok(Ok(client)) => break client,
                Ok(Err(error)) => match fatal(&error, connection) {
                    Some(fatal) => return Err(fatal),
                    None => error_chain(&error),
                },
                Err(_) => "no answer".to_owned(),
            };
            if start.elapsed() + RETRY_DELAY >= connection.timeout {
                let (server, waited) = (connection.address.to_string(), connection.timeout);
                return Err(Error::Unreachable { server, waited, cause });
            }
            sleep(RETRY_DELAY).await;
        };
        let context = ContextBuilder::new().timeout(REQUEST_TIMEOUT).backpressure_on_inflight(true);
        let session = Session {
            jetstream: context.build(client.clone()),
            client,
            link,
            refused,
            server: connection.address.to_string(),
            retry_timeout: connection.timeout,
        };
        session.require_jetstream(connection.timeout).await?;
        Ok(session)
    }

    /// Waits until JetStream answers. A server that has just been started accepts connections before its
    /// JetStream is ready, and while servers elect a leader there is no JetStream.
    async fn require_jetstream(&self, limit: Duration) -> Result<(), Error> {
        let start = Instant::now();
        let missing = |cause| Error::NoJetStream { server: self.server.clone(), cause };
        loop {
            // Parsed as plain JSON: the client's type for it requires fields that older servers do not send.
            let answer: Result<serde_json::Value, _> = self.jetstream.request("INFO", &()).await;
            let (error, limit) = match answer {
                Ok(answer) => match answer.get("error") {
                    None => return Ok(()),
                    Some(error) => {
                        let cause = error["description"].as_str().unwrap_or_default().to_owned();
                        match ErrorCode(error["err_code"].as_u64().unwrap_or_default()) {
                            code if is_not_ready(code) => (Error::NoAnswer(cause), limit),
                            _ => return Err(missing(cause)),
                        }
                    }
                },
                Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                    (missing(error.to_string()), limit.min(NO_RESPONDERS_TIMEOUT))
                }
                Err(error) => (Error::NoAnswer(error.to_string()), limit),
            };
            if start.elapsed() + RETRY_DELAY >= limit {
                return Err(error);
            }
            sleep(RETRY_DELAY).await;
        }
    }

    /// Returns the maximum size of a message's payload in bytes, leaving room for its headers.
    pub(crate) fn max_payload(&self) -> usize {
        let max = self.client.server_info().max_payload;
        if max == 0 { 1 << 19 } else { max.saturating_sub(4096).max(1024) }
    }

    /// Sends buffered messages, waiting at most 500 ms.
    pub(crate) async fn flush(&self) {
        let _ = timeout(Duration::from_millis(500), self.client.flush()).await;
    }
}

/// The server's message when it last rejected the credentials.
type Refusal = Option<String>;

/// Returns the client's options, and receivers for the state of the link and for rejections.
fn options(
    connection: &Connection,
    name: &str,
) -> Result<(ConnectOptions, watch::Receiver<LinkState>, watch::Receiver<Refusal>), Error> {
    let (link_sender, link) = watch::channel(LinkState::default());
    let (refusal_sender, refused) = watch::channel(None);
    let mut options = ConnectOptions::new()
        .name(name)
        .ping_interval(PING_INTERVAL)
        .connection_timeout(connection.timeout.clamp(Duration::from_secs(1), REQUEST_TIMEOUT))
        .request_timeout(Some(REQUEST_TIMEOUT))
        // The first attempt at once, then with a growing delay of at most 500 ms: waiting nodes need the
        // server back soon, and the load of two attempts per second is negligible.
        .reconnect_delay_callback(|attempts| Duration::from_millis((attempts as u64 * 50).min(500)))
        .event_callback(move |event| {
            match event {
                Event::Connected => {
                    refusal_sender.send_replace(None);
                    link_sender.send_modify(|link| *link = LinkState { up: true, number: link.number + 1 });
                }
                Event::Disconnected | Event::Closed => link_sender.send_modify(|link| link.up = false),
                // The client reports this with each attempt; only the first one is a change.
                Event::ClientError(ClientError::Other(cause)) if is_refusal(&cause) => {
                    refusal_sender.send_if_modified(|last| last.replace(cause).is_none());
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
    Ok((options.require_tls(is_wanted || ca.is_some() || identity.is_some()), link, refused))
}

/// Returns whether reconnecting fails because of credentials or TLS and not because of the network. The
/// client passes on only the text of the error.
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

/// Returns the error if another attempt could not succeed.
fn fatal(error: &ConnectError, connection: &Connection) -> Option<Error> {
    let (server, cause) = (connection.address.to_string(), error_chain(error));
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            Some(Error::Unauthorized { server, cause })
        }
        ConnectErrorKind::Tls => Some(Error::Tls { server, cause }),
        _ => None,
    }
}

/// Formats an error with its sources.
fn error_chain(error: &dyn std::error::Error) -> String {
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
    fn rejects_invalid_addresses_without_repeating_them() {
        for bad in ["", "nats://", "http://a", "nats://a b", "nats://a/b", "a,,b", "nats://a:port"] {
            assert_eq!(bad.parse::<Address>(), Err(InvalidAddress::Malformed), "{bad}");
        }
        for bad in ["nats://u:p@a", "tls://token@a:1", "a,u:p@b"] {
            assert_eq!(bad.parse::<Address>(), Err(InvalidAddress::HasCredentials), "{bad}");
        }
        assert_eq!("localhost".parse::<Address>().unwrap().to_string(), "nats://localhost");
        assert_eq!("tls://[::1]:4222".parse::<Address>().unwrap().to_string(), "tls://[::1]:4222");
    }
}
