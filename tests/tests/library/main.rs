//! The library, whose pools live in the process of the tests: these run one at a time.

mod attribution;
mod batches;
mod callbacks;
mod codecs;
mod faulty_jobs;
mod take_back;
mod transports;
