//! What a person sees on a terminal in the end.

use std::{fs::File, io::Read, thread};

use nix::pty::{Winsize, openpty};

use crate::{Call, Output};

/// A terminal's lines after a call, and everything that has been written to it on the way.
#[derive(Debug)]
pub struct Screen {
    /// Lines without trailing blanks; what has been overwritten or cleared is not in them.
    pub lines: Vec<String>,
    /// What has been written, with control sequences.
    pub written: String,
}

/// Runs a call with a terminal as its standard error, and as its standard output too if `both`.
///
/// # Panics
/// When there is no terminal to be had.
#[must_use]
pub fn on_a_terminal(call: Call, both: bool) -> (Screen, Output) {
    let size = Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).expect("a terminal can be made");
    let (mut master, slave) = (File::from(terminal.master), File::from(terminal.slave));
    let call =
        call.with(|c| if both { c.stdout(slave.try_clone().expect("descriptors are left")) } else { c });
    let running = call.with(|c| c.stderr(slave)).start();
    let reading = thread::spawn(move || {
        let (mut drawn, mut chunk) = (Vec::new(), [0; 4096]);
        // The terminal ends with an error when the last process has closed it.
        while let Ok(count @ 1..) = master.read(&mut chunk) {
            drawn.extend_from_slice(&chunk[..count]);
        }
        drawn
    });
    let output = running.wait();
    let written = reading.join().expect("reading goes on");
    let written = String::from_utf8_lossy(&written).into_owned();
    (Screen { lines: lines(&written), written }, output)
}

/// The lines that a terminal shows which has no end at the bottom and the right.
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

/// The rest of a control sequence after the escape: a bracket, numbers, and the letter that ends it.
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
