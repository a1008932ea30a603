//! Row 15: many programs, started by `runner` and by other tools.

use std::{
    fs::File,
    io::ErrorKind,
    path::PathBuf,
    process::{Command, Stdio},
};

use super::runner::{finish, quiet};
use crate::{
    bench::{Bench, timed},
    report::{Missing, Row},
    rounds::{Contender, Result, alternate},
};

/// Name, command and Debian package of each peer.
const PEERS: [(&str, &[&str], &str); 2] = [
    ("xargs -P2 -n1", &["xargs", "-P2", "-n1", "/bin/true"], "Debian: findutils"),
    ("GNU parallel -j2", &["parallel", "--will-cite", "-j2", "/bin/true"], "Debian: parallel"),
];

/// Measures many runs of the same program.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(200, 20);
    let jobs = Input::of("jobs", &r#"{"op":"command","argv":["/bin/true"]}"#.repeat_lines(count))?;
    let words = Input::of("words", &"x".repeat_lines(count))?;
    let mut missing = Vec::new();
    let mut contenders = vec![each("runner --allow-command", count, || {
        let mut runner = quiet(&["--workers", "2", "--allow-command"])?;
        finish(runner.stdin(jobs.open()?))
    })];
    for (name, words_of, source) in PEERS {
        let command = || {
            let mut command = Command::new(words_of[0]);
            command.args(&words_of[1..]).stdout(Stdio::null());
            command
        };
        if is_missing(words_of[0]) {
            let reason = format!("{} is not installed ({source})", words_of[0]);
            missing.push(Missing { peer: name.to_owned(), reason });
        } else {
            let words = &words;
            contenders.push(each(name, count, move || finish(command().stdin(words.open()?))));
        }
    }
    let series = alternate(contenders, bench.rounds(5))?;
    let what = format!("{count} runs of /bin/true, whole process, 2 at a time");
    Ok(vec![Row::new("15", what, "us a run").figures(&series).missing(missing)])
}

fn each<'a>(name: &str, count: usize, run: impl Fn() -> Result<()> + 'a) -> Contender<'a> {
    Contender::new(name, move || Ok(timed(&run)?.0.as_secs_f64() * 1e6 / count as f64))
}

pub(super) fn is_missing(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// A temporary file that can be opened repeatedly.
pub(super) struct Input(PathBuf);

impl Input {
    pub(super) fn of(name: &str, text: &str) -> Result<Input> {
        let path = std::env::temp_dir().join(format!("peers-{}-{name}", std::process::id()));
        std::fs::write(&path, text)?;
        Ok(Input(path))
    }

    pub(super) fn open(&self) -> Result<File> {
        Ok(File::open(&self.0)?)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

trait RepeatLines {
    fn repeat_lines(&self, count: usize) -> String;
}

impl RepeatLines for str {
    fn repeat_lines(&self, count: usize) -> String {
        format!("{self}\n").repeat(count)
    }
}
