//! The `sleep` job: a placeholder for work that needs no CPU.

use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A duration in seconds, together with the text that it was parsed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seconds {
    text: Box<str>,
    duration: Duration,
}

/// Error for text that is not a non-negative number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a non-negative number of seconds")]
pub struct ParseSecondsError;

impl Seconds {
    /// Returns the duration.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns the text that the duration was parsed from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Seconds {
    type Err = ParseSecondsError;

    fn from_str(text: &str) -> Result<Seconds, ParseSecondsError> {
        let number: f64 = text.parse().map_err(|_| ParseSecondsError)?;
        let duration = Duration::try_from_secs_f64(number).map_err(|_| ParseSecondsError)?;
        Ok(Seconds { text: text.into(), duration })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_text() {
        let seconds: Seconds = "1.50e0".parse().unwrap();
        assert_eq!((seconds.as_str(), seconds.duration()), ("1.50e0", Duration::from_millis(1500)));
        assert_eq!("-0.0".parse::<Seconds>().unwrap().duration(), Duration::ZERO);
        for wrong in ["-1", "1e400", "NaN", "inf", "", "1s", "1e30"] {
            assert_eq!(wrong.parse::<Seconds>(), Err(ParseSecondsError), "{wrong}");
        }
    }
}
