//! Requests to the programs of user-defined ops.

use ops::{Builtin, ProgramJob, Protocol, compact};
use serde_json::value::RawValue;

use super::{
    error::ParseError,
    fields::RawField,
    op::{DefinedOp, Op},
    parsed_job::ParsedJob,
    value,
};

/// Parses a line that is itself a request.
pub(super) fn line(bytes: &[u8], op: &'static DefinedOp) -> Result<ParsedJob, ParseError> {
    let request = match op.protocol {
        Protocol::Text => bytes.to_vec(),
        Protocol::Json => {
            let text = std::str::from_utf8(bytes).map_err(|error| ParseError::encoding(bytes, &error))?;
            let value: &RawValue =
                serde_json::from_str(text).map_err(|error| ParseError::syntax(text, &error))?;
            compacted(value.get())
        }
    };
    Ok(ParsedJob { op: Op::Defined(op), id: None, job: job(op, request), limit: None, priority: 0 })
}

/// Creates a job from its `args`. The request is the text of the value; with the text protocol, a string is
/// decoded.
pub(super) fn of_args(args: RawField<'_>, op: &'static DefinedOp) -> Result<Builtin, ParseError> {
    let is_text = op.protocol == Protocol::Text && args.text.starts_with('"');
    let request = if is_text {
        value::typed::<String>("args", args, "a string")?.into_bytes()
    } else {
        compacted(args.text)
    };
    if request.contains(&op.delimiter) {
        let byte = if op.delimiter == 0 { "a NUL byte" } else { "a line break" };
        return Err(ParseError::new(args.offset, format!("`args` contains {byte}, which ends a request")));
    }
    Ok(job(op, request))
}

fn compacted(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    compact(text, &mut bytes);
    bytes
}

fn job(op: &DefinedOp, request: Vec<u8>) -> Builtin {
    Builtin::Program(ProgramJob { op: op.name.as_str().into(), request: request.into() })
}
