//! Code shared by the programs of this crate: child processes with a line protocol, numbers for jobs, rounds
//! of measurements, and information about the machine.

pub mod child;
pub mod machine;
pub mod numbers;
pub mod rounds;
