//! Outcomes of jobs.

use crate::{Job, JobError};

/// Outcome of a job: its output, or the reason why there is none.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::{Job, JobError, future::Outcome};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Square(i64);
/// # impl Job for Square {
/// #     const NAME: &'static str = "square";
/// #     type Output = i64;
/// #     type Error = String;
/// #     type Context = ();
/// #     fn run(self, _: &mut ()) -> Result<i64, String> { Ok(self.0 * self.0) }
/// # }
///
/// fn describe(outcome: Outcome<Square>) -> String {
///     match outcome {
///         Ok(square) => format!("{square}"),
///         Err(error) => format!("no output: {error}"),
///     }
/// }
/// assert_eq!(describe(Square(5).run(&mut ()).map_err(JobError::Failed)), "25");
/// assert_eq!(describe(Err(JobError::Cancelled)), "no output: the job was cancelled");
/// ```
pub type Outcome<J> = Result<<J as Job>::Output, JobError<<J as Job>::Error>>;
