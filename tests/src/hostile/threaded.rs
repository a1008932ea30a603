//! Attempts on a thread that the worker's state has started.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use pool::{Job, worker::Context};
use serde::{Deserialize, Serialize};

use super::attempt::Attempt;

/// An attempt on the state's thread.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Threaded(pub Attempt);

/// A thread that makes attempts.
pub struct Background {
    attempts: Sender<Attempt>,
    outcomes: Receiver<Result<Option<i32>, String>>,
}

impl Context for Background {
    type Args = ();
    type Error = String;
    type Report = ();

    fn start((): ()) -> Result<Background, String> {
        let (attempts, to_make) = channel::<Attempt>();
        let (outcome, outcomes) = channel();
        thread::spawn(move || {
            for attempt in to_make {
                if outcome.send(attempt.run(&mut ())).is_err() {
                    return;
                }
            }
        });
        Ok(Background { attempts, outcomes })
    }
}

impl Job for Threaded {
    const NAME: &'static str = "threaded";
    type Output = Option<i32>;
    type Error = String;
    type Context = Background;

    fn run(self, background: &mut Background) -> Result<Option<i32>, String> {
        background.attempts.send(self.0).map_err(|error| error.to_string())?;
        background.outcomes.recv().map_err(|error| error.to_string())?
    }
}
