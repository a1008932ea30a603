//! Options with which a run gives way to other work on the machine.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::Args;

use crate::units;

/// Options with which a run gives way to other work on the machine.
#[derive(Debug, Args)]
#[command(next_help_heading = "Other work on the machine")]
pub(crate) struct AdmissionArguments {
    /// Start no jobs while more than N threads of other processes are runnable; 80% is 0.8 per core
    #[arg(long, value_name = "N|N%")]
    pub(crate) max_load: Option<MaxLoad>,

    /// Start no jobs while less memory is available, for example 2G
    #[arg(long, value_name = "SIZE")]
    pub(crate) min_free_memory: Option<units::Size>,

    /// Minimum time between the starts of two jobs [default: 0]
    #[arg(long, value_name = "SECS", value_parser = units::positive_seconds)]
    pub(crate) start_delay: Option<Duration>,

    /// Directory tree from whose `proc` and `sys` load and memory are read
    // Hidden: for tests, which cannot set the load of the machine.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub(crate) system_root: PathBuf,
}

/// Limit of the load: a number of runnable threads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum MaxLoad {
    Threads(f64),
    /// Number of threads per core of the machine.
    PerCore(f64),
}

impl FromStr for MaxLoad {
    type Err = String;

    fn from_str(text: &str) -> Result<MaxLoad, String> {
        let number =
            |text: &str| text.parse().ok().filter(|number: &f64| *number >= 0.0 && number.is_finite());
        let load = match text.strip_suffix('%') {
            Some(percent) => number(percent).map(|percent| MaxLoad::PerCore(percent / 100.0)),
            None => number(text).map(MaxLoad::Threads),
        };
        load.ok_or_else(|| {
            "expected a number of threads or a percentage of the cores: 3, 1.5, 80%".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_numbers_of_threads_and_percentages_of_the_cores() {
        let parse = |text: &str| text.parse::<MaxLoad>();
        assert_eq!(parse("3"), Ok(MaxLoad::Threads(3.0)));
        assert_eq!(parse("0"), Ok(MaxLoad::Threads(0.0)));
        assert_eq!(parse("1.5"), Ok(MaxLoad::Threads(1.5)));
        assert_eq!(parse("80%"), Ok(MaxLoad::PerCore(0.8)));
        for invalid in ["", "%", "-1", "-1%", "x", "NaN", "inf", "3 %", "80%%"] {
            assert!(parse(invalid).is_err(), "{invalid}");
        }
    }
}
