//! Errors of the input and of the output.

use std::io;

use super::lazy_pool::SetupError;

/// The input could not be processed to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("error reading input: {}", os_message(.0))]
    Read(io::Error),
    #[error("memory exhausted")]
    Memory,
    #[error("{0}")]
    Setup(#[from] SetupError),
    #[error("the reader thread panicked")]
    Panicked,
}

/// Standard output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("write error: {}", os_message(.0))]
pub(super) struct WriteError<'e>(pub(super) &'e io::Error);

/// Message of the system for an error, without the error number.
fn os_message(error: &io::Error) -> String {
    let text = error.to_string();
    let number = error.raw_os_error().map(|number| format!(" (os error {number})"));
    number.and_then(|number| text.strip_suffix(&number)).unwrap_or(&text).to_owned()
}

/// Copies an error.
pub(super) fn copy_error(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_system_have_no_number() {
        assert_eq!(os_message(&io::Error::from_raw_os_error(28)), "No space left on device");
        assert_eq!(os_message(&io::Error::from_raw_os_error(9)), "Bad file descriptor");
        assert_eq!(os_message(&io::ErrorKind::WriteZero.into()), "write zero");
    }
}
