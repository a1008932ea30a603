//! Bytes in an anonymous file, which other processes open.
//!
//! | module | content |
//! |---|---|
//! | `file` | files, and opening those of other processes |
//! | `writer` | files whose length is not known in advance |
//! | `new_file` | creation of files |
//! | `reusable` | files that are used again for other data |
//! | `private` | copies in the memory of this process |
//! | `kept` | memory that is kept for the next data |
//! | `mapping` | owned mappings |
//! | `descriptors` | how many descriptors files take |

mod descriptors;
mod file;
mod kept;
mod mapping;
mod new_file;
mod private;
mod reusable;
#[cfg(test)]
mod tests;
mod writer;

pub use descriptors::are_descriptors_scarce;
pub use file::{ChangeableFile, Payload, Received};
pub use kept::{Keeper, MAX_REUSED, free_unused, time_to_free};
pub use private::PrivateCopy;
pub use writer::PayloadWriter;
