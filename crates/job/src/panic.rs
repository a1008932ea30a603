//! Panics of jobs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A panic of a job, caught by its worker.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// # use serde::{Deserialize, de::value::{Error, MapDeserializer}};
/// use pool::{JobError, error::Panic};
///
/// # let fields = MapDeserializer::<_, Error>::new([("message", "no digits")].into_iter());
/// # let error = JobError::<String>::Panicked(Box::new(Panic::deserialize(fields)?));
/// // The error of a job that called `panic!("no digits")`, with an unknown location.
/// assert_eq!(error.to_string(), "the job panicked: no digits");
/// if let JobError::Panicked(panic) = error {
///     assert_eq!((panic.message.as_str(), panic.location), ("no digits", None));
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// Message of the panic.
    pub message: String,
    /// Location as `file:line:column`, if known.
    pub location: Option<String>,
    /// Backtrace, one frame after the other, if enabled by `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE`.
    pub backtrace: Option<String>,
}

/// Formats message and location, and with `{:#}` also the backtrace.
impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        match &self.backtrace {
            Some(backtrace) if f.alternate() => write!(f, "\n{backtrace}"),
            _ => Ok(()),
        }
    }
}
