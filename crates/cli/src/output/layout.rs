//! Layout of the output.

use ops::{Builtin, Protocol, Value};
use pool::future::Outcome;

use super::record::{OutcomeKind, RecordBody, outcome_body, write_end, write_result, write_start};
use super::value::push_string;

/// Conversion of an outcome to a line of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A record. The body of a success is that of the record.
    #[default]
    Records,
    /// The reply of a program, followed by a delimiter. The body of a success is the reply. Failures have
    /// lines if line N of the output must belong to line N of the input.
    Replies { protocol: Protocol, delimiter: u8, failures_have_lines: bool },
    /// A record with the reply of a program as its result. The body of a success is the reply.
    ReplyRecords { protocol: Protocol },
}

impl Layout {
    /// Returns what is kept of an outcome until its line is written, and in a journal.
    pub(crate) fn body(self, outcome: &Outcome<Builtin>) -> RecordBody {
        match (self, outcome) {
            (Layout::Records, _) => outcome_body(outcome),
            (_, Ok(Value::Text(reply) | Value::Json(reply))) => {
                RecordBody::new(OutcomeKind::Succeeded, reply.to_vec())
            }
            _ => outcome_body(outcome),
        }
    }

    /// Appends the line of an outcome. Returns the record if it is a failure.
    ///
    /// Results are rendered directly into `line`, because for short jobs copies of the result would dominate
    /// the cost in the parent.
    pub(crate) fn write_outcome(
        self,
        outcome: &Outcome<Builtin>,
        id: Option<&str>,
        position: u64,
        line: &mut Vec<u8>,
    ) -> Option<RecordBody> {
        match (self, outcome) {
            (Layout::Records, Ok(value)) if write_result(value, id, position, line) => None,
            (
                Layout::Replies { .. } | Layout::ReplyRecords { .. },
                Ok(Value::Text(reply) | Value::Json(reply)),
            ) => {
                self.write_reply(reply, id, position, line);
                None
            }
            _ => {
                let body = self.body(outcome);
                self.write_line(&body, id, position, line);
                (body.kind != OutcomeKind::Succeeded).then_some(body)
            }
        }
    }

    /// Appends the line of a job. `id` is as written; the default is the position.
    pub(crate) fn write_line(self, body: &RecordBody, id: Option<&str>, position: u64, line: &mut Vec<u8>) {
        let is_success = body.kind == OutcomeKind::Succeeded;
        match self {
            Layout::ReplyRecords { .. } | Layout::Replies { .. } if is_success => {
                self.write_reply(body.text(), id, position, line);
            }
            Layout::Records | Layout::ReplyRecords { .. } => body.write_line(id, position, line),
            Layout::Replies { protocol, delimiter, failures_have_lines: true } => {
                line.extend_from_slice(if protocol == Protocol::Json { b"null" } else { b"" });
                line.push(delimiter);
            }
            Layout::Replies { .. } => {}
        }
    }

    /// Appends the line of a reply.
    fn write_reply(self, reply: &[u8], id: Option<&str>, position: u64, line: &mut Vec<u8>) {
        match self {
            Layout::Replies { delimiter, .. } => {
                line.extend_from_slice(reply);
                line.push(delimiter);
            }
            Layout::ReplyRecords { protocol: Protocol::Text } => {
                write_start(id, position, line);
                push_string(line, reply);
                write_end(line);
            }
            Layout::ReplyRecords { protocol: Protocol::Json } | Layout::Records => {
                write_start(id, position, line);
                line.extend_from_slice(reply);
                write_end(line);
            }
        }
    }

    /// Returns whether the output does not show failures, so that they must be reported.
    pub(crate) fn hides_failures(self) -> bool {
        matches!(self, Layout::Replies { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool::JobError;

    fn line(layout: Layout, outcome: &Outcome<Builtin>) -> String {
        let mut line = Vec::new();
        layout.write_line(&layout.body(outcome), None, 7, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn replies_are_lines_and_failures_keep_their_position() {
        let text = Layout::Replies { protocol: Protocol::Text, delimiter: 0, failures_have_lines: true };
        let reply = Ok(Value::Text(b"a \"b\"".to_vec().into()));
        let failure = Err(JobError::Cancelled);
        assert_eq!(line(text, &reply), "a \"b\"\0");
        assert_eq!(line(text, &failure), "\0");
        let unordered =
            Layout::Replies { protocol: Protocol::Text, delimiter: 0, failures_have_lines: false };
        assert_eq!(line(unordered, &failure), "");
        let json = Layout::Replies { protocol: Protocol::Json, delimiter: b'\n', failures_have_lines: true };
        assert_eq!(line(json, &failure), "null\n");
    }

    #[test]
    fn reply_records_equal_the_records_of_their_jobs() {
        let reply = Ok(Value::Text(b"a\xff".to_vec().into()));
        let text = Layout::ReplyRecords { protocol: Protocol::Text };
        assert_eq!(line(text, &reply), "{\"id\":7,\"ok\":true,\"result\":\"a\u{fffd}\"}\n");
        assert_eq!(line(text, &reply), line(Layout::Records, &reply));
        let result = Ok(Value::Json(b"[1,2]".to_vec().into()));
        let json = Layout::ReplyRecords { protocol: Protocol::Json };
        assert_eq!(line(json, &result), line(Layout::Records, &result));
    }
}
