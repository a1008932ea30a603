//! An error that can be sent to another process.

use std::{
    error::Error,
    fmt::{self, Debug, Display},
    iter,
};

use serde::{Deserialize, Serialize};

/// Error type for jobs that fail with errors of several types: keeps their messages, which can be sent to
/// another process. Any error type converts into it, so `?` works in a job.
///
/// The messages of the sources are kept, too: `{:#}` prints all of them, and a
/// [`JobError<RemoteError>`](crate::JobError) has them as its [sources](Error::source).
///
/// It does not implement [`Error`] itself, because then it could not be created from every error; in this it
/// is like `anyhow::Error`.
///
/// At most 64 messages are kept apart; those of further sources are joined in the last one.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use std::{fs, path::Path};
/// use pool::error::RemoteError;
///
/// fn first_number(path: &Path) -> Result<u64, RemoteError> {
///     let text = fs::read_to_string(path)?; // `io::Error`
///     let line = text.lines().next().ok_or_else(|| RemoteError::msg("the file is empty"))?;
///     Ok(line.parse()?) // `ParseIntError`
/// }
/// let error = first_number(Path::new("/no/such/file")).unwrap_err();
/// assert_eq!(error.to_string(), "No such file or directory (os error 2)");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Texts", into = "Texts")]
pub struct RemoteError(Box<Message>);

/// The messages of an error, from its own to that of the root cause.
#[derive(Serialize, Deserialize)]
struct Texts(Vec<String>);

/// Maximum number of messages that are kept apart. They are dropped by recursion, and come from a process
/// that may be corrupt.
const MAX_MESSAGES: usize = 64;

/// The message of an error and those of its sources.
#[derive(Clone, PartialEq, Eq)]
struct Message {
    text: String,
    source: Option<Box<Message>>,
}

impl RemoteError {
    /// Creates an error with this message.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::error::RemoteError;
    ///
    /// assert_eq!(RemoteError::msg(format!("no picture in {}", "a.png")).to_string(), "no picture in a.png");
    /// ```
    #[must_use]
    pub fn msg(message: impl Into<String>) -> RemoteError {
        RemoteError(Box::new(Message { text: message.into(), source: None }))
    }

    /// Puts a message in front of this error, which becomes its source.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::error::RemoteError;
    ///
    /// let error = RemoteError::msg("disk full").context("cannot save the picture");
    /// assert_eq!(error.to_string(), "cannot save the picture");
    /// assert_eq!(format!("{error:#}"), "cannot save the picture: disk full");
    /// ```
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> RemoteError {
        let first = Message { text: message.into(), source: Some(self.0) };
        let depth = iter::successors(Some(&first), |message| message.source.as_deref()).count();
        if depth <= MAX_MESSAGES {
            return RemoteError(Box::new(first));
        }
        let (text, rest) = (first.text, first.source.map_or_else(Vec::new, |source| source.into_texts()));
        RemoteError(Box::new(Message::chain(text, rest)))
    }
}

impl<E: Error> From<E> for RemoteError {
    fn from(error: E) -> RemoteError {
        let sources = iter::successors(error.source(), |&error| error.source());
        RemoteError(Box::new(Message::chain(error.to_string(), sources.map(ToString::to_string))))
    }
}

impl From<RemoteError> for Texts {
    fn from(error: RemoteError) -> Texts {
        Texts(error.0.into_texts())
    }
}

/// Error of decoding a [`RemoteError`].
#[derive(Debug, thiserror::Error)]
#[error("an error without a message")]
struct NoMessage;

impl TryFrom<Texts> for RemoteError {
    type Error = NoMessage;

    fn try_from(Texts(texts): Texts) -> Result<RemoteError, NoMessage> {
        let mut messages = texts.into_iter();
        let first = messages.next().ok_or(NoMessage)?;
        Ok(RemoteError(Box::new(Message::chain(first, messages))))
    }
}

impl Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl Debug for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl Message {
    /// Returns a message whose sources have these texts, from the outermost one to the root cause.
    fn chain(text: String, sources: impl IntoIterator<Item = String>) -> Message {
        let mut sources = sources.into_iter();
        let mut texts: Vec<String> = sources.by_ref().take(MAX_MESSAGES - 1).collect();
        if let Some(last) = texts.last_mut() {
            sources.for_each(|text| {
                last.push_str(": ");
                last.push_str(&text);
            });
        }
        let inner = |source, text| Some(Box::new(Message { text, source }));
        Message { text, source: texts.into_iter().rev().fold(None, inner) }
    }

    /// Returns the text of this message and those of its sources.
    fn into_texts(self) -> Vec<String> {
        let mut texts = vec![self.text];
        let mut source = self.source;
        while let Some(message) = source {
            texts.push(message.text);
            source = message.source;
        }
        texts
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.source {
            Some(source) if f.alternate() => write!(f, ": {source:#}"),
            _ => Ok(()),
        }
    }
}

impl Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl Error for Message {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Types that can be shown as an error: all that implement [`Error`], and [`RemoteError`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error type, so `JobError<{Self}>` is none either",
    note = "use `RemoteError`, or a type that implements `std::error::Error`, as `Job::Error`"
)]
pub trait ErrorType {
    /// Returns the error.
    fn as_error(&self) -> &(dyn Error + 'static);
}

impl<E: Error + 'static> ErrorType for E {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl ErrorType for RemoteError {
    fn as_error(&self) -> &(dyn Error + 'static) {
        &*self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JobError;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the settings")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn sources_survive_the_conversion_and_are_sources_of_the_job_error() {
        let inner = "x".parse::<u8>().unwrap_err();
        let error = JobError::Failed(RemoteError::from(Outer(inner.clone())));
        assert_eq!(error.to_string(), "cannot read the settings");
        let error: Box<dyn Error + Send + Sync> = error.into();
        assert_eq!(error.source().unwrap().to_string(), inner.to_string());
    }

    fn texts(error: RemoteError) -> Vec<String> {
        Texts::from(error).0
    }

    #[test]
    fn long_chains_are_joined_and_restored() {
        let names: Vec<String> = (0..1_000_000).map(|n| n.to_string()).collect();
        let error = RemoteError::try_from(Texts(names.clone())).unwrap();
        let kept = texts(error.clone());
        assert_eq!((kept.len(), &kept[..63]), (MAX_MESSAGES, &names[..63]));
        assert_eq!(kept[63], names[63..].join(": "));
        assert_eq!(RemoteError::try_from(Texts(kept)).unwrap(), error);
        assert!(RemoteError::try_from(Texts(Vec::new())).is_err());

        let error = (0..200).fold(RemoteError::msg("root"), |error, n| error.context(n.to_string()));
        let kept = texts(error.clone());
        assert_eq!((kept.len(), kept[0].as_str()), (MAX_MESSAGES, "199"));
        assert!(kept[63].ends_with(": 0: root"), "{error:#}");
        assert!(format!("{error:#}").starts_with("199: 198: 197: "));
    }

    #[test]
    fn debug_output_shows_all_messages() {
        let error = RemoteError::msg("inner").context("outer");
        assert_eq!((format!("{error:?}"), error.to_string()), ("outer: inner".into(), "outer".into()));
    }
}
