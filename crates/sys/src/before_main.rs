//! Code that runs before `main`, as a constructor of the program (`.init_array`).
//!
//! The C library runs constructors on the main thread, after its own initialisation, so memory, threads and
//! files can be used. The start-up code of Rust's standard library has not run: [`prepare`] does its work.
//! With musl, the arguments of the program are not available yet.

use std::os::fd::RawFd;

use crate::stack_overflow;

/// Runs a function, given as an expression of type `fn()`, before `main`. An item; needs no `unsafe` where it
/// is used, also under `#![forbid(unsafe_code)]`.
///
/// Functions that are marked `first` run before the others. The linker sorts numbered sections before
/// `.init_array` itself; numbers up to 100 are reserved for the C library and the standard library.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
///
/// static STEPS: AtomicU32 = AtomicU32::new(0);
///
/// sys::run_before_main!(|| STEPS.store(STEPS.load(Relaxed) * 10 + 2, Relaxed));
/// sys::run_before_main!(first: || STEPS.store(1, Relaxed));
///
/// fn main() {
///     assert_eq!(STEPS.load(Relaxed), 12);
/// }
/// ```
#[macro_export]
macro_rules! run_before_main {
    (first: $function:expr) => {
        $crate::run_before_main!(in ".init_array.01000": $function);
    };
    (in $section:literal: $function:expr) => {
        const _: () = {
            extern "C" fn run() {
                let function: fn() = $function;
                function();
            }
            #[used]
            #[unsafe(link_section = $section)]
            static RUN: extern "C" fn() = run;
        };
    };
    ($function:expr) => {
        $crate::run_before_main!(in ".init_array": $function);
    };
}

/// Does what the standard library does before `main`: opens `/dev/null` in place of closed standard streams,
/// so that no other file gets their numbers; ignores SIGPIPE, so that a closed reader is an ordinary error;
/// and reports an overflow of this thread's stack on standard error.
///
/// To be called by a constructor that runs the program in place of `main`. Unlike the standard library's,
/// such an overflow ends the process by SIGSEGV, and overflows of other threads are not reported.
pub fn prepare() {
    (0..3).for_each(open_if_closed);
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    stack_overflow::report();
}

fn open_if_closed(stream: RawFd) {
    // SAFETY: the path is a C string. If the descriptor is closed, and those below it are open, the new file
    // gets its number; the descriptor has no other owner.
    unsafe {
        if libc::fcntl(stream, libc::F_GETFD) == -1 {
            libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        }
    }
}
