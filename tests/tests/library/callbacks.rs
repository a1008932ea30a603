//! Callbacks that block.

use std::sync::mpsc::channel;

use end_to_end::{
    Case,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, wait_until},
};
use pool::{Executor, settings::Transport};

#[test]
fn blocking_callback_does_not_delay_outcomes_of_other_workers() {
    let _case = Case::begin();
    for transport in [Transport::Rings, Transport::Channel] {
        let pool = builder::<Probe>(2).transport(transport).build().unwrap();
        let (first, second) = (Barrier::new(), Barrier::new());
        let job = pool.submit(first.hold()).unwrap();
        first.wait_for_held(1);
        let other = pool.submit(second.hold()).unwrap();
        second.wait_for_held(1);
        let ((release, blocked), (entered, enters)) = (channel::<()>(), channel());
        job.on_done(move |_| {
            entered.send(()).unwrap();
            let _ = blocked.recv();
        });
        first.release();
        // A thread of the pool runs the callback, since no thread waits for the job.
        enters.recv_timeout(TIMEOUT).unwrap();
        second.release();
        // `done` receives no messages.
        wait_until("the outcome of the other worker has arrived", || other.is_done());
        drop(release);
        finish(&pool);
    }
}
