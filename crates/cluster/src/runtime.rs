//! The private runtime: nothing asynchronous leaves this crate.

use std::{future::Future, io, thread};

use tokio::runtime::{Builder, Runtime};

use crate::Error;

/// Threads that turn jobs into bytes and back, beside the one that talks to the server.
const MOST_HELPERS: usize = 4;

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(MOST_HELPERS).build()
}

/// Runs a future to its end in the calling thread, and does not wait for helpers that it has left behind: one of them may
/// still look for an address that nobody wants to know any more.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = runtime().map_err(Error::thread)?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}

/// Runs a future on a thread of its own.
pub(crate) fn spawn<F: Future<Output = ()>>(
    name: &str,
    make: impl FnOnce() -> F + Send + 'static,
) -> Result<thread::JoinHandle<()>, Error> {
    let runtime = runtime().map_err(Error::thread)?;
    let run = move || {
        runtime.block_on(make());
        runtime.shutdown_background();
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(Error::thread)
}
