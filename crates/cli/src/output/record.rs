//! Records: one line of JSON a job, compact, keys in the documented order.
//!
//! A line starts with the job's name, which whoever keeps the order knows; the rest is its body, which
//! whoever has the outcome can word.

use numtheory::Natural;
use ops::{Builtin, CommandOutput, Value};
use pool::{Crash, Death, DeathCause, JobError, Outcome};
use serde::Serialize;

use crate::input::Location;

/// Kinds of outcomes, as they are counted and named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OutcomeKind {
    Succeeded,
    Invalid,
    Failed,
    Panicked,
    Crashed,
    Timeout,
    Memory,
    Cancelled,
}

impl OutcomeKind {
    pub(crate) const ALL: [OutcomeKind; 8] = [
        OutcomeKind::Succeeded,
        OutcomeKind::Invalid,
        OutcomeKind::Failed,
        OutcomeKind::Panicked,
        OutcomeKind::Crashed,
        OutcomeKind::Timeout,
        OutcomeKind::Memory,
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
            OutcomeKind::Cancelled => "cancelled",
        }
    }
}

/// A record without its start, and what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordBody {
    pub(crate) kind: OutcomeKind,
    pub(super) text: Vec<u8>,
    /// It was recorded by an earlier run.
    pub(super) is_recorded: bool,
}

impl RecordBody {
    pub(crate) fn new(kind: OutcomeKind, text: Vec<u8>) -> RecordBody {
        RecordBody { kind, text, is_recorded: false }
    }

    /// Whether it tells of a failure, and of one in this run.
    pub(crate) fn is_failure(&self) -> bool {
        !self.is_recorded && !matches!(self.kind, OutcomeKind::Succeeded | OutcomeKind::Cancelled)
    }

    /// The same record as text.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Appends the whole line, for a job that is called `id`: as it was written, or its position.
    pub(crate) fn write_line(&self, id: Option<&str>, position: u64, line: &mut Vec<u8>) {
        reserve(line, self.text.len(), id);
        write_id(id, position, line);
        line.push(b',');
        line.extend_from_slice(&self.text);
        line.push(b'\n');
    }
}

/// A line of this many bytes is given exactly the memory that it needs: twice as much as there is would be
/// what takes the most memory of all.
const LONG: usize = 1 << 20;

/// Room for what stands before and behind a record's body and its name.
const LINE_ENDS: usize = 64;

fn reserve(line: &mut Vec<u8>, bytes: usize, id: Option<&str>) {
    if bytes > LONG {
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

/// What stands before a result in the line of a success.
pub(super) fn write_start(id: Option<&str>, position: u64, line: &mut Vec<u8>) {
    write_id(id, position, line);
    line.extend_from_slice(b",\"ok\":true,\"result\":");
}

/// What stands behind a result.
pub(super) fn write_end(line: &mut Vec<u8>) {
    line.extend_from_slice(b"}\n");
}

/// Appends the line of a success; `false` if there is no memory for it.
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

/// The keys of `error`, those that apply.
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

/// The record of a text that is no job.
pub(crate) fn invalid_body(message: &str, file: &str, location: Location) -> RecordBody {
    let (line, column) = (Some(location.line), Some(location.column));
    ErrorObject { file: Some(file), line, column, ..ErrorObject::new(OutcomeKind::Invalid, message) }
        .body(OutcomeKind::Invalid)
}

/// The record of a job that was stopped.
pub(crate) fn cancelled_body() -> RecordBody {
    ErrorObject::new(OutcomeKind::Cancelled, "the run was stopped before this job had an outcome")
        .body(OutcomeKind::Cancelled)
}

/// The record of a job's outcome.
pub(crate) fn outcome_body(outcome: &Outcome<Builtin>) -> RecordBody {
    match outcome {
        Ok(value) if !has_room_for(value.text_bytes()) => failed(&format!(
            "there is no memory to print a result of {} bytes; --max-result can refuse such results earlier",
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

/// Results of up to this many bytes are printed without asking for room.
const SHORT_RESULT: u64 = 1 << 20;

/// Room for a record, its line and the buffers between, as a multiple of the result's bytes.
const ROOM: u64 = 4;

fn has_room_for(bytes: u64) -> bool {
    bytes <= SHORT_RESULT || usize::try_from(bytes.saturating_mul(ROOM)).is_ok_and(sys::memory::has_room)
}

fn failure_body(failure: &JobError<ops::BuiltinError>) -> RecordBody {
    match failure {
        JobError::Failed(error) => failed(&error.to_string()),
        JobError::Codec(message) => failed(message),
        JobError::Unsupported(message) => failed(message),
        JobError::Panicked(panic) => {
            ErrorObject::new(OutcomeKind::Panicked, &panic.to_string()).body(OutcomeKind::Panicked)
        }
        JobError::TimedOut { limit, attempts, earlier } => {
            let message = format!(
                "ran longer than {} s{}",
                limit.as_secs_f64(),
                after_other_ends("the worker", earlier)
            );
            ErrorObject { attempts: Some(*attempts), ..ErrorObject::new(OutcomeKind::Timeout, &message) }
                .body(OutcomeKind::Timeout)
        }
        JobError::Crashed { death, attempts, earlier, program: None } => {
            died(OutcomeKind::Crashed, *death, *attempts, earlier)
        }
        JobError::Crashed { death, attempts, earlier, program: Some(program) } => {
            program_died(program, *death, *attempts, earlier)
        }
        JobError::Memory { death, attempts, earlier } => {
            died(OutcomeKind::Memory, *death, *attempts, earlier)
        }
        JobError::Lost { attempts, cause } => {
            ErrorObject { attempts: Some(*attempts), ..ErrorObject::new(OutcomeKind::Crashed, cause) }
                .body(OutcomeKind::Crashed)
        }
        JobError::Cancelled | JobError::Abandoned(_) => cancelled_body(),
    }
}

fn died(kind: OutcomeKind, death: Death, attempts: u32, earlier: &[Death]) -> RecordBody {
    let (exit_code, signal) = match death.cause {
        DeathCause::Exited(code) => (Some(code), None),
        DeathCause::Signalled(number) => (None, Some(sys::signal::name(number))),
    };
    let cause = if kind == OutcomeKind::Memory { "out of memory: " } else { "" };
    let message = format!("{cause}the worker {}{}", end_of(death), after_other_ends("the worker", earlier));
    let (pid, signal, attempts) = (Some(death.pid), signal.as_deref(), Some(attempts));
    ErrorObject { pid, signal, exit_code, attempts, ..ErrorObject::new(kind, &message) }.body(kind)
}

fn end_of(death: Death) -> String {
    match death.cause {
        DeathCause::Exited(code) => format!("exited with code {code}"),
        DeathCause::Signalled(number) => format!("was ended by {}", sys::signal::name(number)),
    }
}

/// The rest of a message about a job whose earlier attempts ended in other ways.
fn after_other_ends(who: &str, earlier: &[Death]) -> String {
    let ends: Vec<String> = earlier.iter().map(|&death| end_of(death)).collect();
    if ends.is_empty() { String::new() } else { format!("; in earlier attempts {who} {}", ends.join(", ")) }
}

/// The record of a job whose program has ended in it.
fn program_died(crash: &Crash, death: Death, attempts: u32, earlier: &[Death]) -> RecordBody {
    let (exit_code, signal) = match death.cause {
        DeathCause::Exited(code) => (Some(code), None),
        DeathCause::Signalled(number) => (None, Some(sys::signal::name(number))),
    };
    let message = format!("{} {}{}", crash.program, crash.message, after_other_ends("it", earlier));
    let stderr = String::from_utf8_lossy(&crash.stderr);
    let (pid, signal, attempts) = (Some(death.pid), signal.as_deref(), Some(attempts));
    let error =
        ErrorObject { pid, signal, exit_code, attempts, ..ErrorObject::new(OutcomeKind::Crashed, &message) };
    ErrorObject { stderr: Some(&stderr), ..error }.body(OutcomeKind::Crashed)
}

fn failed(message: &str) -> RecordBody {
    ErrorObject::new(OutcomeKind::Failed, message).body(OutcomeKind::Failed)
}

fn push_value(text: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Natural(number) => push_natural(text, number),
        Value::Naturals(numbers) => {
            text.push(b'[');
            for (index, number) in numbers.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                push_natural(text, number);
            }
            text.push(b']');
        }
        Value::Seconds(seconds) => text.extend_from_slice(seconds.as_str().as_bytes()),
        Value::Command(output) => push_command(text, output),
        Value::Text(reply) => push_string(text, reply),
        Value::Json(result) => text.extend_from_slice(result),
    }
}

fn push_natural(text: &mut Vec<u8>, number: &Natural) {
    match number {
        Natural::Small(small) => text.extend_from_slice(itoa::Buffer::new().format(*small).as_bytes()),
        Natural::Big(big) => text.extend_from_slice(big.to_string().as_bytes()),
    }
}

fn push_command(text: &mut Vec<u8>, output: &CommandOutput) {
    #[derive(Serialize)]
    struct Shown<'a> {
        exit_code: Option<i32>,
        signal: Option<&'a str>,
        stdout: &'a str,
        stderr: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
    }
    let CommandOutput { exit_code, signal, stdout, stderr, truncated } = output;
    let shown =
        Shown { exit_code: *exit_code, signal: signal.as_deref(), stdout, stderr, truncated: *truncated };
    push_json(text, &shown);
}

/// Appends bytes as a JSON string; what is not UTF-8 becomes U+FFFD.
pub(super) fn push_string(text: &mut Vec<u8>, bytes: &[u8]) {
    push_json(text, &String::from_utf8_lossy(bytes));
}

fn push_json(text: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(text, value);
    debug_assert!(written.is_ok(), "strings and numbers can always be written to memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(body: &RecordBody, id: Option<&str>) -> String {
        let mut line = Vec::new();
        body.write_line(id, 7, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn results() {
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
            "{\"id\":7,\"ok\":true,\"result\":{\"exit_code\":0,\"signal\":null,\"stdout\":\"a\\n\",\"stderr\":\"\",\
             \"truncated\":true}}\n"
        );
    }

    #[test]
    fn errors() {
        let invalid = invalid_body("no \"n\"", "a.json", Location { line: 3, column: 17 });
        assert_eq!(
            line(&invalid, None),
            "{\"id\":7,\"ok\":false,\"error\":{\"kind\":\"invalid\",\"message\":\"no \\\"n\\\"\",\"file\":\"a.json\",\
             \"line\":3,\"column\":17}}\n"
        );
        let death = Death { pid: 9, cause: DeathCause::Signalled(9) };
        assert_eq!(
            line(
                &failure_body(&JobError::Crashed {
                    death,
                    attempts: 3,
                    earlier: Box::default(),
                    program: None
                }),
                None
            ),
            "{\"id\":7,\"ok\":false,\"error\":{\"kind\":\"crashed\",\"message\":\"the worker was ended by SIGKILL\",\
             \"pid\":9,\"signal\":\"SIGKILL\",\"attempts\":3}}\n"
        );
        let last = Death { pid: 9, cause: DeathCause::Exited(0) };
        let crashed = JobError::Crashed { death: last, attempts: 1, earlier: Box::default(), program: None };
        assert!(line(&failure_body(&crashed), None).contains("\"exit_code\":0"));
        let earlier = [death, Death { pid: 8, cause: DeathCause::Exited(3) }].into();
        let crashed = JobError::Crashed { death: last, attempts: 4, earlier, program: None };
        assert!(line(&failure_body(&crashed), None).contains(
            "\"message\":\"the worker exited with code 0; in earlier attempts the worker was ended by SIGKILL, exited with code 3\",\
             \"pid\":9,\"exit_code\":0,\"attempts\":4}"
        ));
    }
}
