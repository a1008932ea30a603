//! What the programs of this crate share: others who are asked by lines, numbers for jobs, measuring in
//! turns, and where it was measured.

pub mod child;
pub mod machine;
pub mod numbers;
pub mod rounds;
