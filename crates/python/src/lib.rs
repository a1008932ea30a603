//! The extension module of the Python package `runner_pool`: a pool whose jobs are calls of Python functions.
//!
//! The module has the parts that need the engine or have to be fast: encoding of calls and results, pools,
//! the iterator of `map`, and the main loop of a worker. Everything else is Python, in `python/runner_pool`.

mod cache;
mod call;
mod completions;
mod engine;
mod failure;
mod fork;
mod functions;
mod handle;
mod memory;
mod options;
mod outcome;
mod pickler;
mod results;
mod settling;
mod sink;
mod stats;
mod waiting;
mod worker;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::{
        completions::Completions, engine::Pool, functions::Function, handle::JobHandle, memory::Memory,
        options::Options, pickler::collect_buffer, results::Results, worker::serve,
    };
}
