//! What a program writes to standard error: passed on in whole lines, its tail kept for the record of a crash.

use std::{
    collections::VecDeque,
    io::{self, PipeReader, Read, Write},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use sys::stream::Blocking;

/// Number of bytes kept.
const TAIL: usize = 4 * 1024;

/// Number of bytes passed on at once. A pipe takes that many in one piece, so lines of several workers do not mix.
const PIECE: usize = 4 * 1024;

/// Longest wait for the end of the stream after the program has ended: a process that it left may hold it open.
const END: Duration = Duration::from_millis(200);

/// The reading side of a program's standard error, with a thread that passes it on.
#[derive(Debug)]
pub(super) struct Relay(Arc<Shared>);

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

impl Relay {
    /// Starts to pass lines on, each after the prefix.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(stream: PipeReader, prefix: String) -> io::Result<Relay> {
        let shared = Arc::<Shared>::default();
        let relay = Relay(shared.clone());
        thread::Builder::new().name("program-stderr".into()).spawn(move || {
            pass_on(stream, prefix.as_bytes(), &shared);
            shared.state().ended = true;
            shared.ended.notify_all();
        })?;
        Ok(relay)
    }

    /// The last bytes of the stream, after the program has ended.
    pub(super) fn tail(&self) -> Vec<u8> {
        let (mut state, _) = self
            .0
            .ended
            .wait_timeout_while(self.0.state(), END, |state| !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        state.tail.make_contiguous().to_vec()
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pass_on(mut stream: PipeReader, prefix: &[u8], shared: &Shared) {
    let mut piece = vec![0; PIECE];
    let mut lines = Lines::new(prefix);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => {
                keep(&mut shared.state().tail, &piece[..count]);
                lines.add(&piece[..count], &mut write);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    lines.end(&mut write);
}

fn keep(tail: &mut VecDeque<u8>, bytes: &[u8]) {
    tail.extend(bytes);
    let excess = tail.len().saturating_sub(TAIL);
    tail.drain(..excess);
}

/// Writes to this process's standard error. What cannot be written is dropped: the program goes on.
fn write(bytes: &[u8]) {
    let _ = Blocking(io::stderr()).write_all(bytes);
}

/// Gathers whole lines.
struct Lines<'a> {
    prefix: &'a [u8],
    /// The start of a line whose end has not come.
    rest: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn new(prefix: &'a [u8]) -> Lines<'a> {
        Lines { prefix, rest: Vec::new() }
    }

    fn add(&mut self, bytes: &[u8], write: &mut impl FnMut(&[u8])) {
        let mut whole = Vec::with_capacity(bytes.len() + self.rest.len());
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.rest.is_empty() {
                self.rest.extend_from_slice(self.prefix);
            }
            self.rest.extend_from_slice(line);
            if !line.ends_with(b"\n") && self.rest.len() < PIECE {
                continue;
            }
            // A line that is longer than a piece is passed on as it comes.
            if whole.len() + self.rest.len() > PIECE && !whole.is_empty() {
                write(&whole);
                whole.clear();
            }
            whole.append(&mut self.rest);
        }
        if !whole.is_empty() {
            write(&whole);
        }
    }

    /// Passes a last line without an end on.
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
    fn lines_are_passed_on_whole_and_prefixed() {
        let mut written = Vec::new();
        let mut write = |bytes: &[u8]| written.push(String::from_utf8(bytes.to_vec()).unwrap());
        let mut lines = Lines::new(b"p.1: ");
        lines.add(b"one\ntw", &mut write);
        lines.add(b"o\n\nrest", &mut write);
        lines.end(&mut write);
        assert_eq!(written, ["p.1: one\n", "p.1: two\np.1: \n", "p.1: rest\n"]);
    }

    #[test]
    fn pieces_are_no_larger_than_a_pipe_takes_whole() {
        let mut written = Vec::new();
        let mut lines = Lines::new(b"");
        let text = "x".repeat(1000) + "\n";
        lines.add(text.repeat(20).as_bytes(), &mut |bytes: &[u8]| written.push(bytes.len()));
        assert!(written.iter().all(|&length| length <= PIECE && length % 1001 == 0), "{written:?}");
        assert_eq!(written.iter().sum::<usize>(), 20 * 1001);
    }

    #[test]
    fn the_tail_is_what_came_last() {
        let mut tail = VecDeque::new();
        keep(&mut tail, &[b'a'; 5000]);
        keep(&mut tail, b"end");
        assert_eq!(tail.len(), TAIL);
        assert!(tail.make_contiguous().ends_with(b"aend"));
    }
}
