//! What is left out, so that the memory for a timeline is bounded.
//!
//! While there is room everything is kept. When there is none, every other frame is left out, then every other one of the
//! rest, and so on: by the number of the frame, so that the frames that are left are spread over the whole run. Where single
//! jobs take most of the room, they go before any frame does.

use pool::FrameId;

/// Which frames are kept, and of which the single jobs.
#[derive(Clone, Debug)]
pub(super) struct Sampling {
    /// So many slices there may be.
    most: usize,
    /// Frames are kept whose number is a multiple of this.
    frames: u64,
    /// The jobs of those frames are kept whose number is a multiple of this, which is one of `frames`.
    jobs: u64,
    /// The largest number of a frame so far.
    newest: u64,
}

impl Sampling {
    pub(super) fn new(most: usize) -> Sampling {
        Sampling { most, frames: 1, jobs: 1, newest: 0 }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// One frame of so many is kept.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// The single jobs of one frame of so many are kept.
    pub(super) fn jobs(&self) -> u64 {
        self.jobs
    }

    pub(super) fn keeps(&self, frame: FrameId) -> bool {
        frame.0.is_multiple_of(self.frames)
    }

    pub(super) fn keeps_jobs_of(&self, frame: FrameId) -> bool {
        frame.0.is_multiple_of(self.jobs)
    }

    /// Whether the jobs of a frame are few enough to be looked at one by one.
    pub(super) fn has_room_for(&self, jobs: usize) -> bool {
        jobs <= self.most / 4
    }

    pub(super) fn note(&mut self, frame: FrameId) {
        self.newest = self.newest.max(frame.0);
    }

    /// Keeps less from now on, if there are too many slices and anything can be left out; `jobs` of them are single jobs.
    pub(super) fn coarsen(&mut self, slices: usize, jobs: usize) -> bool {
        if slices <= self.most {
            return false;
        }
        let stride = if jobs > slices / 2 { &mut self.jobs } else { &mut self.frames };
        if *stride > self.newest {
            return false;
        }
        *stride *= 2;
        self.jobs = self.jobs.max(self.frames);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_jobs_go_before_frames() {
        let mut sampling = Sampling::new(100);
        sampling.note(FrameId(1000));
        assert!(!sampling.coarsen(100, 90));
        assert!(sampling.coarsen(101, 90));
        assert_eq!((sampling.frames(), sampling.jobs()), (1, 2));
        assert!(sampling.keeps(FrameId(3)) && !sampling.keeps_jobs_of(FrameId(3)));
        assert!(sampling.coarsen(101, 10) && sampling.coarsen(101, 10));
        assert_eq!((sampling.frames(), sampling.jobs()), (4, 4));
    }

    #[test]
    fn it_ends_when_there_is_nothing_left_to_leave_out() {
        let mut sampling = Sampling::new(1);
        sampling.note(FrameId(5));
        while sampling.coarsen(100, 0) {}
        assert_eq!(sampling.frames(), 8);
    }
}
