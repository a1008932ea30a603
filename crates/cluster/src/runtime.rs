//! The private runtime. No asynchronous API is public.

use std::{future::Future, io, thread};

use tokio::runtime::{Builder, Runtime};

use crate::Error;

/// Maximum number of threads that decode jobs and push them to the pool, besides the thread that talks to the
/// server.
const MAX_BLOCKING_THREADS: usize = 4;

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(MAX_BLOCKING_THREADS).build()
}

/// Runs a future to its end in the calling thread. Does not wait for blocking threads, which may still
/// resolve an address that is not needed any more.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = runtime().map_err(Error::thread)?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}

/// Runs a future on a new thread.
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
