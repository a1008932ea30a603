//! Files of jobs for `runner`, and their expected output.

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

/// A file of jobs with its expected output.
pub(crate) struct Jobs {
    pub(crate) count: usize,
    input: PathBuf,
    expected: String,
}

impl Jobs {
    /// Writes `gcd` jobs for numbers of 22 bits, which take about 50 ns each.
    pub(crate) fn tiny(folder: &Path, count: usize) -> Result<Jobs> {
        let job = |(a, b)| (format!(r#"{{"op":"gcd","a":{a},"b":{b}}}"#), gcd(a, b));
        Jobs::write(folder.join("tiny.jsonl"), pairs(count).into_iter().map(job))
    }

    /// Writes `sum` jobs by the plain loop that take `seconds` each on one core of this machine.
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

    /// Runs `runner` on the jobs and returns its duration in seconds.
    ///
    /// # Errors
    /// If it fails or its output is wrong.
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

/// Returns 1 + 2 + ... + n.
pub(crate) fn total(n: u64) -> u64 {
    n * (n + 1) / 2
}

/// Performs the work of a job of [`Jobs::sums`].
fn add(n: u64) -> u64 {
    let Ok(mut context) = Context::start(Limits { max_result: u64::MAX, ..Limits::default() });
    let value = Builtin::Sum { n: n.into(), method: Method::Trial }.run(&mut context);
    u64::from(value.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_output_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Jobs::write(folder.path().join("one"), [("a job".to_owned(), 7)].into_iter()).unwrap();
        let echo = |text: &str| jobs.time(Command::new("sh").args(["-c", &format!("echo '{text}'")]));
        assert!(echo(r#"{"id":0,"ok":true,"result":7}"#).unwrap() > 0.0);
        assert!(echo(r#"{"id":0,"ok":true,"result":8}"#).is_err());
        assert!(jobs.time(&mut Command::new("false")).is_err());
    }
}
