//! Compares factoring with PARI and `factor` of coreutils; `scripts/bench-factor` builds and runs this
//! program. Measures first on one core by the kind of number, then `factor` and `runner factor` on the same
//! text. Results are compared.

mod contenders;
mod numbers;
mod pipelines;
mod table;

use std::process::ExitCode;

use clap::Parser;
use peers::rounds::Result;

/// Compares factoring with PARI and coreutils
#[derive(Debug, Parser)]
#[command(name = "scripts/bench-factor")]
struct Args {
    /// Number of rounds; each contender runs once per round, on other numbers in each
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// Use a tenth of the numbers, to check that everything can be measured
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    match measure(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kernels: {error}");
            ExitCode::from(2)
        }
    }
}

fn measure(args: &Args) -> Result<()> {
    let rounds = usize::from(args.rounds);
    let pari = contenders::Pari::start();
    let factor = contenders::find_factor();
    println!("{}", table::head(rounds, pari.as_ref().err(), factor.as_ref().err()));
    for kind in numbers::kinds(args.quick) {
        let series = contenders::measure(&kind, pari.as_ref().ok(), factor.as_ref().ok(), rounds)?;
        println!("{}", table::kernel(&kind, rounds, &series, contenders::middle(&kind, rounds)));
    }
    let Ok(factor) = factor else { return Ok(()) };
    println!("{}", table::pipelines_head());
    for text in pipelines::texts(args.quick) {
        let series = pipelines::measure(&text, &factor, rounds)?;
        println!("{}", table::pipeline(&text, &series));
    }
    Ok(())
}
