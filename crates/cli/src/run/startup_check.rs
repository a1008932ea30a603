//! Distinguishes a program that fails on some jobs from one that does not work at all.
//!
//! Until a program of an op has replied once, outcomes that report its death are held back. The fifth such
//! outcome ends the run: these outcomes are dropped and not journaled, and the jobs are reported as
//! cancelled, so that a run with a repaired program runs all of them. The outcomes are passed on as soon as
//! a program of the op replies, or when no job of the op is in flight that could still bring a reply.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
};

use ops::{Builtin, BuiltinError};
use parking_lot::Mutex;
use pool::{
    JobError,
    error::Crash,
    stream::{Resolved, Sink},
};

use crate::{error::warn, event::RunEvent};

/// Number of jobs whose program died, without a reply to any job, that ends the run.
const MAX_DEATHS: usize = 5;

/// Sink between the executor and the sink of outcomes.
pub(crate) struct StartupCheck {
    next: Arc<dyn Sink<Builtin>>,
    /// Whether there is an op whose programs have not replied yet.
    is_on: AtomicBool,
    state: Mutex<CheckState>,
    events: Sender<RunEvent>,
}

struct CheckState {
    /// Ops whose programs have not replied yet.
    ops: HashMap<Box<str>, UnprovenOp>,
    /// Positions and ops of their jobs in flight.
    in_flight: HashMap<u64, Box<str>>,
}

/// An op whose programs have not replied yet.
#[derive(Default)]
struct UnprovenOp {
    /// Number of its jobs in flight.
    in_flight: usize,
    deaths: usize,
    held: Vec<Resolved<Builtin>>,
    /// Whether a missing reply has been reported.
    is_reported: bool,
}

/// Evidence of an outcome about the program of its op.
enum Verdict {
    /// The program replied.
    Works,
    /// The program died during the job; with a description.
    Died(String),
    /// The program cannot be executed; with the reason.
    Unusable(String),
    /// The program did not reply before the job was ended.
    Silent,
    Unrelated,
}

impl StartupCheck {
    /// Creates a check of the programs of these ops.
    pub(crate) fn new(
        ops: impl IntoIterator<Item = Box<str>>,
        next: Arc<dyn Sink<Builtin>>,
        events: Sender<RunEvent>,
    ) -> Arc<StartupCheck> {
        let ops: HashMap<Box<str>, UnprovenOp> =
            ops.into_iter().map(|op| (op, UnprovenOp::default())).collect();
        let is_on = AtomicBool::new(!ops.is_empty());
        let state = Mutex::new(CheckState { ops, in_flight: HashMap::new() });
        Arc::new(StartupCheck { next, is_on, state, events })
    }

    /// Registers a job that will be pushed at this position.
    pub(crate) fn expect(&self, position: u64, job: &Builtin) {
        let Builtin::Program(program) = job else { return };
        if !self.is_on.load(Ordering::Acquire) {
            return;
        }
        let state = &mut *self.state.lock();
        if let Some(op) = state.ops.get_mut(&program.op) {
            op.in_flight += 1;
            state.in_flight.insert(position, program.op.clone());
        }
    }

    /// Processes an outcome, and appends what is to be passed on to `passed`.
    fn process(&self, resolved: Resolved<Builtin>, passed: &mut Vec<Resolved<Builtin>>) {
        let CheckState { ops, in_flight } = &mut *self.state.lock();
        let Some(name) = in_flight.remove(&resolved.tag) else { return passed.push(resolved) };
        let Some(op) = ops.get_mut(&name) else { return passed.push(resolved) };
        op.in_flight -= 1;
        match verdict(&resolved) {
            Verdict::Works => {
                passed.append(&mut op.held);
                passed.push(resolved);
                ops.remove(&name);
                self.is_on.store(!ops.is_empty(), Ordering::Release);
                return;
            }
            Verdict::Unrelated => passed.push(resolved),
            Verdict::Silent => {
                if !std::mem::replace(&mut op.is_reported, true) && op.deaths == 0 {
                    warn(&format!(
                        "program of op `{name}` has not replied; it must flush its output after each reply"
                    ));
                }
                passed.push(resolved);
            }
            Verdict::Died(cause) => {
                op.deaths += 1;
                op.held.push(resolved);
                if op.deaths >= MAX_DEATHS {
                    let cause = format!(
                        "the program of op `{name}` died in {MAX_DEATHS} jobs without any reply: {cause}"
                    );
                    return self.end(op, cause);
                }
            }
            Verdict::Unusable(cause) => {
                op.held.push(resolved);
                return self.end(op, cause);
            }
        }
        if op.in_flight == 0 {
            passed.append(&mut op.held);
        }
    }

    /// Ends the run. The jobs that are held back get no record.
    fn end(&self, op: &mut UnprovenOp, cause: String) {
        op.held.clear();
        // Sending fails only when the run is over.
        let _ = self.events.send(RunEvent::ProgramFailed(cause));
    }
}

impl Sink<Builtin> for StartupCheck {
    fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
        if !self.is_on.load(Ordering::Acquire) {
            return self.next.resolve(resolved);
        }
        let mut passed = Vec::with_capacity(resolved.len());
        resolved.into_iter().for_each(|job| self.process(job, &mut passed));
        if !passed.is_empty() {
            self.next.resolve(passed);
        }
    }
}

fn verdict(resolved: &Resolved<Builtin>) -> Verdict {
    match &resolved.outcome {
        Ok(_) | Err(JobError::Failed(BuiltinError::Program { .. })) => Verdict::Works,
        Err(JobError::Failed(error @ BuiltinError::ProgramStart { .. })) => {
            Verdict::Unusable(error.to_string())
        }
        Err(JobError::Crashed(crashed)) => match &crashed.program {
            Some(program) => Verdict::Died(describe_death(program, &crashed.death.to_string())),
            None => Verdict::Unrelated,
        },
        Err(JobError::TimedOut(_) | JobError::Cancelled) => Verdict::Silent,
        _ => Verdict::Unrelated,
    }
}

/// Describes the death of a program, with the last lines of its standard error.
fn describe_death(crash: &Crash, death: &str) -> String {
    let stderr = String::from_utf8_lossy(&crash.stderr);
    let stderr = stderr.trim_end();
    let wrote =
        if stderr.is_empty() { String::new() } else { format!("; its standard error ends with:\n{stderr}") };
    format!("{} {} ({death}){wrote}", crash.program, crash.message)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use ops::{ProgramJob, Value};
    use pool::error::{Crashed, Death, DeathCause};

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<u64>>);

    impl Sink<Builtin> for Seen {
        fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
            self.0.lock().extend(resolved.iter().map(|job| job.tag));
        }
    }

    fn check() -> (Arc<StartupCheck>, Arc<Seen>, Receiver<RunEvent>) {
        let (events, receiver) = channel();
        let seen = Arc::<Seen>::default();
        (StartupCheck::new(["op".into()], seen.clone(), events), seen, receiver)
    }

    fn expect(check: &StartupCheck, position: u64) {
        check.expect(position, &Builtin::Program(ProgramJob { op: "op".into(), request: Vec::new().into() }));
    }

    fn died(tag: u64) -> Resolved<Builtin> {
        let death = Death { pid: 7, cause: DeathCause::Exited(3) };
        let crash =
            Crash { death, program: "prog".into(), message: "ended".into(), stderr: b"no module\n".to_vec() };
        Resolved { tag, outcome: Err(Crashed::new(death, 3).with_program(Some(Arc::new(crash))).into()) }
    }

    fn replied(tag: u64) -> Resolved<Builtin> {
        Resolved { tag, outcome: Ok(Value::Text(Vec::new().into())) }
    }

    #[test]
    fn fifth_death_before_a_reply_ends_the_run_without_records() {
        let (check, seen, receiver) = check();
        (0..9).for_each(|position| expect(&check, position));
        (0..4).for_each(|position| check.resolve(vec![died(position)]));
        assert!(receiver.try_recv().is_err() && seen.0.lock().is_empty());
        check.resolve(vec![died(4)]);
        let Ok(RunEvent::ProgramFailed(cause)) = receiver.try_recv() else { panic!("the run continues") };
        assert!(cause.contains("code 3") && cause.ends_with("no module"), "{cause}");
        assert!(seen.0.lock().is_empty());
    }

    #[test]
    fn reply_releases_held_outcomes() {
        let (check, seen, receiver) = check();
        (0..9).for_each(|position| expect(&check, position));
        check.resolve(vec![died(0), died(1)]);
        assert!(seen.0.lock().is_empty());
        check.resolve(vec![replied(2)]);
        assert_eq!(*seen.0.lock(), [0, 1, 2]);
        (3..9).for_each(|position| check.resolve(vec![died(position)]));
        assert_eq!(seen.0.lock().len(), 9);
        assert!(receiver.try_recv().is_err());
    }

    #[test]
    fn outcomes_are_released_when_no_job_is_in_flight() {
        let (check, seen, _receiver) = check();
        expect(&check, 0);
        check.resolve(vec![died(0), Resolved { tag: 5, outcome: Err(JobError::Cancelled) }]);
        assert_eq!(*seen.0.lock(), [0, 5]);
    }
}
