//! Who factors, on one core: this project, PARI, and coreutils.
//!
//! This project reads each number from its digits and writes its factors; PARI has the numbers in its memory
//! and does not print; what `factor` takes for nothing at all is taken off.

use std::{
    cell::RefCell,
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use peers::{
    child::Talker,
    rounds::{Contender, Result, Series, alternate, median},
};

use crate::numbers::Kind;

/// PARI's calculator.
pub(crate) struct Pari {
    talker: RefCell<Talker>,
}

impl Pari {
    /// Starts it.
    pub(crate) fn start() -> std::result::Result<Pari, String> {
        let missing = "there is no `gp`; Debian's package `pari-gp` has it";
        let mut command = Command::new("gp");
        command.args(["--quiet", "--fast", "--default", "colors=no"]).env("TERM", "dumb");
        let mut talker = Talker::start(&mut command).map_err(|_| missing.to_owned())?;
        let ready = talker.ask("print(1)");
        ready.map_err(|_| missing.to_owned())?;
        Ok(Pari { talker: RefCell::new(talker) })
    }

    /// Seconds, and the sum of all prime factors modulo 2^64.
    fn factor(&self, numbers: &[u128]) -> Result<(f64, u64)> {
        let mut talker = self.talker.borrow_mut();
        let list = numbers.iter().map(u128::to_string).collect::<Vec<_>>().join(",");
        talker.ask(&format!("v = [{list}]; s = 0; print(#v)"))?;
        let start = Instant::now();
        let sum = talker
            .ask("for (i = 1, #v, f = factor(v[i]); if (#f~, s += f[,1]~ * f[,2])); print(s % 2^64)")?;
        Ok((start.elapsed().as_secs_f64(), sum.parse()?))
    }
}

/// The `factor` of coreutils, by its version.
pub(crate) fn find_factor() -> std::result::Result<String, String> {
    let missing = || "there is no `factor` of coreutils".to_owned();
    let output = Command::new("factor").arg("--version").output().map_err(|_| missing())?;
    let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
    if version.contains("coreutils") { Ok(version) } else { Err(missing()) }
}

/// Microseconds a number, in turns.
pub(crate) fn measure(
    kind: &Kind,
    pari: Option<&Pari>,
    factor: Option<&String>,
    rounds: usize,
) -> Result<Vec<Series>> {
    // This also warms up: curves' plans are made once in the life of a process.
    let batches: &Vec<Batch> = &kind.numbers(rounds).into_iter().map(Batch::new).collect();
    let per_number = |seconds: f64| seconds * 1e6 / kind.per_round as f64;
    let mut contenders = vec![in_turns("runner", batches, move |numbers| Ok(ours(numbers)), per_number)];
    if let Some(pari) = pari {
        contenders.push(in_turns("PARI", batches, |numbers| pari.factor(numbers), per_number));
    }
    if factor.is_some() && kind.suits_factor {
        contenders.push(in_turns("factor", batches, theirs, per_number));
    }
    Ok(alternate(contenders, rounds)?)
}

/// Microseconds for the number in the middle, each of them timed on its own.
pub(crate) fn middle(kind: &Kind, rounds: usize) -> f64 {
    let numbers = kind.numbers(rounds).into_iter().flatten();
    median(numbers.map(|number| ours(&[number]).0 * 1e6).collect())
}

/// Goes through the batches; everybody has to find the same factors.
fn in_turns<'a>(
    name: &str,
    batches: &'a [Batch],
    run: impl Fn(&[u128]) -> Result<(f64, u64)> + 'a,
    figure: impl Fn(f64) -> f64 + 'a,
) -> Contender<'a> {
    let mut next = batches.iter();
    Contender::new(name, move || {
        let batch = next.next().ok_or("a batch for each round")?;
        let (seconds, sum) = run(&batch.numbers)?;
        if sum != batch.sum {
            return Err("the factors differ".into());
        }
        Ok(figure(seconds))
    })
}

/// The numbers of a round.
struct Batch {
    numbers: Vec<u128>,
    /// Of all their prime factors, modulo 2^64.
    sum: u64,
}

impl Batch {
    fn new(numbers: Vec<u128>) -> Batch {
        Batch { sum: ours(&numbers).1, numbers }
    }
}

/// From text to text.
fn ours(numbers: &[u128]) -> (f64, u64) {
    let lines: Vec<String> = numbers.iter().map(u128::to_string).collect();
    let start = Instant::now();
    let mut text = String::new();
    for line in &lines {
        let factors = numtheory::factor(&line.parse().expect("digits")).expect("it is not 0");
        // Writing to a string does not fail.
        let _ = write!(text, "{line}:");
        for factor in &factors {
            let _ = write!(text, " {factor}");
        }
        text.push('\n');
    }
    (start.elapsed().as_secs_f64(), sum_of(&text).expect("these are numbers"))
}

/// The program, less what it takes to start.
fn theirs(numbers: &[u128]) -> Result<(f64, u64)> {
    let input: String = numbers.iter().map(|number| format!("{number}\n")).collect();
    let (nothing, _) = run_factor("")?;
    let (seconds, output) = run_factor(&input)?;
    Ok((seconds - nothing, sum_of(&output)?))
}

/// The sum of what stands behind the colons, modulo 2^64.
fn sum_of(lines: &str) -> Result<u64> {
    let factors = lines.lines().flat_map(|line| line.split_whitespace().skip(1));
    Ok(factors
        .map(str::parse::<u128>)
        .try_fold(0, |sum, factor| factor.map(|f| f.wrapping_add(sum) & u128::from(u64::MAX)))? as u64)
}

fn run_factor(input: &str) -> Result<(f64, String)> {
    let start = Instant::now();
    let mut child = Command::new("factor").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().ok_or("no input")?;
    let output = std::thread::scope(|scope| {
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    })?;
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status).into());
    }
    Ok((start.elapsed().as_secs_f64(), String::from_utf8(output.stdout)?))
}
