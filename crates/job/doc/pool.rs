// Paths of the items in `pool`, which re-exports them, for the examples of the documentation.

pub use job::{Job, JobError};

pub mod error {
    pub use job::*;
}

pub mod future {
    pub use job::*;
}

pub mod metrics {
    pub use job::*;
}

pub mod worker {
    pub use job::*;
}
