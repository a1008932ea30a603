//! System calls behind safe interfaces: all `unsafe` code of the project, and what belongs with it. Every
//! `unsafe` block states why it is sound. Linux only.
//!
//! Internal; unstable; use `runner-pool`.
//!
//! | modules | concern |
//! |---|---|
//! | `shared_page`, `memory_file`, `payload`, `doorbell`, `barrier` | shared memory and wake-ups |
//! | `spawn`, `process`, `program`, `guard`, `init`, `forks`, `placement` | starting, waiting, reaping |
//! | `process_name`, `executable`, `stateless` | names of processes; functions that other processes call |
//! | `memory`, `oom`, `cgroup` | limits of memory and cores, and kills by the kernel |
//! | `load` | load and available memory of the machine |
//! | `confinement` | restrictions that cannot be removed: Landlock, seccomp |
//! | `signal`, `file_size_signal`, `startup`, `before_main`, `call` | signals, state at the start |
//! | `clock`, `stage_timer` | time, time accounting |
//! | `stream`, `pipe`, `ready` | streams and pipes that may be non-blocking |

mod barrier;
pub mod before_main;
pub mod call;
pub mod cgroup;
pub mod clock;
pub mod confinement;
pub mod doorbell;
pub mod executable;
pub mod file_size_signal;
pub mod forks;
mod guard;
pub mod init;
pub mod load;
pub mod memory;
mod memory_file;
pub mod oom;
pub mod payload;
pub mod pipe;
pub mod placement;
pub mod process;
pub mod process_name;
pub mod program;
pub mod ready;
pub mod shared_page;
pub mod signal;
pub mod spawn;
mod stack_overflow;
pub mod stage_timer;
pub mod startup;
pub mod stateless;
pub mod stream;
