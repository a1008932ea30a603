// Paths of the items in `pool`, which re-exports them, for the examples of the documentation.

pub mod settings {
    pub use sandbox::{Level as SandboxLevel, Sandbox};
}
