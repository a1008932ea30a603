//! What is wrong with a job's text.

/// The first thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Where, in bytes from the start of the text.
    pub(crate) offset: usize,
    pub(crate) message: String,
    /// Whether the text is no JSON at all.
    pub(crate) is_syntax: bool,
    /// The job's own name, if that could be read.
    pub(crate) id: Option<Box<str>>,
}

impl Flaw {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Flaw {
        Flaw { offset, message: message.into(), is_syntax: false, id: None }
    }

    /// What the JSON parser says, with the place taken out of the words.
    pub(crate) fn syntax(text: &str, error: &serde_json::Error) -> Flaw {
        let worded = error.to_string();
        let message = worded.split_once(" at line ").map_or(worded.as_str(), |(message, _)| message);
        let line_start = match error.line() {
            0 | 1 => 0,
            line => memchr::memchr_iter(b'\n', text.as_bytes()).nth(line - 2).map_or(0, |end| end + 1),
        };
        let offset = (line_start + error.column().saturating_sub(1)).min(text.len());
        Flaw { offset, message: format!("no valid JSON: {message}"), is_syntax: true, id: None }
    }
}
