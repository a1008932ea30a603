//! A callback that blocks.

#![allow(clippy::unwrap_used)]

use std::sync::mpsc::channel;

use end_to_end::{
    Case,
    probe::{LIMIT, Probe, Stage, builder, finish, until},
};
use pool::{Executor, Transport};

#[test]
fn a_callback_that_blocks_holds_up_the_outcomes_of_no_other_worker() {
    let _case = Case::begin();
    for transport in [Transport::Rings, Transport::Channel] {
        let pool = builder::<Probe>(2).transport(transport).build().unwrap();
        let (first, second) = (Stage::new(), Stage::new());
        let job = pool.submit(first.hold()).unwrap();
        first.until_held(1);
        let other = pool.submit(second.hold()).unwrap();
        second.until_held(1);
        let ((release, blocked), (entered, enters)) = (channel::<()>(), channel());
        job.add_done_callback(move |_| {
            entered.send(()).unwrap();
            let _ = blocked.recv();
        });
        first.release();
        // A thread of the pool calls it, since no thread waits for the job.
        enters.recv_timeout(LIMIT).unwrap();
        second.release();
        // Asking takes no message.
        until("the outcome of the other worker is there", || other.done());
        drop(release);
        finish(&pool);
    }
}
