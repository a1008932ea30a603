//! The job type.

use pool::Job;
use serde::{Deserialize, Serialize};

use super::{
    files, network, processes,
    row::{Row, Scene},
    system,
};

/// An attempt, by its name in the [table](rows).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// Name of the row.
    pub name: String,
    /// What it is attempted on.
    pub scene: Scene,
}

/// Returns all rows.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [files::ROWS, network::ROWS, processes::ROWS, system::ROWS].into_iter().flatten()
}

impl Job for Attempt {
    const NAME: &'static str = "attempt";
    /// `None`, or the error number.
    type Output = Option<i32>;
    type Error = String;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<Option<i32>, String> {
        let row = rows().find(|row| row.name == self.name).ok_or("no such row")?;
        Ok((row.attempt)(&self.scene).err())
    }
}
