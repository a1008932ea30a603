//! The library, whose pools live in the process of the tests: these run one at a time.

mod attribution;
mod callbacks;
mod codecs;
mod faulty_jobs;
mod batches;
mod take_back;
mod transports;
