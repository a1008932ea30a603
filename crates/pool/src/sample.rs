//! What tests of several modules need and do not look at: a job, and somebody who takes outcomes and ignores them.

use job::Job;
use serde::{Deserialize, Serialize};

use crate::{
    Resolved, Sink,
    future::{Control, Ticket},
};

/// A job of one byte.
#[derive(Serialize, Deserialize)]
pub(crate) struct Byte(pub(crate) u8);

impl Job for Byte {
    const NAME: &'static str = "byte";
    type Output = ();
    type Error = ();
    type Context = ();

    fn run(self, (): &mut ()) -> Result<(), ()> {
        Ok(())
    }
}

/// Takes everything and does nothing.
pub(crate) struct Ignore;

impl Sink<Byte> for Ignore {
    fn resolve(&self, _: Vec<Resolved<Byte>>) {}
}

impl Control for Ignore {
    fn settle(&self) {}
    fn cancel(&self, _: Ticket) {}
    fn kill(&self, _: Ticket) -> bool {
        false
    }
    fn is_running(&self, _: Ticket) -> bool {
        false
    }
}
