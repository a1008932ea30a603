//! Conversion of the outcome of a call to the types of the function.

use job::JobError;
use serde::de::DeserializeOwned;

use super::encoded::{CallError, Encoded};
use crate::JobError;

/// Returns the result of a call with the function's own types.
pub(super) fn decoded<R: DeserializeOwned, E: DeserializeOwned>(
    result: Result<Encoded, JobError<CallError>>,
) -> Result<R, JobError<E>> {
    match result {
        Ok(encoded) => output(&encoded),
        Err(error) => Err(own_error(error)),
        Err(JobError::NotReady) => Err(JobError::NotReady),
        Err(JobError::Taken) => Err(JobError::Taken),
        Err(JobError::Refused(refusal)) => Err(JobError::Refused(refusal)),
    }
}

/// Decodes the output of a function.
pub(super) fn output<R: DeserializeOwned, E>(encoded: &Encoded) -> Result<R, JobError<E>> {
    encoded.decode().map_err(JobError::Codec)
}

/// Decodes the error of a function, if that is why a call failed.
pub(super) fn own_error<E: DeserializeOwned>(error: JobError<CallError>) -> JobError<E> {
    match error {
        CallError::Failed(encoded) => {
            encoded.decode().map_or_else(|message: String| JobError::Codec(message.into()), JobError::Failed)
        }
        CallError::Message(message) => JobError::Codec(message.into()),
    }
}
