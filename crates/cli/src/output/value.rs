//! Rendering of results as JSON.

use numtheory::Natural;
use ops::{CommandOutput, Value};
use serde::Serialize;

/// Appends a result as JSON.
pub(super) fn push_value(text: &mut Vec<u8>, value: &Value) {
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

/// Appends bytes as a JSON string; invalid UTF-8 becomes U+FFFD.
pub(super) fn push_string(text: &mut Vec<u8>, bytes: &[u8]) {
    push_json(text, &String::from_utf8_lossy(bytes));
}

/// Appends a value as JSON.
pub(super) fn push_json(text: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(text, value);
    debug_assert!(written.is_ok(), "strings and numbers can always be written to memory");
}
