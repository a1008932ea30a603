//! Measures `runner factor` and `factor` as whole processes on the same text.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use peers::rounds::{Contender, Result, Series, alternate};

use crate::numbers::Random;

/// Input of the programs.
pub(crate) struct Text {
    pub(crate) name: &'static str,
    lines: String,
}

/// Returns the inputs.
pub(crate) fn texts(quick: bool) -> Vec<Text> {
    let share = if quick { 10 } else { 1 };
    let mut random = Random(6);
    vec![
        Text { name: "1 to 1,000,000", lines: (1..=1_000_000 / share).map(|n| format!("{n}\n")).collect() },
        Text {
            name: "20,000 random numbers of 64 bits",
            lines: (0..20_000 / share).map(|_| format!("{}\n", random.word())).collect(),
        },
    ]
}

/// Measures the seconds of both programs in turns.
///
/// # Errors
/// If their outputs differ.
pub(crate) fn measure(text: &Text, factor: &str, rounds: usize) -> Result<Vec<Series>> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.lines.as_bytes())?;
    let input = file.path();
    let runner = env::current_exe()?.with_file_name("runner");
    let (ours, theirs) = (|| command(runner.clone(), &["factor"]), || command("factor".into(), &[]));
    if output(ours(), input)? != output(theirs(), input)? {
        return Err(format!("runner and {factor} print different lines").into());
    }
    let contenders = vec![
        Contender::new("runner factor", || timed(ours(), input)),
        Contender::new("factor", || timed(theirs(), input)),
    ];
    Ok(alternate(contenders, rounds)?)
}

fn command(program: PathBuf, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C");
    command
}

fn output(mut command: Command, input: &Path) -> Result<Vec<u8>> {
    let output = command.stdin(fs::File::open(input)?).output()?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("the program failed: {}", output.status).into())
    }
}

fn timed(mut command: Command, input: &Path) -> Result<f64> {
    let start = Instant::now();
    let status = command.stdin(fs::File::open(input)?).stdout(Stdio::null()).status()?;
    if status.success() {
        Ok(start.elapsed().as_secs_f64())
    } else {
        Err(format!("the program failed: {status}").into())
    }
}
