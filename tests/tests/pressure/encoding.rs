//! Jobs that call the test while they are encoded or dropped.

use std::{
    sync::{Arc, Mutex, mpsc},
    task::Poll,
};

use end_to_end::{
    Case,
    probe::{Barrier, Probe, ProbeError, TIMEOUT, builder, finish},
};
use pool::{
    Executor, Job,
    settings::JobOptions,
    stream::{Resolved, Sink},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Woken, block_on, poll};

/// A [`Probe`] that workers cannot distinguish from others.
struct Hooked {
    probe: Probe,
    /// Its encoding waits for a message.
    blocked: Option<Blocked>,
    /// Dropping it panics.
    panics: bool,
}

/// Reports that it waits, then waits for a message.
struct Blocked {
    waits: mpsc::Sender<()>,
    release: Mutex<mpsc::Receiver<()>>,
}

impl Hooked {
    fn new(probe: Probe) -> Hooked {
        Hooked { probe, blocked: None, panics: false }
    }

    /// Returns a job whose encoding waits, a function that waits until it does, and one that releases it.
    fn blocked(probe: Probe) -> (Hooked, impl Fn(), impl Fn()) {
        let ((waits, waiting), (release, released)) = (mpsc::channel(), mpsc::channel());
        let blocked = Some(Blocked { waits, release: Mutex::new(released) });
        let wait = move || waiting.recv_timeout(TIMEOUT).unwrap();
        (Hooked { probe, blocked, panics: false }, wait, move || release.send(()).unwrap())
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        assert!(!self.panics, "the job was dropped");
    }
}

impl Serialize for Hooked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(blocked) = &self.blocked {
            blocked.waits.send(()).unwrap();
            blocked.release.lock().unwrap().recv_timeout(TIMEOUT).unwrap();
        }
        self.probe.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Hooked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hooked, D::Error> {
        Probe::deserialize(deserializer).map(Hooked::new)
    }
}

impl Job for Hooked {
    const NAME: &'static str = Probe::NAME;
    type Output = u64;
    type Error = ProbeError;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<u64, ProbeError> {
        unreachable!("the workers run a probe")
    }
}

struct Ignore;

impl Sink<Hooked> for Ignore {
    fn resolve(&self, _: Vec<Resolved<Hooked>>) {}
}

#[test]
fn room_that_a_small_job_does_not_need_goes_to_a_waiting_producer() {
    let _case = Case::begin();
    let executor = builder::<Hooked>(1).max_queued_bytes(1 << 20).build().unwrap();
    let barrier = Barrier::new();
    // Jobs of a submitter are not admitted, so the size of jobs remains unknown.
    let mut submitter = executor.submitter(Arc::new(Ignore));
    submitter.push(0, Hooked::new(barrier.hold()), JobOptions::new());
    submitter.flush();
    barrier.wait_for_held(1);
    while submitter.has_capacity() {
        submitter.push(1, Hooked::new(Probe::Double(1)), JobOptions::new());
        submitter.flush();
    }
    assert_eq!(executor.counts().queued, 0, "all jobs have been assigned");
    let (first, wait, release) = Hooked::blocked(Probe::Double(1));
    let woken = Arc::new(Woken::default());
    let (first, second) = std::thread::scope(|scope| {
        let producer = scope.spawn(|| executor.submit(first).unwrap());
        wait();
        let mut waiting = executor.submit_async(Hooked::new(Probe::Double(2)));
        assert!(poll(&mut waiting, &woken).is_pending(), "the first job reserves the whole queue");
        release();
        let first = producer.join().unwrap();
        woken.wait();
        let Poll::Ready(Ok(second)) = poll(&mut waiting, &woken) else { panic!("woken without room") };
        (first, second)
    });
    barrier.release();
    assert_eq!([first, second].map(|job| job.result_timeout(TIMEOUT).unwrap()), [2, 4]);
    drop(submitter);
    finish(&executor);
}

#[test]
fn a_withdrawn_job_whose_drop_panics_does_not_stop_those_after_it() {
    let _case = Case::begin();
    let executor = builder::<Hooked>(1).build().unwrap();
    let (first, wait, release) = Hooked::blocked(Probe::Double(1));
    let first = executor.submit_off_thread(first, JobOptions::new());
    wait();
    let panics = Hooked { probe: Probe::Double(2), blocked: None, panics: true };
    drop(executor.submit_off_thread(panics, JobOptions::new()));
    let last = executor.submit_off_thread(Hooked::new(Probe::Double(3)), JobOptions::new());
    release();
    for (submission, output) in [(first, 2), (last, 6)] {
        assert_eq!(block_on(submission).unwrap().result_timeout(TIMEOUT).unwrap(), output);
    }
    finish(&executor);
}
