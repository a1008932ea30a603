//! Rows 9, 10 and 14: whole runs of the command line.

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    bench::{Bench, checked, ns_each, timed},
    report::{Goal, Row},
    rounds::{Contender, Result, alternate, median},
    table::number,
};

/// Measures a whole run with one job.
pub(crate) fn start(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(50, 10);
    let jobs = JobFile::of(bench, 1)?;
    let run = |arguments: &'static [&'static str], jobs: &JobFile| {
        let path = jobs.0.clone();
        move || {
            let once = || Ok(timed(|| finish(quiet(arguments)?.arg(&path)))?.0.as_secs_f64() * 1e3);
            Ok(median((0..count).map(|_| once()).collect::<Result<_>>()?))
        }
    };
    let contenders = vec![
        Contender::new("runner", run(&["--workers", "2"], &jobs)),
        Contender::new("runner --executor serial", run(&["--executor", "serial"], &jobs)),
    ];
    let series = alternate(contenders, bench.rounds(5))?;
    let goal = Goal::at_most("runner", series[0].median(), "ms", [4.0, 3.0]);
    let what = format!("`runner` on a file of one job, whole process, 2 workers, median of {count}");
    Ok(vec![Row::new("9", what, "ms").figures(&series).goal(goal)])
}

/// Measures a million jobs from a file.
pub(crate) fn throughput(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(1_000_000, 0);
    let jobs = JobFile::of(bench, count)?;
    let sum = bench.sum(count);
    let run = |arguments: &'static [&'static str]| {
        let path = jobs.0.clone();
        // The results are checked once, since they are discarded during measurements.
        checked(results(quiet(arguments)?.arg(&path))?, sum)?;
        Ok::<_, Box<dyn std::error::Error>>(move || {
            let (time, ()) = timed(|| finish(quiet(arguments)?.arg(&path)))?;
            Ok(ns_each(time, count))
        })
    };
    let contenders = vec![
        Contender::new("runner", run(&["--workers", "2"])?),
        Contender::new("runner --executor serial", run(&["--executor", "serial"])?),
    ];
    let series = alternate(contenders, bench.rounds(5))?;
    let goal = Goal::at_most("runner", series[0].median(), "ns a job", [250.0, 150.0]);
    let what = format!("`runner --workers 2` on {} gcd jobs from a file", number(count as f64));
    Ok(vec![Row::new("10", what, "ns a job").figures(&series).goal(goal)])
}

/// Measures peak memory with many jobs.
pub(crate) fn memory(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(10_000_000, 200_000);
    let block = lines(bench, BLOCK);
    let run = || {
        let block = block.clone();
        let mut child = quiet(&["--workers", "2"])?.stdin(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().ok_or("no input")?;
        thread::scope(|scope| {
            scope.spawn(move || feed(&mut input, &block, count / BLOCK));
            watch_memory(&mut child)
        })
    };
    let series = alternate(vec![Contender::new("runner", run)], bench.rounds(1))?;
    let goal = Goal::at_most("runner", series[0].median(), "MiB", [64.0, 64.0]);
    let what = format!("peak memory of `runner` at {} jobs from standard input", number(count as f64));
    Ok(vec![Row::new("14", what, "MiB").figures(&series).goal(goal)])
}

/// Number of lines per write.
pub(super) const BLOCK: usize = 10_000;

/// Writes a text `count` times. Errors are ignored, since the exit code of the reader reports incomplete
/// input.
pub(super) fn feed(input: &mut impl Write, text: &str, count: usize) {
    let _ = (0..count).try_for_each(|_| input.write_all(text.as_bytes()));
}

/// Returns the peak memory in MiB, read from `/proc` while the process runs: the value that `wait` reports
/// includes the memory of the parent before `exec`.
pub(super) fn watch_memory(child: &mut Child) -> Result<f64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak: f64 = 0.0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
        peak = peak.max(kib / 1024.0);
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(peak),
            Some(status) => return Err(format!("runner ended with {status}").into()),
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// A file of jobs, removed on drop.
struct JobFile(PathBuf);

impl JobFile {
    fn of(bench: &Bench, count: usize) -> Result<JobFile> {
        let path = env::temp_dir().join(format!("peers-{}-{count}.jsonl", std::process::id()));
        File::create(&path)?.write_all(lines(bench, count).as_bytes())?;
        Ok(JobFile(path))
    }
}

impl Drop for JobFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn lines(bench: &Bench, count: usize) -> String {
    bench.pairs(count).iter().fold(String::new(), |mut lines, (a, b)| {
        let _ = writeln!(lines, r#"{{"op":"gcd","a":{a},"b":{b}}}"#);
        lines
    })
}

/// Returns a command for the `runner` next to this program, without messages.
pub(super) fn quiet(arguments: &[&str]) -> Result<Command> {
    let program = env::current_exe()?;
    let runner = program.parent().unwrap_or(Path::new("")).join("runner");
    let mut command = Command::new(runner);
    command.args(arguments).arg("--quiet").stdin(Stdio::null()).stdout(Stdio::null());
    // If set by the user, they would change the measurement.
    for name in ["RUNNER_WORKERS", "RUNNER_EXECUTOR", "RUNNER_PROGRESS"] {
        command.env_remove(name);
    }
    Ok(command)
}

/// Runs a program.
///
/// # Errors
/// If it fails.
pub(super) fn finish(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}").into()) }
}

/// Returns the results that `runner` prints.
fn results(command: &mut Command) -> Result<Vec<u64>> {
    let output = command.stdout(Stdio::piped()).output()?;
    let number = |line: &str| -> Result<u64> {
        let (_, result) = line.rsplit_once(':').ok_or("no result")?;
        Ok(result.trim_end_matches('}').parse()?)
    };
    std::str::from_utf8(&output.stdout)?.lines().map(number).collect()
}
