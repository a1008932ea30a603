//! Standard error of a program: forwards whole lines and keeps the tail for crash reports.

use std::{
    collections::VecDeque,
    io::{self, PipeReader, Read, Write},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use sys::stream::Blocking;

/// Number of bytes that are kept.
const TAIL_SIZE: usize = 4 * 1024;

/// Maximum number of bytes that are written at once. A pipe accepts this many bytes atomically, so that lines
/// of several workers do not mix.
const CHUNK_SIZE: usize = 4 * 1024;

/// Maximum wait for the end of the stream after the program has exited: another process may hold it open.
const END_TIMEOUT: Duration = Duration::from_millis(200);

/// Forwards a program's standard error from a thread of its own.
#[derive(Debug)]
pub(super) struct StderrRelay(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    tail: VecDeque<u8>,
    ended: bool,
}

impl StderrRelay {
    /// Starts a thread that forwards lines, each with `prefix`.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(super) fn start(stream: PipeReader, prefix: String) -> io::Result<StderrRelay> {
        let shared = Arc::<Shared>::default();
        let relay = StderrRelay(shared.clone());
        thread::Builder::new().name("program-stderr".into()).spawn(move || {
            forward(stream, prefix.as_bytes(), &shared);
            shared.state().ended = true;
            shared.ended.notify_all();
        })?;
        Ok(relay)
    }

    /// Returns the last bytes of the stream. Call this after the program has exited; waits up to
    /// [`END_TIMEOUT`] for the end of the stream.
    pub(super) fn tail(&self) -> Vec<u8> {
        let (mut state, _) = self
            .0
            .ended
            .wait_timeout_while(self.0.state(), END_TIMEOUT, |state| !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        state.tail.make_contiguous().to_vec()
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forward(mut stream: PipeReader, prefix: &[u8], shared: &Shared) {
    let mut chunk = vec![0; CHUNK_SIZE];
    let mut lines = LineBuffer::new(prefix);
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                push_tail(&mut shared.state().tail, &chunk[..count]);
                lines.add(&chunk[..count], &mut write);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    lines.end(&mut write);
}

fn push_tail(tail: &mut VecDeque<u8>, bytes: &[u8]) {
    tail.extend(bytes);
    let excess = tail.len().saturating_sub(TAIL_SIZE);
    tail.drain(..excess);
}

/// Writes to this process's standard error. Errors are ignored, so that the program can continue.
fn write(bytes: &[u8]) {
    let _ = Blocking(io::stderr()).write_all(bytes);
}

/// Collects whole lines.
struct LineBuffer<'a> {
    prefix: &'a [u8],
    /// Start of an incomplete line, including the prefix.
    rest: Vec<u8>,
}

impl<'a> LineBuffer<'a> {
    fn new(prefix: &'a [u8]) -> LineBuffer<'a> {
        LineBuffer { prefix, rest: Vec::new() }
    }

    fn add(&mut self, bytes: &[u8], write: &mut impl FnMut(&[u8])) {
        let mut whole = Vec::with_capacity(bytes.len() + self.rest.len());
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.rest.is_empty() {
                self.rest.extend_from_slice(self.prefix);
            }
            self.rest.extend_from_slice(line);
            if !line.ends_with(b"\n") && self.rest.len() < CHUNK_SIZE {
                continue;
            }
            // A line that is longer than a chunk is forwarded in parts.
            if whole.len() + self.rest.len() > CHUNK_SIZE && !whole.is_empty() {
                write(&whole);
                whole.clear();
            }
            whole.append(&mut self.rest);
        }
        if !whole.is_empty() {
            write(&whole);
        }
    }

    /// Forwards the last line if it is incomplete, with a newline.
    fn end(&mut self, write: &mut impl FnMut(&[u8])) {
        if !self.rest.is_empty() {
            self.rest.push(b'\n');
            write(&self.rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_forwarded_whole_with_prefix() {
        let mut written = Vec::new();
        let mut write = |bytes: &[u8]| written.push(String::from_utf8(bytes.to_vec()).unwrap());
        let mut lines = LineBuffer::new(b"p.1: ");
        lines.add(b"one\ntw", &mut write);
        lines.add(b"o\n\nrest", &mut write);
        lines.end(&mut write);
        assert_eq!(written, ["p.1: one\n", "p.1: two\np.1: \n", "p.1: rest\n"]);
    }

    #[test]
    fn chunks_are_small_enough_for_atomic_writes() {
        let mut written = Vec::new();
        let mut lines = LineBuffer::new(b"");
        let text = "x".repeat(1000) + "\n";
        lines.add(text.repeat(20).as_bytes(), &mut |bytes: &[u8]| written.push(bytes.len()));
        assert!(written.iter().all(|&length| length <= CHUNK_SIZE && length % 1001 == 0), "{written:?}");
        assert_eq!(written.iter().sum::<usize>(), 20 * 1001);
    }

    #[test]
    fn keeps_the_last_bytes() {
        let mut tail = VecDeque::new();
        push_tail(&mut tail, &[b'a'; 5000]);
        push_tail(&mut tail, b"end");
        assert_eq!(tail.len(), TAIL_SIZE);
        assert!(tail.make_contiguous().ends_with(b"aend"));
    }
}
