//! Rows 20 to 22: a user-defined program, run by `runner each` and by other tools.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use super::{
    commands::{Input, is_missing},
    runner::{BLOCK, feed, finish, quiet, watch_memory},
};
use crate::{
    bench::{Bench, ns_each, timed},
    report::{Goal, Missing, Row},
    rounds::{Contender, Result, alternate},
    table::number,
};

const FILTER: &str = "peers/python/upper.py";

/// Measures a Python filter that flushes each line.
pub(crate) fn python(bench: &Bench) -> Result<Vec<Row>> {
    let python = bench.python().unwrap_or_else(|_| "python3".into());
    let (many, few) = (bench.count(1_000_000, 10_000), bench.count(200, 20));
    let lines = |count: usize| (0..count).map(|n| format!("line {n}\n")).collect::<String>();
    let (all, some) = (Input::of("lines", &lines(many))?, Input::of("some-lines", &lines(few))?);
    let filter: [&Path; 2] = [&python, Path::new(FILTER)];
    let mut contenders = vec![
        per_line("runner each", many, || {
            let mut runner = quiet(&["each", "--workers", "2"])?;
            finish(runner.arg("--").args(filter).stdin(all.open()?))
        }),
        per_line("the filter alone", many, || {
            finish(Command::new(&python).arg(FILTER).stdin(all.open()?).stdout(Stdio::null()))
        }),
        per_line("multiprocessing.Pool.imap, chunks of 1,000", many, || {
            let mut pool = Command::new(&python);
            finish(pool.arg("peers/python/upper_pool.py").stdin(all.open()?).stdout(Stdio::null()))
        }),
        per_line("xargs -P2 -n1, a process a line", few, || {
            let shell = r#"printf '%s\n' "$0" "$@" | "$RUNNER_PYTHON" peers/python/upper.py"#;
            let mut xargs = Command::new("xargs");
            xargs.args(["-P2", "-n1", "-d", "\n", "sh", "-c", shell]).env("RUNNER_PYTHON", &python);
            finish(xargs.stdin(some.open()?).stdout(Stdio::null()))
        }),
    ];
    let mut missing = Vec::new();
    if is_missing("parallel") {
        let reason = "parallel is not installed (Debian: parallel)".to_owned();
        missing.push(Missing { peer: "GNU parallel".into(), reason });
    } else {
        for (name, options, input, count) in [
            ("GNU parallel --pipe (no order by line)", &["-j2", "--pipe"][..], &all, many),
            ("GNU parallel --pipe -N1, a process a line", &["-j2", "--pipe", "-N1"], &some, few),
        ] {
            contenders.push(per_line(name, count, move || {
                let mut parallel = Command::new("parallel");
                parallel.arg("--will-cite").args(options).args(filter);
                finish(parallel.stdin(input.open()?).stdout(Stdio::null()))
            }));
        }
    }
    let series = alternate(contenders, bench.rounds(5))?;
    let ours = series[0].median() / 1e3;
    let what = format!("a Python filter that flushes, {} lines, 2 at a time", number(many as f64));
    let mut row = Row::new("20", what, "ns a line").figures(&series);
    row = row.goal(Goal::at_most("runner each", ours, "us a line", [3.0, 1.5]));
    let faster = series[3].median() / series[0].median();
    row = row.goal(Goal::at_least("xargs, a process a line, in times", faster, "x", [1_000.0, 1_000.0]));
    if let Some(parallel) = series.get(4) {
        let slower = series[0].median() / parallel.median();
        row = row.goal(Goal::at_most("in times of parallel --pipe", slower, "x", [3.0, 1.5]));
    }
    Ok(vec![row.missing(missing)])
}

/// Measures a program in C that takes 20 us per line.
pub(crate) fn native(bench: &Bench) -> Result<Vec<Row>> {
    let program = Compiled::new()?;
    let count = bench.count(200_000, 2_000);
    let lines = Input::of("native-lines", &"a line\n".repeat(count))?;
    let contenders = vec![
        per_line("runner each", count, || {
            let mut runner = quiet(&["each", "--workers", "2"])?;
            finish(runner.arg("--").arg(&program.0).arg("20").stdin(lines.open()?))
        }),
        per_line("the program alone", count, || {
            finish(Command::new(&program.0).arg("20").stdin(lines.open()?).stdout(Stdio::null()))
        }),
    ];
    let series = alternate(contenders, bench.rounds(5))?;
    let speedup = series[1].median() / series[0].median();
    let goal = Goal::at_least("speedup of 2 workers", speedup, "x", [1.85, 1.9]);
    let what = format!("a program in C that takes 20 us a line, {} lines", number(count as f64));
    Ok(vec![Row::new("21", what, "ns a line").figures(&series).goal(goal)])
}

/// Measures peak memory with many lines through a program in C.
pub(crate) fn memory(bench: &Bench) -> Result<Vec<Row>> {
    let program = Compiled::new()?;
    let count = bench.count(10_000_000, 200_000);
    let run = || {
        let mut runner = quiet(&["each", "--workers", "2"])?;
        let mut child = runner.arg("--").arg(&program.0).stdin(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().ok_or("no input")?;
        thread::scope(|scope| {
            scope.spawn(move || feed(&mut input, &"a line of some length\n".repeat(BLOCK), count / BLOCK));
            watch_memory(&mut child)
        })
    };
    let series = alternate(vec![Contender::new("runner each", run)], bench.rounds(1))?;
    let goal = Goal::at_most("runner each", series[0].median(), "MiB", [32.0, 32.0]);
    let what = format!("peak memory of `runner each` at {} lines", number(count as f64));
    Ok(vec![Row::new("22", what, "MiB").figures(&series).goal(goal)])
}

fn per_line<'a>(name: &str, count: usize, run: impl Fn() -> Result<()> + 'a) -> Contender<'a> {
    Contender::new(name, move || Ok(ns_each(timed(&run)?.0, count)))
}

/// The compiled program in C, removed on drop.
struct Compiled(PathBuf);

impl Compiled {
    fn new() -> Result<Compiled> {
        let path = std::env::temp_dir().join(format!("peers-{}-each", std::process::id()));
        finish(Command::new("cc").args(["-O2", "-o"]).arg(&path).arg("peers/src/rows/each.c"))?;
        Ok(Compiled(path))
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
