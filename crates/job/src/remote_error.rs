//! An error that can be sent to another process.

use std::{
    error::Error,
    fmt::{self, Debug, Display},
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
pub struct RemoteError(Box<Message>);

/// The message of an error and those of its sources.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        RemoteError(Box::new(Message { text: message.into(), source: Some(self.0) }))
    }
}

impl<E: Error> From<E> for RemoteError {
    fn from(error: E) -> RemoteError {
        RemoteError(Box::new(Message::of(&error)))
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
    fn of(error: &dyn Error) -> Message {
        let source = error.source().map(|source| Box::new(Message::of(source)));
        Message { text: error.to_string(), source }
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

    #[test]
    fn debug_output_shows_all_messages() {
        let error = RemoteError::msg("inner").context("outer");
        assert_eq!((format!("{error:?}"), error.to_string()), ("outer: inner".into(), "outer".into()));
    }
}
