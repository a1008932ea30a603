//! The jobs, as files for `runner`, and the bytes that have to come back.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use bench::calibrate::Pace;
use job::{Context as _, Job};
use ops::{Builtin, Context, Limits, Method};
use peers::{
    numbers::{gcd, pairs},
    rounds::Result,
};

/// A file of jobs.
pub(crate) struct Jobs {
    pub(crate) count: usize,
    input: PathBuf,
    expected: String,
}

impl Jobs {
    /// One gcd of two numbers of 22 bits each, some 50 ns of work.
    pub(crate) fn tiny(folder: &Path, count: usize) -> Result<Jobs> {
        let job = |(a, b)| (format!(r#"{{"op":"gcd","a":{a},"b":{b}}}"#), gcd(a, b));
        Jobs::write(folder.join("tiny.jsonl"), pairs(count).into_iter().map(job))
    }

    /// Sums by the plain loop, of so many summands that each takes this long on one core of this machine.
    pub(crate) fn sums(folder: &Path, count: usize, seconds: f64) -> Result<Jobs> {
        let n = Pace::of(add).turns(seconds * 1e9);
        let job = |_| (format!(r#"{{"op":"sum","n":{n},"method":"trial"}}"#), total(n));
        Jobs::write(folder.join("sums.jsonl"), (0..count).map(job))
    }

    fn write(input: PathBuf, jobs: impl Iterator<Item = (String, u64)>) -> Result<Jobs> {
        let (mut lines, mut expected, mut count) = (String::new(), String::new(), 0);
        for (line, result) in jobs {
            writeln!(lines, "{line}")?;
            writeln!(expected, r#"{{"id":{count},"ok":true,"result":{result}}}"#)?;
            count += 1;
        }
        fs::write(&input, lines)?;
        Ok(Jobs { count, input, expected })
    }

    /// Seconds from the start of this call of `runner` to its end, unless it prints something else than it
    /// should: a fast wrong answer is no answer.
    pub(crate) fn time(&self, command: &mut Command) -> Result<f64> {
        let output = self.input.with_extension("results");
        command.arg(&self.input).stdout(File::create(&output)?);
        let start = Instant::now();
        let status = command.status()?;
        let seconds = start.elapsed().as_secs_f64();
        if !status.success() {
            Err(format!("runner ended with {status}").into())
        } else if fs::read(output)? != self.expected.as_bytes() {
            Err("runner printed wrong results".into())
        } else {
            Ok(seconds)
        }
    }
}

/// 1 + 2 + ... + n.
pub(crate) fn total(n: u64) -> u64 {
    n * (n + 1) / 2
}

/// The work of a job of [`Jobs::sums`].
fn add(n: u64) -> u64 {
    let Ok(mut context) = Context::start(Limits { max_result: u64::MAX, ..Limits::default() });
    let value = Builtin::Sum { n: n.into(), method: Method::Trial }.run(&mut context);
    u64::from(value.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_prints_something_else_has_no_time() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::write(folder.path().join("one"), [("a job".to_owned(), 7)].into_iter()).unwrap();
        let echo = |text: &str| jobs.time(Command::new("sh").args(["-c", &format!("echo '{text}'")]));
        assert!(echo(r#"{"id":0,"ok":true,"result":7}"#).unwrap() > 0.0);
        assert!(echo(r#"{"id":0,"ok":true,"result":8}"#).is_err());
        assert!(jobs.time(&mut Command::new("false")).is_err());
    }
}
