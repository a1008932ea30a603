// Sample job of the documentation's examples that need a running job: it runs until the example opens the
// gate, and so does not depend on timing. For executors that run jobs in this process.

use std::sync::{Condvar, Mutex};

use pool::{Job, error::RemoteError};
use serde::{Deserialize, Serialize};

/// Runs until [`open`] is called, and returns its number.
#[derive(Serialize, Deserialize)]
pub struct Gate(pub u64);

struct State {
    arrived: bool,
    open: bool,
}

static STATE: Mutex<State> = Mutex::new(State { arrived: false, open: false });
static CHANGED: Condvar = Condvar::new();

impl Job for Gate {
    const NAME: &'static str = "gate";
    type Output = u64;
    type Error = RemoteError;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<u64, RemoteError> {
        STATE.lock().unwrap().arrived = true;
        CHANGED.notify_all();
        drop(CHANGED.wait_while(STATE.lock().unwrap(), |state| !state.open));
        Ok(self.0)
    }
}

/// Waits until a job is running.
pub fn arrival() {
    drop(CHANGED.wait_while(STATE.lock().unwrap(), |state| !state.arrived));
}

/// Lets all jobs end.
pub fn open() {
    STATE.lock().unwrap().open = true;
    CHANGED.notify_all();
}
