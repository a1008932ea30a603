//! Deterministic programs whose instructions `scripts/count-instructions` counts: one for each crate whose
//! work does not depend on randomness, other processes or time.

use std::{collections::VecDeque, env, hint::black_box, process::ExitCode, time::Duration};

use job::{BatchId, Death, DeathCause, JobRange, MonotonicInstant};
use pool::{Executor, Job, JobFuture, Serial};
use sched::{Action, Event, Sched, Settings};
use serde::{Deserialize, Serialize};
use wire::{
    CodecKind,
    batch::{self, BatchFlags, Entries, JobsView, OutcomesView, OutcomesWriter, Status},
};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let program = env::args().nth(1).unwrap_or_default();
    let done = match program.as_str() {
        "wire" => wire(),
        "sched" => sched(u64::MAX),
        "sched-deaths" => sched(97),
        "pool-map" => pool_map(),
        "pool-submit" => pool_submit(),
        _ => Err(format!("unknown program `{program}`").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counted: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Sum(u64, u64);

impl Job for Sum {
    const NAME: &'static str = "sum";
    type Output = u64;
    type Error = String;
    type Context = ();

    fn run(self, _: &mut ()) -> std::result::Result<u64, String> {
        Ok(self.0.wrapping_add(self.1))
    }
}

/// Returns jobs of several sizes, since small numbers take fewer bytes.
fn jobs(count: u64) -> impl Iterator<Item = Sum> {
    (0..count).map(|place| Sum(place, place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (place % 64)))
}

/// Encodes and decodes batches of 256 jobs and of their outcomes.
fn wire() -> Result {
    const CODEC: CodecKind = CodecKind::Bincode;
    for number in 0..100 {
        let mut entries = Entries::default();
        for job in jobs(256) {
            entries.push(CODEC, &job)?;
        }
        let message =
            batch::encode_jobs(BatchId(number), BatchFlags::default(), 256, &[entries.slice(0, 256)]);
        let view = JobsView::read(&message).ok_or("no batch of jobs")?;
        let mut writer = OutcomesWriter::new(view.batch);
        for payload in view.payloads() {
            let sum = CODEC.decode::<Sum>(payload)?.run(&mut ())?;
            writer.push(CODEC, Status::Done, &sum)?;
        }
        let message = writer.finish(MonotonicInstant(1), 1, true);
        let view = OutcomesView::read(&message).ok_or("no batch of outcomes")?;
        for (_, payload) in view.outcomes() {
            black_box(CODEC.decode::<u64>(payload)?);
        }
    }
    Ok(())
}

/// Schedules a few thousand submissions of one to five hundred jobs on four workers, with a death every
/// `deaths_every` batches.
fn sched(deaths_every: u64) -> Result {
    let mut simulation = Simulation { deaths_every, ..Simulation::default() };
    let mut sched = Sched::new(Settings { max_workers: 4, ..Settings::default() });
    let mut first = 0;
    for step in 0..3_000u64 {
        let end = first + 1 + step * 7_919 % 500;
        let jobs = JobRange::new(first, end).ok_or("no jobs")?;
        first = end;
        simulation.handle(
            &mut sched,
            Event::Submitted {
                jobs,
                bytes: 16 * jobs.count(),
                limits: vec![],
                priorities: vec![],
                is_atomic: false,
            },
        );
        simulation.run_events(&mut sched, 3);
    }
    while sched.pending() > 0 {
        simulation.run_events(&mut sched, 1);
    }
    Ok(())
}

/// Simulated workers and clock.
#[derive(Default)]
struct Simulation {
    now: u64,
    pending: VecDeque<Event>,
    batches: u64,
    deaths_every: u64,
}

impl Simulation {
    fn handle(&mut self, sched: &mut Sched, event: Event) {
        self.now += 10_000;
        for action in sched.handle(MonotonicInstant(self.now), event) {
            match action {
                Action::Start(worker) => self.pending.push_back(Event::Ready(worker)),
                Action::Send { worker, batch, jobs, .. } => {
                    self.batches += 1;
                    let outcomes = jobs.iter().map(|jobs| jobs.count()).sum();
                    let busy = Duration::from_nanos(500 * outcomes);
                    self.pending.push_back(if self.batches.is_multiple_of(self.deaths_every) {
                        let death = Death { pid: 1, cause: DeathCause::Signalled(9) };
                        Event::Died {
                            worker,
                            running: Some((batch, 0)),
                            recovered: None,
                            death,
                            out_of_memory: false,
                        }
                    } else {
                        Event::Returned { worker, batch, outcomes, last: true, busy }
                    });
                }
                other => drop(black_box(other)),
            }
        }
    }

    /// Delivers pending events to the scheduler, or ticks if there are none.
    fn run_events(&mut self, sched: &mut Sched, events: usize) {
        for _ in 0..events {
            let event = self.pending.pop_front().unwrap_or(Event::Tick);
            self.handle(sched, event);
        }
    }
}

/// Runs `map` without threads and processes.
fn pool_map() -> Result {
    let serial = Serial::<Sum>::new(());
    for output in serial.map(jobs(20_000)) {
        black_box(output.map_err(|error| format!("{error:?}"))?);
    }
    Ok(())
}

/// Runs `submit` and `result` without threads and processes.
fn pool_submit() -> Result {
    let serial = Serial::<Sum>::new(());
    let futures: Vec<JobFuture<Sum>> =
        jobs(20_000).map(|job| serial.submit(job)).collect::<std::result::Result<_, _>>()?;
    for future in futures {
        black_box(future.result().map_err(|error| format!("{error:?}"))?);
    }
    Ok(())
}
