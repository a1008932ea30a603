//! Tests of the library. Its pools live in the test process, so these tests run one at a time.

mod attribution;
mod batches;
mod callbacks;
mod codecs;
mod faulty_jobs;
mod held_outcomes;
mod output;
mod take_back;
mod transports;
