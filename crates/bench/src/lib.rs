//! What processes cost on this machine, measured.

pub mod calibrate;
pub mod load;
pub mod machine;
pub mod report;
pub mod rounds;
