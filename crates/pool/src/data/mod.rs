//! Large data that a pool and its workers share instead of copying it: [`Blob`] for bytes, [`Shared`] for
//! items of another type, such as `f32`.
//!
//! ```standalone_crate
//! use pool::{Executor, Job, ProcessPool, data::Blob, error::RemoteError};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct CountZeros(Blob);
//!
//! impl Job for CountZeros {
//!     const NAME: &'static str = "count-zeros";
//!     type Output = usize;
//!     type Error = RemoteError;
//!     type Context = ();
//!
//!     fn run(self, _: &mut ()) -> Result<usize, RemoteError> {
//!         Ok(self.0.iter().filter(|&&byte| byte == 0).count())
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     pool::enter_if_worker::<CountZeros>();
//!     let pool = ProcessPool::builder().workers(1).build()?;
//!     let blob = Blob::with_len(1_000_000, |bytes| bytes[..10].fill(1))?;
//!     assert_eq!(pool.submit(CountZeros(blob))?.result()?, 999_990);
//!     pool.join();
//!     Ok(())
//! }
//! ```
//!
//! | module | content |
//! |---|---|
//! | `shared` | the types |
//! | `private` | copies that may be changed |
//! | `writer` | data whose length is not known in advance |
//! | `encoding` | encoding: as bytes, or as a reference to a file |

mod encoding;
mod private;
mod shared;
#[cfg(test)]
mod tests;
mod writer;

pub use bytemuck::Pod;
pub use private::PrivateBytes;
pub use shared::{Blob, MIN_SHARED_SIZE, Shared};
pub use writer::BlobWriter;
