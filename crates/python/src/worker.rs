//! The worker: a Python interpreter that runs calls.

use std::process;

use pool::{Job, worker::Context};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict, PyTuple},
};
use serde::{Deserialize, Serialize};

use crate::{
    cache::FunctionCache,
    call::{Call, Pickle, Target},
    failure::Raised,
    functions::{FunctionId, FunctionReader},
    pickler::{Pickler, Received},
};

/// What a worker needs before its first call.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Path of the file with the functions of the pool.
    pub(crate) functions: String,
    /// Pickled settings, for the function `start` of `_worker.py`.
    #[serde(with = "serde_bytes")]
    pub(crate) settings: Vec<u8>,
    /// Whether arguments that cannot be unpickled end the worker.
    pub(crate) is_strict: bool,
}

/// State of a worker.
pub(crate) struct Interpreter {
    pickler: Pickler,
    store: FunctionReader,
    functions: FunctionCache,
    /// The function that describes an exception.
    describe: Py<PyAny>,
    /// The function to be called before the worker exits.
    finish: Py<PyAny>,
    /// The function that ends a process which a job has forked.
    end_fork: Py<PyAny>,
    process: u32,
}

impl Context for Interpreter {
    type Args = Setup;
    type Error = String;
    type Report = ();

    fn start(setup: Setup) -> Result<Interpreter, String> {
        let store = FunctionReader::open(&setup.functions)
            .map_err(|error| format!("cannot open the functions of the pool: {error}"))?;
        Python::attach(|py| {
            let create = || {
                let worker = py.import("runner_pool._worker")?;
                worker.call_method1("start", (PyBytes::new(py, &setup.settings),))?;
                Ok(Interpreter {
                    pickler: Pickler::new(py, setup.is_strict)?,
                    store,
                    functions: FunctionCache::default(),
                    describe: worker.getattr("describe")?.unbind(),
                    finish: worker.getattr("finish")?.unbind(),
                    end_fork: worker.getattr("end_fork")?.unbind(),
                    process: process::id(),
                })
            };
            create().map_err(|error: PyErr| error.to_string())
        })
    }

    fn finish(self) -> Result<(), String> {
        Python::attach(|py| self.finish.call0(py).map(drop).map_err(|error| error.to_string()))
    }
}

impl Job for Call {
    const NAME: &'static str = "runner_pool.Call";
    type Output = Pickle;
    type Error = Raised;
    type Context = Interpreter;

    fn run(self, interpreter: &mut Interpreter) -> Result<Pickle, Raised> {
        interpreter.call(self)
    }
}

impl Interpreter {
    fn call(&mut self, call: Call) -> Result<Pickle, Raised> {
        Python::attach(|py| {
            let returned = self.returned(py, call);
            if self.process != process::id() {
                self.end_fork(py, returned.err());
            }
            let result = returned.and_then(|returned| self.pickler.dump(&returned));
            result.map_err(|error| self.describe(py, error))
        })
    }

    /// Ends this process, which the job has forked from the worker, and which has returned from the job. The
    /// worker's connection to the pool does not exist here.
    fn end_fork(&self, py: Python<'_>, error: Option<PyErr>) -> ! {
        let error = error.map(|error| error.into_value(py));
        if let Err(error) = self.end_fork.call1(py, (error,)) {
            error.print(py);
        }
        process::abort();
    }

    fn returned<'py>(&mut self, py: Python<'py>, call: Call) -> PyResult<Bound<'py, PyAny>> {
        let loaded = Received::new(py, call.pickle).and_then(|received| self.pickler.load(py, &received));
        if let (Err(error), true) = (&loaded, self.pickler.is_strict) {
            error.print(py);
            process::exit(1);
        }
        let loaded = loaded?;
        match call.target {
            Target::Args(id) => self.function(py, id)?.call1(loaded.cast_into::<PyTuple>()?),
            Target::ArgsAndKeywords(id) => {
                let (args, keywords): (Bound<'_, PyTuple>, Bound<'_, PyDict>) = loaded.extract()?;
                self.function(py, id)?.call(args, Some(&keywords))
            }
            Target::Whole => {
                let (function, args, keywords): (Bound<'_, PyAny>, Bound<'_, PyTuple>, Bound<'_, PyDict>) =
                    loaded.extract()?;
                function.call(args, Some(&keywords))
            }
        }
    }

    fn function<'py>(&mut self, py: Python<'py>, id: FunctionId) -> PyResult<Bound<'py, PyAny>> {
        if let Some(function) = self.functions.find(id, &self.store) {
            return Ok(function.bind(py).clone());
        }
        let function = self.pickler.load_bytes(py, &self.store.read(id)?)?;
        self.functions.insert(id, function.clone().unbind());
        Ok(function)
    }

    /// Describes an exception for the parent.
    fn describe(&self, py: Python<'_>, error: PyErr) -> Raised {
        // Unlike `value`, this has the traceback.
        let exception = error.into_value(py);
        let describe = || {
            let described = self.describe.bind(py).call1((exception,))?;
            let (pickle, summary, traceback) = described.extract()?;
            Ok::<_, PyErr>(Raised { pickle, summary, traceback })
        };
        describe().unwrap_or_else(|failure| Raised {
            pickle: Vec::new(),
            summary: format!("an exception that cannot be described: {failure}"),
            traceback: String::new(),
        })
    }
}

/// Serves as a worker, and exits. Called by `_worker.py`.
#[pyfunction]
pub(crate) fn serve(py: Python<'_>) {
    py.detach(|| pool::worker::serve_as_worker::<Call>());
}
