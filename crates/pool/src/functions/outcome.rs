//! Conversion of the outcome of a call to the types of the function.

use job::JobError;
use serde::de::DeserializeOwned;

use super::encoded::{CallError, Encoded};

/// Returns the result of a call with the function's own types.
pub(super) fn decoded<R: DeserializeOwned, E: DeserializeOwned>(
    result: Result<Encoded, JobError<CallError>>,
) -> Result<R, JobError<E>> {
    match result {
        Ok(encoded) => encoded.decode().map_err(|message| JobError::Codec(message.into())),
        Err(error) => Err(error.and_then(own_error)),
    }
}

/// Decodes the error of a function.
fn own_error<E: DeserializeOwned>(error: CallError) -> JobError<E> {
    match error {
        CallError::Failed(encoded) => {
            encoded.decode().map_or_else(|message: String| JobError::Codec(message.into()), JobError::Failed)
        }
        CallError::Message(message) => JobError::Codec(message.into()),
    }
}
