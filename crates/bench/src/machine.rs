//! Properties of the machine.

use std::fs;

use crate::report::Machine;

impl Machine {
    /// Returns this machine's properties and its load average now, as both values of `load`.
    #[must_use]
    pub fn here() -> Machine {
        Machine { processor: processor(), cores: pool::settings::available_cores(), load: [load(); 2] }
    }
}

/// Load average over the last minute, from `/proc/loadavg`; 0 if it cannot be read.
#[must_use]
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

/// Model name of the processor, from `/proc/cpuinfo`; "unknown processor" if it is not there.
#[must_use]
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    name.unwrap_or("unknown processor").to_owned()
}
