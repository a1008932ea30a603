//! Fixtures for the tests of several modules: a minimal job, and a sink and control interface that do
//! nothing.

use job::Job;
use serde::{Deserialize, Serialize};

use crate::{
    Resolved, Sink,
    future::{Control, Ticket},
};

/// A job with one byte of data.
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

/// A sink and control interface that does nothing.
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
