//! Operating system primitives that need `unsafe`, each behind a safe interface. Every `unsafe` block states
//! why it is sound. Linux only.

mod barrier;
pub mod call;
pub mod cgroup;
pub mod clock;
pub mod doorbell;
pub mod file_size_signal;
pub mod forks;
mod guard;
pub mod init;
pub mod memory;
mod memory_file;
pub mod oom;
pub mod payload;
pub mod pipe;
pub mod placement;
pub mod poll;
pub mod process;
pub mod program;
pub mod ready;
pub mod shared_page;
pub mod signal;
pub mod spawn;
pub mod stage_timer;
pub mod startup;
pub mod stream;
