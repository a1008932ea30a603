// Paths of the items in `pool`, which re-exports them, for the examples of the documentation.

pub use job::Job;
pub use serve::enter_if_worker;

pub mod worker {
    pub use serve::{is_worker, serve_as_worker};
}
