// Paths of the items in `pool`, which re-exports them, for the examples of the documentation.

pub mod error {
    pub use wire::*;
}

pub mod settings {
    pub use wire::*;
}
