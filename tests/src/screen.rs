//! Emulates a terminal and returns what it shows at the end.

use std::{fs::File, io::Read, thread};

use nix::pty::{Winsize, openpty};

use crate::{Call, Output, runner};

/// The lines of a terminal after a run, and everything that was written to it.
#[derive(Debug)]
pub struct Screen {
    /// Lines without trailing blanks and without overwritten or cleared text.
    pub lines: Vec<String>,
    /// Everything that was written, with control sequences.
    pub written: String,
}

/// Runs a program with a terminal as standard error and, if `both` is set, as standard output.
///
/// # Panics
/// If no pseudoterminal can be opened.
#[must_use]
pub fn on_a_terminal(call: Call, both: bool) -> (Screen, Output) {
    let size = Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
    let (written, output) = run(call, Some(&size), both);
    (Screen { lines: lines(&written), written }, output)
}

/// Runs `runner` with a terminal of unknown size as standard error and returns what it writes there.
///
/// # Panics
/// If no pseudoterminal can be opened or `runner` fails.
#[must_use]
pub fn terminal(arguments: &[&str], input: &str) -> String {
    let (written, output) = run(runner(arguments).stdin(input), None, false);
    assert_eq!(output.code(), 0);
    written
}

/// Runs a program on a terminal; returns everything that is written to the terminal.
fn run(call: Call, size: Option<&Winsize>, both: bool) -> (String, Output) {
    let terminal = openpty(size, None).expect("cannot open a pseudoterminal");
    let (mut master, slave) = (File::from(terminal.master), File::from(terminal.slave));
    let call = call.with(|c| {
        if both { c.stdout(slave.try_clone().expect("cannot duplicate the descriptor")) } else { c }
    });
    let running = call.with(|c| c.stderr(slave)).start();
    let reading = thread::spawn(move || {
        let (mut drawn, mut chunk) = (Vec::new(), [0; 4096]);
        // Reading fails once the last process has closed the terminal.
        while let Ok(count @ 1..) = master.read(&mut chunk) {
            drawn.extend_from_slice(&chunk[..count]);
        }
        drawn
    });
    let output = running.wait();
    let written = reading.join().expect("the reading thread panicked");
    (String::from_utf8_lossy(&written).into_owned(), output)
}

/// Returns the lines of a terminal of unlimited width and height.
fn lines(written: &str) -> Vec<String> {
    let (mut screen, mut row, mut column) = (vec![Vec::new()], 0usize, 0usize);
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                let sequence = control_sequence(&mut letters);
                let count = sequence.trim_end_matches(char::is_alphabetic).parse().unwrap_or(0usize);
                match sequence.chars().last() {
                    Some('A') => row = row.saturating_sub(count.max(1)),
                    Some('B') => row += count.max(1),
                    Some('D') => column = column.saturating_sub(count.max(1)),
                    Some('K') if count == 2 => screen[row].clear(),
                    Some('K') => screen[row].truncate(column),
                    Some('m' | 'h' | 'l') => {}
                    _ => panic!("an unknown control sequence: {sequence:?}"),
                }
            }
            _ => {
                let line: &mut Vec<char> = &mut screen[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = letter;
                column += 1;
            }
        }
        screen.resize(screen.len().max(row + 1), Vec::new());
    }
    screen.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned()).collect()
}

/// Reads the rest of a control sequence after the escape: a bracket, numbers, and the final letter.
fn control_sequence(letters: &mut impl Iterator<Item = char>) -> String {
    let mut sequence = String::new();
    for letter in letters.skip(1) {
        sequence.push(letter);
        if letter.is_alphabetic() {
            break;
        }
    }
    sequence
}
