//! The ops of `runner`: the built-in ones, one file each, and those that users define (`program`).
//!
//! Internal; unstable; use `runner-tool`.
//!
//! An op returns a [`Value`] or a [`BuiltinError`]; [`Limits`] applies to all of them.

mod command;
mod divisors;
mod error;
mod limits;
mod prime_factors;
mod program;
mod program_sandbox;
mod result_limit;
mod sleep;
mod sum;
mod value;

use std::sync::Arc;

use job::{Crash, Job};
use numtheory::{Natural, gcd};
use program::Programs;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use program_sandbox::ProgramSandbox;
use result_limit::ResultLimit;

pub use command::{Command, CommandOutput, SECRET_VARIABLES};
pub use error::BuiltinError;
pub use limits::{Limits, MAX_DIVISORS};
pub use program::{Depth, ProgramDefinition, Protocol, compact};
pub use sleep::{ParseSecondsError, Seconds};
pub use value::Value;

/// A built-in job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Builtin {
    /// Computes the greatest common divisor of two magnitudes; 0 if both are 0.
    Gcd {
        /// First magnitude.
        a: Natural,
        /// Second magnitude.
        b: Natural,
        /// Algorithm.
        method: Method,
    },
    /// Computes all divisors of a number of at least 1, ascending.
    Factorize {
        /// Number to factorize.
        n: Natural,
        /// Algorithm.
        method: Method,
    },
    /// Computes the prime factors of a number of at least 1, ascending, with multiplicity.
    PrimeFactors {
        /// Number to factorize.
        n: Natural,
    },
    /// Computes 1 + 2 + ... + n.
    Sum {
        /// Last summand.
        n: Natural,
        /// Algorithm.
        method: Method,
    },
    /// Sleeps.
    Sleep {
        /// Duration.
        seconds: Seconds,
    },
    /// Runs a program.
    Command(Box<Command>),
    /// Sends a request to the program of a user-defined op.
    Program(ProgramJob),
    /// Computes the greatest common divisor of any number of magnitudes; 0 if all are 0 or there are none.
    GcdOf {
        /// Magnitudes.
        values: Vec<Natural>,
        /// Algorithm.
        method: Method,
    },
}

/// A request to the program of a user-defined op.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramJob {
    /// Name of the op.
    pub op: Box<str>,
    /// Request: a line, or a JSON value on one line. It must not contain the delimiter.
    pub request: ByteBuf,
}

/// Algorithm of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// Fast algorithm.
    #[default]
    Fast,
    /// Loop that tries every number: a CPU-bound load of known size.
    Trial,
}

/// Worker-local state of built-in jobs: the settings and the programs of user-defined ops.
#[derive(Debug)]
pub struct Context {
    limits: Limits,
    programs: Programs,
    sandbox: Arc<ProgramSandbox>,
}

impl job::Context for Context {
    type Args = Limits;
    type Error = std::convert::Infallible;
    type Report = ();

    fn start(mut limits: Limits) -> Result<Context, Self::Error> {
        let sandbox = Arc::new(ProgramSandbox::new(std::mem::take(&mut limits.sandbox)));
        let programs = Programs::new(std::mem::take(&mut limits.programs), &sandbox);
        Ok(Context { limits, programs, sandbox })
    }

    fn starts_ahead(&self) -> bool {
        self.programs.are_defined()
    }

    fn discard_started(&mut self) {
        self.programs.discard_started();
    }

    fn crashed(&mut self) -> Option<Crash> {
        self.programs.crashed()
    }

    fn finish(self) -> Result<(), Self::Error> {
        self.programs.finish();
        Ok(())
    }
}

impl Job for Builtin {
    const NAME: &'static str = "builtin";
    type Output = Value;
    type Error = BuiltinError;
    type Context = Context;

    fn unavailable_reason(error: &BuiltinError) -> Option<String> {
        matches!(error, BuiltinError::OpNotDefined { .. }).then(|| error.to_string())
    }

    fn start_ahead(&self, context: &mut Context) -> bool {
        match self {
            Builtin::Program(ProgramJob { op, request }) => context.programs.begin(op, request),
            // Other jobs do no work before `run`.
            _ => true,
        }
    }

    fn run(self, context: &mut Context) -> Result<Value, BuiltinError> {
        let limit = ResultLimit(context.limits.max_result);
        limit.check_value(self.compute(context, limit)?)
    }
}

impl Builtin {
    /// Computes the result. Operations whose result can be longer than the job check `limit` before they
    /// create it.
    fn compute(
        self,
        Context { limits, programs, sandbox }: &mut Context,
        limit: ResultLimit,
    ) -> Result<Value, BuiltinError> {
        match self {
            Builtin::Program(ProgramJob { op, request }) => programs.run(&op, &request),
            Builtin::Gcd { a, b, method: Method::Fast } => Ok(Value::Natural(gcd::fast(a, b))),
            Builtin::Gcd { a, b, method: Method::Trial } => Ok(Value::Natural(gcd::trial(a, b))),
            Builtin::GcdOf { values, method: Method::Fast } => Ok(Value::Natural(gcd::of(values, gcd::fast))),
            Builtin::GcdOf { values, method: Method::Trial } => {
                Ok(Value::Natural(gcd::of(values, gcd::trial)))
            }
            Builtin::Factorize { n, method: Method::Fast } => divisors::fast(&n, limit).map(Value::Naturals),
            Builtin::Factorize { n, method: Method::Trial } => divisors::trial(n).map(Value::Naturals),
            Builtin::PrimeFactors { n } => prime_factors::prime_factors(&n, limit).map(Value::Naturals),
            Builtin::Sum { n, method: Method::Fast } => Ok(Value::Natural(sum::fast(n))),
            Builtin::Sum { n, method: Method::Trial } => Ok(Value::Natural(sum::trial(n))),
            Builtin::Sleep { seconds } => {
                std::thread::sleep(seconds.duration());
                Ok(Value::Seconds(seconds))
            }
            Builtin::Command(command) => {
                if !limits.allow_command {
                    return Err(BuiltinError::CommandNotAllowed);
                }
                command::run(&command, limits.max_output, sandbox).map(Box::new).map(Value::Command)
            }
        }
    }
}
