//! Executor that runs jobs on worker processes.
//!
//! One thread, the *supervisor*, starts all workers, receives their messages and reaps them. The supervisor,
//! the clock and the program's threads pass events to the scheduler under one lock and carry out the actions
//! that it returns after releasing the lock: build and send batches, start and kill workers, decode outcomes
//! and pass them to their sinks. Sending never blocks (see [`wire::Outbox`]), so any thread may do it.
//!
//! | module | content |
//! |---|---|
//! | `pool` | the public type `ProcessPool` |
//! | `builder` | settings of a pool: for workers in `worker_env`, for the scheduler in `policy` |
//! | `build_error` | limits on settings, and the errors of a build |
//! | `block` | jobs that were submitted together: their bytes, tags and the target of their outcomes |
//! | `hold` | holding the pool: queued jobs wait |
//! | `worker_states` | what the workers are doing |
//! | `submit_buffer` | encoded jobs of one producer that are not yet known to the scheduler |
//! | `flush_policy` | which thread flushes submit buffers, and when; the flags that say so |
//! | `flush` | flushing of submit buffers by producers, and closing the pool |
//! | `submitter` | streams of jobs |
//! | `submit` | jobs with a future each |
//! | `encode_queue` | jobs that wait to be encoded on a thread of the pool |
//! | `encoder` | that thread |
//! | `shared` | state shared by all threads of a pool, and the lock |
//! | `transaction` | events that are applied under one acquisition of the lock |
//! | `effects` | actions of the scheduler, prepared under the lock and carried out without it |
//! | `handle` | one worker, as seen by the parent's threads |
//! | `supervisor` | the thread that starts workers, receives from them and reaps them |
//! | `mailbox` | receiving end of a worker's link, shared by the threads that receive |
//! | `incoming` | handling of a worker's messages |
//! | `collect` | outcomes that a worker has finished and not sent |
//! | `help` | receiving on threads that wait for an outcome |
//! | `launch` | start of a worker, step by step |
//! | `spawn_config` | settings that a worker is started with |
//! | `worker_sandbox`, `file_grants` | the sandbox of workers; files that they may request |
//! | `capture` | captured standard output and standard error of workers |
//! | `time_accounting` | time that the parent spends in each stage |
//! | `clock` | the thread that sends the scheduler its ticks |

mod block;
mod build_error;
mod builder;
mod capture;
mod clock;
mod collect;
mod effects;
mod encode_queue;
mod encoder;
mod file_grants;
mod flush;
mod flush_policy;
mod handle;
mod help;
mod hold;
mod incoming;
mod launch;
mod mailbox;
mod pool;
mod shared;
mod spawn_config;
mod submit;
mod submit_buffer;
mod submitter;
mod supervisor;
mod time_accounting;
mod transaction;
mod worker_sandbox;
mod worker_states;

pub use build_error::{BuildError, MAX_NESTING, MAX_WORKERS, SandboxError, WorkerCountError};
pub use builder::ProcessPoolBuilder;
pub use encode_queue::SubmitOffThread;
pub use pool::ProcessPool;
pub use worker_states::{RunningJob, WorkerState};
