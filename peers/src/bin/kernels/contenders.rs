//! Contenders for factoring on one core: this project, PARI, and coreutils. This project parses each number
//! and formats its factors; PARI has the numbers in memory and does not print; the time of `factor` for empty
//! input is subtracted.

use std::{
    cell::RefCell,
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use peers::{
    child::LineClient,
    rounds::{Contender, Result, Series, alternate, median},
};

use crate::numbers::Kind;

/// The calculator of PARI.
pub(crate) struct Pari {
    client: RefCell<LineClient>,
}

impl Pari {
    /// Starts the calculator.
    pub(crate) fn start() -> std::result::Result<Pari, String> {
        let missing = "PARI: gp is not installed (Debian: pari-gp)";
        let mut command = Command::new("gp");
        command.args(["--quiet", "--fast", "--default", "colors=no"]).env("TERM", "dumb");
        let mut client = LineClient::start(&mut command).map_err(|_| missing.to_owned())?;
        let ready = client.ask("print(1)");
        ready.map_err(|_| missing.to_owned())?;
        Ok(Pari { client: RefCell::new(client) })
    }

    /// Returns the seconds and the sum of all prime factors modulo 2^64.
    fn factor(&self, numbers: &[u128]) -> Result<(f64, u64)> {
        let mut client = self.client.borrow_mut();
        let list = numbers.iter().map(u128::to_string).collect::<Vec<_>>().join(",");
        client.ask(&format!("v = [{list}]; s = 0; print(#v)"))?;
        let start = Instant::now();
        let sum = client
            .ask("for (i = 1, #v, f = factor(v[i]); if (#f~, s += f[,1]~ * f[,2])); print(s % 2^64)")?;
        Ok((start.elapsed().as_secs_f64(), sum.parse()?))
    }
}

/// Returns the version of the `factor` of coreutils.
pub(crate) fn find_factor() -> std::result::Result<String, String> {
    let missing = || "factor of coreutils is not installed".to_owned();
    let output = Command::new("factor").arg("--version").output().map_err(|_| missing())?;
    let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
    if version.contains("coreutils") { Ok(version) } else { Err(missing()) }
}

/// Measures the microseconds per number of all contenders in turns.
pub(crate) fn measure(
    kind: &Kind,
    pari: Option<&Pari>,
    factor: Option<&String>,
    rounds: usize,
) -> Result<Vec<Series>> {
    // This also warms up: plans for elliptic curves are computed once per process.
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

/// Returns the median of the microseconds per number, each of them timed separately.
pub(crate) fn middle(kind: &Kind, rounds: usize) -> f64 {
    let numbers = kind.numbers(rounds).into_iter().flatten();
    median(numbers.map(|number| ours(&[number]).0 * 1e6).collect())
}

/// Creates a contender that runs one batch per round and checks the factors.
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

/// Numbers of a round.
struct Batch {
    numbers: Vec<u128>,
    /// Sum of all prime factors modulo 2^64.
    sum: u64,
}

impl Batch {
    fn new(numbers: Vec<u128>) -> Batch {
        Batch { sum: ours(&numbers).1, numbers }
    }
}

/// Factors the numbers with this project, from text to text.
fn ours(numbers: &[u128]) -> (f64, u64) {
    let lines: Vec<String> = numbers.iter().map(u128::to_string).collect();
    let start = Instant::now();
    let mut text = String::new();
    for line in &lines {
        let factors = numtheory::factor(&line.parse().expect("not a number")).expect("the number is 0");
        // Writing to a string does not fail.
        let _ = write!(text, "{line}:");
        for factor in &factors {
            let _ = write!(text, " {factor}");
        }
        text.push('\n');
    }
    (start.elapsed().as_secs_f64(), sum_of(&text).expect("not numbers"))
}

/// Factors the numbers with `factor`, without the time for its start.
fn theirs(numbers: &[u128]) -> Result<(f64, u64)> {
    let input: String = numbers.iter().map(|number| format!("{number}\n")).collect();
    let (nothing, _) = run_factor("")?;
    let (seconds, output) = run_factor(&input)?;
    Ok((seconds - nothing, sum_of(&output)?))
}

/// Returns the sum of the factors, which follow the colons, modulo 2^64.
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
        return Err(format!("factor failed: {}", output.status).into());
    }
    Ok((start.elapsed().as_secs_f64(), String::from_utf8(output.stdout)?))
}
