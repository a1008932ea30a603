//! Who factors, on one core: this project, PARI, and coreutils.
//!
//! This project reads each number from its digits and writes its factors; PARI has the numbers in its memory and
//! does not print; what `factor` takes for nothing at all is taken off.

use std::{
    cell::RefCell,
    fmt::Write as _,
    hint::black_box,
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use builtin::Natural;
use peers::{
    child::Talker,
    rounds::{Contender, Result, Series, alternate, median},
};

use crate::numbers::{Kind, prime_factors};

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

    /// Seconds, and the sum of the last 64 bits of the smallest factors.
    fn factor(&self, numbers: &[u128]) -> Result<(f64, u128)> {
        let mut talker = self.talker.borrow_mut();
        let list = numbers.iter().map(u128::to_string).collect::<Vec<_>>().join(",");
        talker.ask(&format!("v = [{list}]; s = 0; print(#v)"))?;
        let start = Instant::now();
        let sum = talker.ask("for (i = 1, #v, f = factor(v[i]); if (#f~, s += f[1,1] % 2^64)); print(s)")?;
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
    let batches = &kind.numbers(rounds);
    let per_number = |seconds: f64| seconds * 1e6 / kind.per_round as f64;
    // Plans are made once in the life of a process.
    ours(&batches[0]);
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

/// Goes through the batches and compares the sums with our own.
fn in_turns<'a>(
    name: &str,
    batches: &'a [Vec<u128>],
    run: impl Fn(&[u128]) -> Result<(f64, u128)> + 'a,
    figure: impl Fn(f64) -> f64 + 'a,
) -> Contender<'a> {
    let mut next = batches.iter();
    Contender::new(name, move || {
        let numbers = next.next().ok_or("a batch for each round")?;
        let (seconds, sum) = run(numbers)?;
        if sum != smallest_factors(numbers) {
            return Err("the factors differ".into());
        }
        Ok(figure(seconds))
    })
}

fn smallest_factors(numbers: &[u128]) -> u128 {
    let smallest = |&number: &u128| prime_factors(&number.into()).into_iter().next();
    numbers.iter().filter_map(smallest).map(value).sum()
}

/// What is added up of a factor: its last 64 bits.
fn value(number: Natural) -> u128 {
    number.into_big() % (1u128 << 64)
}

/// From text to text.
fn ours(numbers: &[u128]) -> (f64, u128) {
    let lines: Vec<String> = numbers.iter().map(u128::to_string).collect();
    let (start, mut sum) = (Instant::now(), 0);
    let mut text = String::new();
    for line in &lines {
        let factors = prime_factors(&line.parse().expect("digits"));
        // Writing to a string does not fail.
        let _ = write!(text, "{line}:");
        for factor in &factors {
            let _ = write!(text, " {factor}");
        }
        text.push('\n');
        sum += factors.into_iter().next().map_or(0, value);
    }
    black_box(text);
    (start.elapsed().as_secs_f64(), sum)
}

/// The program, less what it takes to start.
fn theirs(numbers: &[u128]) -> Result<(f64, u128)> {
    let input: String = numbers.iter().map(|number| format!("{number}\n")).collect();
    let (nothing, _) = run_factor("")?;
    let (seconds, output) = run_factor(&input)?;
    let smallest = |line: &str| line.split_whitespace().nth(1).map_or(Ok(0), str::parse::<u128>);
    let sum = output.lines().map(smallest).sum::<std::result::Result<u128, _>>()?;
    Ok((seconds - nothing, sum))
}

fn run_factor(input: &str) -> Result<(f64, String)> {
    let start = Instant::now();
    let mut child = Command::new("factor").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().ok_or("no input")?;
    let output = std::thread::scope(|scope| {
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    })?;
    Ok((start.elapsed().as_secs_f64(), String::from_utf8(output.stdout)?))
}
