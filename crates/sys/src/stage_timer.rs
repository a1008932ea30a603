//! Accounting of a thread's time by stage.
//!
//! A timer is always in exactly one stage, and entering the next one reads the clock once. So the stages add
//! up to the thread's lifetime. A timer consists of plain integers and can lie in shared memory: a worker's
//! timer outlives the worker.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use job::{MonotonicInstant, Stage, StageTimes, ThreadStats};

use crate::clock;

/// Time per stage of one thread. One thread at a time writes; any thread may read. A timer that is not
/// started counts nothing and does not read the clock.
#[repr(C)]
#[derive(Debug)]
pub struct StageTimer {
    /// Start of the current stage; 0 while the timer is not running.
    since: AtomicU64,
    stage: AtomicU32,
    /// Number of jobs whose steps were timed separately.
    samples: AtomicU32,
    /// Number of jobs in [`Stage::Work`], including the sampled ones.
    jobs: AtomicU64,
    stage_times: [AtomicU64; Stage::COUNT],
}

impl Default for StageTimer {
    fn default() -> StageTimer {
        StageTimer {
            since: AtomicU64::new(0),
            stage: AtomicU32::new(0),
            samples: AtomicU32::new(0),
            jobs: AtomicU64::new(0),
            stage_times: [const { AtomicU64::new(0) }; Stage::COUNT],
        }
    }
}

impl StageTimer {
    /// Starts the timer in `stage`.
    pub fn begin(&self, stage: Stage, now: MonotonicInstant) {
        self.stage.store(stage as u32, Relaxed);
        self.since.store(now.0, Relaxed);
    }

    /// Returns true between [`begin`](StageTimer::begin) and [`end`](StageTimer::end).
    #[must_use]
    #[inline]
    pub fn is_running(&self) -> bool {
        self.since.load(Relaxed) != 0
    }

    /// Enters a stage now.
    #[inline]
    pub fn enter(&self, stage: Stage) {
        if self.is_running() {
            self.enter_at(stage, clock::now());
        }
    }

    /// Enters a stage at a time that the caller has read already.
    #[inline]
    pub fn enter_at(&self, stage: Stage, now: MonotonicInstant) {
        let since = self.since.load(Relaxed);
        if since == 0 {
            return;
        }
        let stage_times = self.stage_times.get(self.stage.load(Relaxed) as usize);
        if let Some(stage_times) = stage_times {
            stage_times.store(stage_times.load(Relaxed).saturating_add(now.0.saturating_sub(since)), Relaxed);
        }
        self.stage.store(stage as u32, Relaxed);
        self.since.store(now.0, Relaxed);
    }

    /// Counts one more job whose steps were timed separately.
    #[inline]
    pub fn note_sample(&self) {
        self.samples.store(self.samples.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Adds to the number of jobs done in [`Stage::Work`].
    pub fn note_jobs(&self, jobs: u32) {
        self.jobs.store(self.jobs.load(Relaxed).saturating_add(u64::from(jobs)), Relaxed);
    }

    /// Stops the timer.
    pub fn end(&self, now: MonotonicInstant) {
        self.enter_at(Stage::Exit, now);
        self.since.store(0, Relaxed);
    }

    /// Returns the time per stage until `now`, with [`Stage::Work`] divided in proportion to the sampled
    /// jobs.
    #[must_use]
    pub fn stage_times(&self, now: MonotonicInstant) -> StageTimes {
        let mut stage_times = StageTimes::default();
        for (stage, time) in Stage::ALL.into_iter().zip(&self.stage_times) {
            stage_times.add(stage, Duration::from_nanos(time.load(Relaxed)));
        }
        let (stage, since) = (self.stage.load(Relaxed) as usize, self.since.load(Relaxed));
        if since != 0
            && let Some(&stage) = Stage::ALL.get(stage)
        {
            stage_times.add(stage, now.since(MonotonicInstant(since)));
        }
        self.divide_work(&mut stage_times);
        stage_times
    }

    /// Divides the time of jobs that were not sampled: each is assumed to take the sampled jobs' mean time
    /// for decoding and for encoding, and the rest is running. The shares are not larger than in the samples,
    /// because the few sampled jobs may have been slow.
    fn divide_work(&self, stage_times: &mut StageTimes) {
        let (samples, work) = (self.samples.load(Relaxed), stage_times[Stage::Work]);
        if samples > 0 {
            let others = self.jobs.load(Relaxed).saturating_sub(u64::from(samples));
            let others = u32::try_from(others).unwrap_or(u32::MAX);
            // Each timed step includes one clock read, which the jobs that were not sampled do not make.
            let each = |step: Stage| (stage_times[step] / samples).saturating_sub(clock_read_cost());
            let steps = [Stage::Decode, Stage::EncodeOutcome];
            let whole = each(Stage::Run) + steps.iter().map(|&step| each(step)).sum::<Duration>();
            let times = steps.map(|step| {
                let share = each(step).as_secs_f64() / whole.as_secs_f64().max(1e-9);
                each(step).saturating_mul(others).min(work.mul_f64(share.clamp(0.0, 1.0)))
            });
            steps.into_iter().zip(times).for_each(|(step, time)| stage_times.shift(Stage::Work, step, time));
        }
        stage_times.shift(Stage::Work, Stage::Run, work);
    }
}

/// A named thread's stage timer, with the thread's lifetime measured separately.
#[derive(Debug)]
pub struct TimedThread {
    name: String,
    timer: StageTimer,
    started: OnceLock<MonotonicInstant>,
    ended: OnceLock<MonotonicInstant>,
}

impl TimedThread {
    /// Creates the timer of a thread that has not started.
    #[must_use]
    pub fn new(name: impl Into<String>) -> TimedThread {
        TimedThread {
            name: name.into(),
            timer: StageTimer::default(),
            started: OnceLock::new(),
            ended: OnceLock::new(),
        }
    }

    /// Marks the start of the thread.
    pub fn begin(&self, stage: Stage) {
        let now = *self.started.get_or_init(clock::now);
        self.timer.begin(stage, now);
    }

    /// Returns the thread's stage timer.
    #[must_use]
    pub fn timer(&self) -> &StageTimer {
        &self.timer
    }

    /// Marks the end of the thread.
    pub fn end(&self) {
        let now = *self.ended.get_or_init(clock::now);
        self.timer.end(now);
    }

    /// Returns the thread's statistics until now, or until its end; `None` if it has not started.
    #[must_use]
    pub fn stats(&self) -> Option<ThreadStats> {
        let now = clock::now();
        let life = self.ended.get().unwrap_or(&now).since(*self.started.get()?);
        Some(ThreadStats {
            name: self.name.clone(),
            lifetime: life,
            stage_times: self.timer.stage_times(now),
        })
    }
}

/// Returns the cost of reading the clock on this machine, measured once per process.
#[must_use]
pub fn clock_read_cost() -> Duration {
    static COST: OnceLock<Duration> = OnceLock::new();
    *COST.get_or_init(|| {
        const TIMES: u32 = 64;
        // The shortest of several attempts is the one without interruptions.
        let attempt = || {
            let start = clock::now();
            (1..TIMES).for_each(|_| {
                std::hint::black_box(clock::now());
            });
            clock::now().since(start) / TIMES
        };
        (0..8).map(|_| attempt()).min().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up_to_the_lifetime() {
        let timer = StageTimer::default();
        timer.enter(Stage::Run);
        assert_eq!(
            timer.stage_times(MonotonicInstant(9)).total(),
            Duration::ZERO,
            "the timer is not running"
        );

        timer.begin(Stage::Start, MonotonicInstant(1_000));
        for (stage, at) in [(Stage::Wait, 1_500), (Stage::Return, 4_000), (Stage::Wait, 4_100)] {
            timer.enter_at(stage, MonotonicInstant(at));
        }
        let stage_times = timer.stage_times(MonotonicInstant(5_000));
        assert_eq!(
            (stage_times[Stage::Wait], stage_times[Stage::Start]),
            (Duration::from_nanos(3_400), Duration::from_nanos(500))
        );
        timer.end(MonotonicInstant(6_000));
        assert_eq!(timer.stage_times(MonotonicInstant(9_000)).total(), Duration::from_nanos(5_000));
    }

    #[test]
    fn divides_work_in_proportion_to_the_samples() {
        let timer = StageTimer::default();
        let mut at = 1;
        timer.begin(Stage::Decode, MonotonicInstant(at));
        let steps = [(Stage::Run, 1), (Stage::EncodeOutcome, 3), (Stage::Work, 2), (Stage::Wait, 94)];
        for (stage, millis) in steps {
            at += millis * 1_000_000;
            timer.enter_at(stage, MonotonicInstant(at));
        }
        timer.note_sample();
        timer.note_jobs(11);
        let stage_times = timer.stage_times(MonotonicInstant(100_000_001));
        let millis = |stage: Stage| stage_times[stage].as_secs_f64() * 1e3;
        assert_eq!(stage_times[Stage::Work], Duration::ZERO);
        assert!((10.9..11.1).contains(&millis(Stage::Decode)), "1 ms for each of 11");
        assert!((21.9..22.1).contains(&millis(Stage::EncodeOutcome)), "2 ms for each of 11");
        assert!((66.9..67.1).contains(&millis(Stage::Run)), "the rest");
        assert_eq!(stage_times.total(), Duration::from_millis(100));
    }
}
