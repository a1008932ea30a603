//! What one thread spends its time on, from moment to moment.
//!
//! A lane is always in one stage; entering the next one costs one look at the clock. So its stages add up to its life,
//! whatever it does. It is made of plain numbers and can lie in memory that two processes share: a worker's
//! outlives it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use job::{MonotonicInstant, Stage, StageTimes, ThreadStats};

use crate::clock;

/// A thread's time. One thread at a time writes, anyone may read. One that has not begun counts nothing and costs
/// nothing.
#[repr(C)]
#[derive(Debug)]
pub struct StageTimer {
    /// Since when it is in its stage; 0 before it has begun and after its end.
    since: AtomicU64,
    stage: AtomicU32,
    /// How many jobs' steps were told apart.
    samples: AtomicU32,
    /// How many jobs there were in [`Stage::Work`], those included.
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
    /// Its life begins.
    pub fn begin(&self, stage: Stage, now: MonotonicInstant) {
        self.stage.store(stage as u32, Relaxed);
        self.since.store(now.0, Relaxed);
    }

    /// Whether it has begun and not ended.
    #[must_use]
    #[inline]
    pub fn counts(&self) -> bool {
        self.since.load(Relaxed) != 0
    }

    /// It does something else from now on.
    #[inline]
    pub fn enter(&self, stage: Stage) {
        if self.counts() {
            self.enter_at(stage, clock::now());
        }
    }

    /// The same, for those who know the time.
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

    /// The steps of one more job have been told apart.
    #[inline]
    pub fn note_sample(&self) {
        self.samples.store(self.samples.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// So many jobs have been done in [`Stage::Work`].
    pub fn note_jobs(&self, jobs: u32) {
        self.jobs.store(self.jobs.load(Relaxed).saturating_add(u64::from(jobs)), Relaxed);
    }

    /// Its life is over.
    pub fn end(&self, now: MonotonicInstant) {
        self.enter_at(Stage::Leave, now);
        self.since.store(0, Relaxed);
    }

    /// What has been spent until now, with [`Stage::Work`] divided as the jobs that were looked at say.
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

    /// What jobs took whose steps were not told apart: for each as much decoding and encoding as in those where they were, and
    /// the rest is running. But no larger a share than there, because the few that were looked at may have been slow.
    fn divide_work(&self, stage_times: &mut StageTimes) {
        let (samples, work) = (self.samples.load(Relaxed), stage_times[Stage::Work]);
        if samples > 0 {
            let others = self.jobs.load(Relaxed).saturating_sub(u64::from(samples));
            let others = u32::try_from(others).unwrap_or(u32::MAX);
            // Each step that was timed contains one look at the clock, which the others do not.
            let each = |step: Stage| (stage_times[step] / samples).saturating_sub(reading_the_clock());
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

/// The lane of a thread that has a name, with its life as the clock saw it.
#[derive(Debug)]
pub struct TimedThread {
    name: String,
    lane: StageTimer,
    begun: OnceLock<MonotonicInstant>,
    ended: OnceLock<MonotonicInstant>,
}

impl TimedThread {
    /// A thread that has not started.
    #[must_use]
    pub fn new(name: impl Into<String>) -> TimedThread {
        TimedThread {
            name: name.into(),
            lane: StageTimer::default(),
            begun: OnceLock::new(),
            ended: OnceLock::new(),
        }
    }

    /// The thread starts.
    pub fn begin(&self, stage: Stage) {
        let now = *self.begun.get_or_init(clock::now);
        self.lane.begin(stage, now);
    }

    /// What it is doing.
    #[must_use]
    pub fn lane(&self) -> &StageTimer {
        &self.lane
    }

    /// The thread ends.
    pub fn end(&self) {
        let now = *self.ended.get_or_init(clock::now);
        self.lane.end(now);
    }

    /// What it did until now; `None` if it has not started.
    #[must_use]
    pub fn stats(&self) -> Option<ThreadStats> {
        let now = clock::now();
        let life = self.ended.get().unwrap_or(&now).since(*self.begun.get()?);
        Some(ThreadStats { name: self.name.clone(), life, stage_times: self.lane.stage_times(now) })
    }
}

/// What it costs to look at the clock here.
#[must_use]
pub fn reading_the_clock() -> Duration {
    static COST: OnceLock<Duration> = OnceLock::new();
    *COST.get_or_init(|| {
        const TIMES: u32 = 64;
        // The least of some attempts is the one that nobody disturbed.
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
    fn the_stages_of_a_lane_add_up_to_its_life() {
        let lane = StageTimer::default();
        lane.enter(Stage::Run);
        assert_eq!(lane.stage_times(MonotonicInstant(9)).total(), Duration::ZERO, "it has not begun");

        lane.begin(Stage::Start, MonotonicInstant(1_000));
        for (stage, at) in [(Stage::Wait, 1_500), (Stage::Return, 4_000), (Stage::Wait, 4_100)] {
            lane.enter_at(stage, MonotonicInstant(at));
        }
        let stage_times = lane.stage_times(MonotonicInstant(5_000));
        assert_eq!(
            (stage_times[Stage::Wait], stage_times[Stage::Start]),
            (Duration::from_nanos(3_400), Duration::from_nanos(500))
        );
        lane.end(MonotonicInstant(6_000));
        assert_eq!(lane.stage_times(MonotonicInstant(9_000)).total(), Duration::from_nanos(5_000));
    }

    #[test]
    fn work_is_divided_as_the_samples_say() {
        let lane = StageTimer::default();
        let mut at = 1;
        lane.begin(Stage::Decode, MonotonicInstant(at));
        let laps = [(Stage::Run, 1), (Stage::EncodeOutcome, 3), (Stage::Work, 2), (Stage::Wait, 94)];
        for (stage, millis) in laps {
            at += millis * 1_000_000;
            lane.enter_at(stage, MonotonicInstant(at));
        }
        lane.note_sample();
        lane.note_jobs(11);
        let stage_times = lane.stage_times(MonotonicInstant(100_000_001));
        let millis = |stage: Stage| stage_times[stage].as_secs_f64() * 1e3;
        assert_eq!(stage_times[Stage::Work], Duration::ZERO);
        assert!((10.9..11.1).contains(&millis(Stage::Decode)), "1 ms for each of 11");
        assert!((21.9..22.1).contains(&millis(Stage::EncodeOutcome)), "2 ms for each of 11");
        assert!((66.9..67.1).contains(&millis(Stage::Run)), "what is left");
        assert_eq!(stage_times.total(), Duration::from_millis(100));
    }
}
