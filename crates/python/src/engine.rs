//! Pools, as Python uses them.

use std::{
    num::NonZeroU64,
    path::PathBuf,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pool::{
    Executor, ProcessPool,
    error::SubmitError,
    output::WorkerStdio,
    settings::{OnWorkerDeath, Sandbox, SandboxLevel},
};
use pyo3::{
    exceptions::{PyOSError, PyValueError},
    prelude::*,
    types::{PyBytes, PyDict, PyTuple},
};

use crate::{
    call::{Call, Target},
    completions::{Completions, Queue},
    failure, fork,
    functions::{Function, FunctionStore},
    handle::{JobHandle, Submitted},
    options::{self, Options},
    pickler::Pickler,
    results::{Results, Source},
    waiting,
    worker::Setup,
};

/// Time between SIGTERM and SIGKILL.
const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// Level of a sandbox; paths that may be read, and written; and whether sockets are allowed.
type SandboxArguments = (String, Vec<PathBuf>, Vec<PathBuf>, bool);

fn to_sandbox((level, read, write, net): SandboxArguments) -> PyResult<Sandbox> {
    let level: SandboxLevel = level.parse().map_err(|error: String| PyValueError::new_err(error))?;
    let sandbox = read.iter().fold(Sandbox::off().with_level(level), Sandbox::read);
    let sandbox = write.iter().fold(sandbox, Sandbox::write);
    Ok(if net { sandbox.net() } else { sandbox })
}

/// A process pool that runs calls of Python functions.
#[pyclass(frozen)]
pub(crate) struct Pool {
    pool: Arc<ProcessPool<Call>>,
    store: Arc<FunctionStore>,
    pickler: Arc<Pickler>,
    queue: Arc<Queue>,
    is_closed: AtomicBool,
    /// The process that created the pool. Its threads do not exist in a process that is forked from it.
    process: u32,
}

#[pymethods]
impl Pool {
    /// Creates a pool. `command` is the program of the workers with its arguments, `environment` are
    /// variables to be set for them, and `settings` is passed to their `start` function.
    #[new]
    #[pyo3(signature = (completions, max_workers, command, environment, settings, *, timeout, max_memory,
                        retries, max_tasks_per_child, break_on_crash, sandbox))]
    #[expect(clippy::too_many_arguments, reason = "they are named in Python")]
    fn new(
        py: Python<'_>,
        completions: &Completions,
        max_workers: usize,
        command: Vec<String>,
        environment: Vec<(String, String)>,
        settings: Vec<u8>,
        timeout: Option<f64>,
        max_memory: Option<u64>,
        retries: u32,
        max_tasks_per_child: Option<NonZeroU64>,
        break_on_crash: bool,
        sandbox: SandboxArguments,
    ) -> PyResult<Pool> {
        let store = Arc::new(FunctionStore::new()?);
        let mut builder =
            ProcessPool::builder_with(Setup { functions: store.path(), settings, is_strict: break_on_crash })
                .workers(max_workers)
                .retries(retries)
                .sandbox(to_sandbox(sandbox)?)
                // As in Python's own pools, whose workers write to the streams of the program.
                .stdout(WorkerStdio::Inherit)
                .on_worker_death(if break_on_crash { OnWorkerDeath::Break } else { OnWorkerDeath::Replace });
        let mut command = command.into_iter();
        builder = builder.worker_program(command.next().unwrap_or_default()).worker_args(command);
        for (name, value) in environment {
            builder = builder.env(name, value);
        }
        if let Some(seconds) = timeout {
            builder = builder.time_limit(options::limit(seconds)?);
        }
        if let Some(bytes) = max_memory {
            builder = builder.max_rss(bytes);
        }
        if let Some(calls) = max_tasks_per_child {
            builder = builder.max_jobs_per_worker(calls);
        }
        let pool = builder.build().map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Pool {
            pool: Arc::new(pool),
            store,
            pickler: Arc::new(Pickler::new(py, break_on_crash)?),
            queue: completions.queue.clone(),
            is_closed: AtomicBool::new(false),
            process: process::id(),
        })
    }

    /// Adds a pickled function; `is_temporary` if it is for one map.
    #[pyo3(signature = (pickle, *, is_temporary))]
    fn add_function(&self, pickle: &Bound<'_, PyBytes>, is_temporary: bool) -> PyResult<Function> {
        Ok(Function { stored: Arc::new(self.store.add(pickle.as_bytes(), is_temporary)?) })
    }

    /// Submits a call for `future`, and gives it its job; or fails the future if the call cannot be pickled.
    /// Without `function`, it is the first of `args`, followed by a tuple of positional
    /// arguments and a dictionary of others.
    #[expect(clippy::too_many_arguments, reason = "two of them are not arguments in Python")]
    fn submit(
        &self,
        py: Python<'_>,
        future: Bound<'_, PyAny>,
        function: Option<&Function>,
        args: Bound<'_, PyTuple>,
        keywords: Option<Bound<'_, PyDict>>,
        options: &Options,
    ) -> PyResult<()> {
        self.check_process()?;
        let (target, object) = match (function, keywords) {
            (None, _) => (Target::Whole, args.into_any()),
            (Some(function), None) => (Target::Args(function.stored.id()), args.into_any()),
            (Some(function), Some(keywords)) => (
                Target::ArgsAndKeywords(function.stored.id()),
                (args, keywords).into_pyobject(py)?.into_any(),
            ),
        };
        let pickle = match self.pickler.dump(&object) {
            Ok(pickle) => pickle,
            Err(error) => {
                let error = failure::without_frames(py, error)?;
                future.call_method1("set_exception", (error,))?;
                return Ok(());
            }
        };
        self.queue.add();
        match self.pool.submit_with(Call { target, pickle }, options.0) {
            Ok(job) => {
                let function = function.map(|function| function.stored.clone());
                let (queue, pickler) = (self.queue.clone(), self.pickler.clone());
                JobHandle::attach(future, Submitted::new(job, function, queue, pickler), self.process)
            }
            Err(refusal) => {
                self.queue.complete();
                Err(failure::refused(py, refusal))
            }
        }
    }

    /// Calls `function` with each tuple of `arguments`, and returns an iterator of the results. `ahead`
    /// is the maximum number of calls without a result that has been taken; without it, all are submitted at
    /// once. `owner` is kept until all are.
    #[expect(clippy::too_many_arguments, reason = "they are named in Python")]
    #[pyo3(signature = (function, arguments, options, *, owner, chunksize, ahead, timeout))]
    fn map(
        &self,
        py: Python<'_>,
        function: &Function,
        arguments: Py<PyAny>,
        options: Py<Options>,
        owner: Py<PyAny>,
        chunksize: usize,
        ahead: Option<u64>,
        timeout: Option<f64>,
    ) -> PyResult<Results> {
        self.check_process()?;
        if let Some(cause) = self.pool.broken() {
            return Err(failure::refused(py, SubmitError::Broken(cause)));
        }
        let source = Source {
            arguments: Some(arguments),
            owner: Some(owner),
            target: Target::Args(function.stored.id()),
            options,
            chunk: chunksize,
            ahead,
            deadline: waiting::deadline(timeout),
        };
        let function = function.stored.clone();
        let mut results =
            Results::new(source, |sink| self.pool.submitter(sink), self.pickler.clone(), function);
        results.submit(py)?;
        Ok(results)
    }

    /// Accepts no more calls.
    fn close(&self) -> PyResult<()> {
        self.check_process()?;
        self.pool.close();
        self.note_closed();
        Ok(())
    }

    /// Cancels the calls that are not assigned to a worker.
    fn cancel_waiting(&self) -> PyResult<()> {
        self.check_process()?;
        self.pool.cancel_waiting();
        Ok(())
    }

    /// Waits until all calls have ended and all workers have exited.
    fn join(&self, py: Python<'_>) -> PyResult<()> {
        self.check_process()?;
        waiting::wait(py, None, |time| self.pool.shutdown_timeout(time)).map(drop)
    }

    /// Terminates the workers. Calls that are assigned to one fail, the others are cancelled.
    fn terminate_workers(&self) -> PyResult<()> {
        self.break_off(GRACE_PERIOD, "the workers were terminated")
    }

    /// Kills the workers. Calls that are assigned to one fail, the others are cancelled.
    fn kill_workers(&self) -> PyResult<()> {
        self.break_off(Duration::ZERO, "the workers were killed")
    }

    /// Starts all workers.
    fn prestart(&self) -> PyResult<()> {
        self.check_process()?;
        self.pool.prestart();
        Ok(())
    }

    /// Whether the pool was created by this process, and not before a fork.
    fn is_usable(&self) -> bool {
        self.process == process::id()
    }

    /// Whether the pool is closed and all its calls have ended.
    fn has_ended(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed) && self.pool.shutdown_timeout(Duration::ZERO)
    }

    /// Why the pool is broken, if it is.
    fn broken(&self) -> Option<String> {
        self.pool.broken().map(|cause| cause.to_string())
    }

    /// Numbers of calls by their state, and what each worker has done.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.check_process()?;
        crate::stats::of(py, &self.pool)
    }
}

impl Pool {
    fn break_off(&self, grace: Duration, cause: &str) -> PyResult<()> {
        self.check_process()?;
        self.pool.break_off(grace, cause);
        self.note_closed();
        Ok(())
    }

    fn check_process(&self) -> PyResult<()> {
        fork::check_process(self.process)
    }

    /// Notes that the engine accepts no more calls.
    fn note_closed(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.queue.close();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.process != process::id() {
            // After a fork, a lock of the engine may be held by a thread that does not exist here.
            std::mem::forget(self.pool.clone());
        }
    }
}
