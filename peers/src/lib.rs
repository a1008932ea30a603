//! What the programs of this crate share: others who are asked by lines, measuring in turns, and where it was measured.

pub mod child;
pub mod machine;
pub mod rounds;
