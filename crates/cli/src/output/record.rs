//! Records: one line of JSON per job, compact, with keys in the documented order.
//!
//! A line starts with the job's id, which only the [reorder window](super::window) has. The rest is the
//! record body, which depends on the outcome only.

use ops::{Builtin, Value};
use pool::{
    JobError,
    error::{Crash, Crashed, Death, DeathCause, TimedOut},
    future::Outcome,
};
use serde::Serialize;

use super::value::{push_json, push_value};
use crate::input::Location;

/// Kinds of outcomes in records and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OutcomeKind {
    Succeeded,
    Invalid,
    Failed,
    Panicked,
    Crashed,
    Timeout,
    Memory,
    Denied,
    Cancelled,
}

impl OutcomeKind {
    pub(crate) const ALL: [OutcomeKind; 9] = [
        OutcomeKind::Succeeded,
        OutcomeKind::Invalid,
        OutcomeKind::Failed,
        OutcomeKind::Panicked,
        OutcomeKind::Crashed,
        OutcomeKind::Timeout,
        OutcomeKind::Memory,
        OutcomeKind::Denied,
        OutcomeKind::Cancelled,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            OutcomeKind::Succeeded => "ok",
            OutcomeKind::Invalid => "invalid",
            OutcomeKind::Failed => "failed",
            OutcomeKind::Panicked => "panicked",
            OutcomeKind::Crashed => "crashed",
            OutcomeKind::Timeout => "timeout",
            OutcomeKind::Memory => "memory",
            OutcomeKind::Denied => "denied",
            OutcomeKind::Cancelled => "cancelled",
        }
    }
}

/// A record without its `id`, and its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordBody {
    pub(crate) kind: OutcomeKind,
    pub(super) text: Vec<u8>,
    /// Whether an earlier run recorded it.
    pub(super) is_recorded: bool,
}

impl RecordBody {
    pub(crate) fn new(kind: OutcomeKind, text: Vec<u8>) -> RecordBody {
        RecordBody { kind, text, is_recorded: false }
    }

    /// Returns whether it is a failure of this run.
    pub(crate) fn is_failure(&self) -> bool {
        !self.is_recorded && !matches!(self.kind, OutcomeKind::Succeeded | OutcomeKind::Cancelled)
    }

    /// Text of the body.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Appends the whole line. `id` is as written; the default is the position.
    pub(crate) fn write_line(&self, id: Option<&str>, position: u64, line: &mut Vec<u8>) {
        reserve(line, self.text.len(), id);
        write_id(id, position, line);
        line.push(b',');
        line.extend_from_slice(&self.text);
        line.push(b'\n');
    }
}

/// Size in bytes above which a line gets exactly the memory that it needs. Doubling its capacity would be the
/// largest allocation of the process.
const LONG_LINE: usize = 1 << 20;

/// Size in bytes of a line besides the record body and the id.
const LINE_ENDS: usize = 64;

fn reserve(line: &mut Vec<u8>, bytes: usize, id: Option<&str>) {
    if bytes > LONG_LINE {
        line.reserve_exact(bytes + id.map_or(0, str::len) + LINE_ENDS);
    }
}

fn write_id(id: Option<&str>, position: u64, line: &mut Vec<u8>) {
    line.extend_from_slice(b"{\"id\":");
    match id {
        Some(id) => line.extend_from_slice(id.as_bytes()),
        None => line.extend_from_slice(itoa::Buffer::new().format(position).as_bytes()),
    }
}

/// Appends the start of the line of a success, up to its result.
pub(super) fn write_start(id: Option<&str>, position: u64, line: &mut Vec<u8>) {
    write_id(id, position, line);
    line.extend_from_slice(b",\"ok\":true,\"result\":");
}

/// Appends the end of the line of a success, after its result.
pub(super) fn write_end(line: &mut Vec<u8>) {
    line.extend_from_slice(b"}\n");
}

/// Appends the line of a success; returns `false` if there is not enough memory for it.
pub(super) fn write_result(value: &Value, id: Option<&str>, position: u64, line: &mut Vec<u8>) -> bool {
    let bytes = value.text_bytes();
    if !has_room_for(bytes) {
        return false;
    }
    reserve(line, usize::try_from(bytes).unwrap_or(usize::MAX), id);
    write_start(id, position, line);
    push_value(line, value);
    write_end(line);
    true
}

/// The object `error`. Keys that do not apply are omitted.
#[derive(Serialize)]
struct ErrorObject<'a> {
    kind: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<&'a str>,
}

impl<'a> ErrorObject<'a> {
    fn new(kind: OutcomeKind, message: &'a str) -> ErrorObject<'a> {
        ErrorObject {
            kind: kind.name(),
            message,
            file: None,
            line: None,
            column: None,
            pid: None,
            signal: None,
            exit_code: None,
            attempts: None,
            stderr: None,
        }
    }

    fn body(&self, kind: OutcomeKind) -> RecordBody {
        let mut text = b"\"ok\":false,\"error\":".to_vec();
        push_json(&mut text, self);
        text.push(b'}');
        RecordBody::new(kind, text)
    }
}

/// Returns the record body of an invalid job.
pub(crate) fn invalid_body(message: &str, file: &str, location: Location) -> RecordBody {
    let (line, column) = (Some(location.line), Some(location.column));
    ErrorObject { file: Some(file), line, column, ..ErrorObject::new(OutcomeKind::Invalid, message) }
        .body(OutcomeKind::Invalid)
}

/// Returns the record body of a cancelled job.
pub(crate) fn cancelled_body() -> RecordBody {
    ErrorObject::new(OutcomeKind::Cancelled, "the run was stopped before this job had an outcome")
        .body(OutcomeKind::Cancelled)
}

/// Returns the record body of an outcome.
pub(crate) fn outcome_body(outcome: &Outcome<Builtin>) -> RecordBody {
    match outcome {
        Ok(value) if !has_room_for(value.text_bytes()) => failed(&format!(
            "there is no memory to print a result of {} bytes; set --max-result to reject such results \
             earlier",
            value.text_bytes()
        )),
        Ok(value) => {
            let mut text = b"\"ok\":true,\"result\":".to_vec();
            push_value(&mut text, value);
            text.push(b'}');
            RecordBody::new(OutcomeKind::Succeeded, text)
        }
        Err(failure) => failure_body(failure),
    }
}

/// Maximum size in bytes of a result that is rendered without checking for available memory.
const SHORT_RESULT: u64 = 1 << 20;

/// Memory for a record, its line and the buffers in between, as a multiple of the size of the result.
const MEMORY_FACTOR: u64 = 4;

fn has_room_for(bytes: u64) -> bool {
    bytes <= SHORT_RESULT
        || usize::try_from(bytes.saturating_mul(MEMORY_FACTOR)).is_ok_and(sys::memory::can_allocate)
}

fn failure_body(failure: &JobError<ops::BuiltinError>) -> RecordBody {
    match failure {
        JobError::Failed(error) => failed(&error.to_string()),
        JobError::Codec(message) => failed(message),
        JobError::Unsupported(message) => failed(message),
        JobError::Panicked(panic) => {
            ErrorObject::new(OutcomeKind::Panicked, &panic.to_string()).body(OutcomeKind::Panicked)
        }
        JobError::TimedOut(timeout) => timed_out(timeout),
        JobError::Crashed(crash) => crashed(crash),
        JobError::OutOfMemory(exhausted) => {
            worker_died(OutcomeKind::Memory, exhausted.death, exhausted.attempts, &exhausted.earlier)
        }
        JobError::Denied(denied) => {
            worker_died(OutcomeKind::Denied, denied.death, denied.attempts, &denied.earlier)
        }
        JobError::Lost(lost) => {
            let error = ErrorObject::new(OutcomeKind::Crashed, &lost.cause);
            ErrorObject { attempts: Some(lost.attempts), ..error }.body(OutcomeKind::Crashed)
        }
        JobError::Cancelled | JobError::Broken(_) => cancelled_body(),
        // Errors of waiting for futures, which a run does not have.
        other => failed(&other.to_string()),
    }
}

fn timed_out(timeout: &TimedOut) -> RecordBody {
    let earlier = earlier_deaths("the worker", &timeout.earlier);
    let message = format!("ran longer than {} s{earlier}", timeout.limit.as_secs_f64());
    ErrorObject { attempts: Some(timeout.attempts), ..ErrorObject::new(OutcomeKind::Timeout, &message) }
        .body(OutcomeKind::Timeout)
}

fn crashed(crash: &Crashed) -> RecordBody {
    let Crashed { death, attempts, earlier, program, .. } = crash;
    match program {
        None => worker_died(OutcomeKind::Crashed, *death, *attempts, earlier),
        Some(program) => program_died(program, *death, *attempts, earlier),
    }
}

fn worker_died(kind: OutcomeKind, death: Death, attempts: u32, earlier: &[Death]) -> RecordBody {
    let (exit_code, signal) = match death.cause {
        DeathCause::Exited(code) => (Some(code), None),
        DeathCause::Signalled(number) => (None, Some(sys::signal::name(number))),
    };
    let cause = match kind {
        OutcomeKind::Memory => "out of memory: ",
        OutcomeKind::Denied => "forbidden by the sandbox: ",
        _ => "",
    };
    let message =
        format!("{cause}the worker {}{}", describe_death(death), earlier_deaths("the worker", earlier));
    let (pid, signal, attempts) = (Some(death.pid), signal.as_deref(), Some(attempts));
    ErrorObject { pid, signal, exit_code, attempts, ..ErrorObject::new(kind, &message) }.body(kind)
}

fn describe_death(death: Death) -> String {
    match death.cause {
        DeathCause::Exited(code) => format!("exited with code {code}"),
        DeathCause::Signalled(number) => format!("was killed by {}", sys::signal::name(number)),
    }
}

/// Returns the end of a message about a job whose earlier attempts ended differently.
fn earlier_deaths(subject: &str, earlier: &[Death]) -> String {
    let ends: Vec<String> = earlier.iter().map(|&death| describe_death(death)).collect();
    if ends.is_empty() {
        String::new()
    } else {
        format!("; in earlier attempts {subject} {}", ends.join(", "))
    }
}

/// Returns the record body of a job whose program died.
fn program_died(crash: &Crash, death: Death, attempts: u32, earlier: &[Death]) -> RecordBody {
    let (exit_code, signal) = match death.cause {
        DeathCause::Exited(code) => (Some(code), None),
        DeathCause::Signalled(number) => (None, Some(sys::signal::name(number))),
    };
    let message = format!("{} {}{}", crash.program, crash.message, earlier_deaths("it", earlier));
    let stderr = String::from_utf8_lossy(&crash.stderr);
    let (pid, signal, attempts) = (Some(death.pid), signal.as_deref(), Some(attempts));
    let error =
        ErrorObject { pid, signal, exit_code, attempts, ..ErrorObject::new(OutcomeKind::Crashed, &message) };
    ErrorObject { stderr: Some(&stderr), ..error }.body(OutcomeKind::Crashed)
}

fn failed(message: &str) -> RecordBody {
    ErrorObject::new(OutcomeKind::Failed, message).body(OutcomeKind::Failed)
}

#[cfg(test)]
mod tests {
    use numtheory::Natural;
    use ops::CommandOutput;

    use super::*;

    fn line(body: &RecordBody, id: Option<&str>) -> String {
        let mut line = Vec::new();
        body.write_line(id, 7, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn renders_results() {
        let number = outcome_body(&Ok(Value::Natural(Natural::from(1u128 << 64))));
        assert_eq!(line(&number, None), "{\"id\":7,\"ok\":true,\"result\":18446744073709551616}\n");
        let numbers = outcome_body(&Ok(Value::Naturals(vec![2u64.into(), 3u64.into()])));
        assert_eq!(line(&numbers, Some("\"x\"")), "{\"id\":\"x\",\"ok\":true,\"result\":[2,3]}\n");
        let output = CommandOutput {
            exit_code: Some(0),
            signal: None,
            stdout: "a\n".into(),
            stderr: String::new(),
            truncated: true,
        };
        assert_eq!(
            line(&outcome_body(&Ok(Value::Command(Box::new(output)))), None),
            "{\"id\":7,\"ok\":true,\"result\":{\"exit_code\":0,\"signal\":null,\"stdout\":\"a\\n\",\
             \"stderr\":\"\",\"truncated\":true}}\n"
        );
    }

    #[test]
    fn renders_errors() {
        let invalid = invalid_body("no \"n\"", "a.json", Location { line: 3, column: 17 });
        assert_eq!(
            line(&invalid, None),
            "{\"id\":7,\"ok\":false,\"error\":{\"kind\":\"invalid\",\"message\":\"no \\\"n\\\"\",\
             \"file\":\"a.json\",\"line\":3,\"column\":17}}\n"
        );
        let death = Death { pid: 9, cause: DeathCause::Signalled(9) };
        assert_eq!(
            line(&failure_body(&Crashed::new(death, 3).into()), None),
            concat!(
                r#"{"id":7,"ok":false,"error":{"kind":"crashed","message":"the worker was killed by "#,
                r#"SIGKILL","pid":9,"signal":"SIGKILL","attempts":3}}"#,
                "\n"
            )
        );
        let last = Death { pid: 9, cause: DeathCause::Exited(0) };
        let crashed = Crashed::new(last, 1).into();
        assert!(line(&failure_body(&crashed), None).contains("\"exit_code\":0"));
        let earlier = [death, Death { pid: 8, cause: DeathCause::Exited(3) }].into();
        let crashed = Crashed::new(last, 4).with_earlier(earlier).into();
        assert!(line(&failure_body(&crashed), None).contains(
            "\"message\":\"the worker exited with code 0; in earlier attempts the worker was killed by \
             SIGKILL, exited with code 3\",\
             \"pid\":9,\"exit_code\":0,\"attempts\":4}"
        ));
    }
}
