//! The ops of `runner`: the built-in ones, one file each, and those that users define (`program`).

mod command;
mod divisors;
mod prime_factors;
mod program;
mod result_limit;
mod sleep;
mod sum;

use job::{Crash, Job};
use numtheory::{Natural, ZeroHasNoFactors, gcd};
use program::Programs;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use result_limit::ResultLimit;

pub use command::{Command, CommandOutput, SECRETS};
pub use divisors::MOST_DIVISORS;
pub use program::{Depth, ProgramDefinition, Protocol, compact};
pub use sleep::{NotADuration, Seconds};

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

/// Result of a built-in job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// A number.
    Natural(Natural),
    /// Several numbers, in order.
    Naturals(Vec<Natural>),
    /// The requested duration, as it was written in the job.
    Seconds(Seconds),
    /// Exit status and output of a program.
    Command(Box<CommandOutput>),
    /// A program's reply, unchanged and without the delimiter.
    Text(ByteBuf),
    /// The result in a program's reply: compact JSON, with numbers unchanged.
    Json(ByteBuf),
}

/// Error of a built-in job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum BuiltinError {
    /// `command` jobs are not [allowed](Limits::allow_command).
    #[error("`command` jobs are not allowed; enable them with --allow-command")]
    CommandRefused,
    /// The program could not be started.
    #[error("cannot run `{program}`: {reason}")]
    CommandNotRun {
        /// Name of the program.
        program: String,
        /// Error message of the system.
        reason: String,
    },
    /// The exit status of the program is unknown, because its [guard](sys::program) was killed.
    #[error("exit status of `{program}` is unknown: its guard ended with {reason}")]
    CommandLost {
        /// Name of the program.
        program: String,
        /// Exit status of the guard.
        reason: String,
    },
    /// The program of a user-defined op could not be started.
    #[error("cannot run `{program}`: {reason}")]
    ProgramNotRun {
        /// Path of the program as it was given.
        program: String,
        /// Error message of the system.
        reason: String,
    },
    /// The program of a user-defined op replied with an error.
    #[error("{message}")]
    Program {
        /// Error message of the program.
        message: String,
    },
    /// The program of a user-defined op violated the protocol and was killed.
    #[error("protocol: {program}: {message}")]
    Protocol {
        /// Name of the program.
        program: String,
        /// The violation, with the start of the program's output.
        message: String,
    },
    /// The op is not defined in the process that ran the job.
    #[error("op `{op}` is not defined here")]
    OpNotDefined {
        /// Name of the op.
        op: String,
    },
    /// The number has more than [`MOST_DIVISORS`] divisors.
    #[error("number has more than {MOST_DIVISORS} divisors")]
    TooManyDivisors,
    /// The result would be longer than [`Limits::max_result`].
    #[error("result is longer than --max-result ({limit} bytes)")]
    TooLarge {
        /// Limit in bytes.
        limit: u64,
    },
    /// There is not enough memory for the result.
    #[error("out of memory for a result of {bytes} bytes; a lower --max-result rejects such results earlier")]
    NoMemory {
        /// Approximate length of the result as text, in bytes.
        bytes: u64,
    },
    /// The operation is not defined for 0.
    #[error("{ZeroHasNoFactors}")]
    Zero,
}

impl From<ZeroHasNoFactors> for BuiltinError {
    fn from(_: ZeroHasNoFactors) -> BuiltinError {
        BuiltinError::Zero
    }
}

/// Settings that every worker receives before its first job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Allows `command` jobs to run.
    pub allow_command: bool,
    /// Number of bytes of each output stream of a program that are kept.
    pub max_output: u64,
    /// Maximum length of a result in bytes of text; a job with a longer result fails.
    pub max_result: u64,
    /// Programs of user-defined ops.
    pub programs: Vec<ProgramDefinition>,
}

/// Worker-local state of built-in jobs: the settings and the programs of user-defined ops.
#[derive(Debug)]
pub struct Context {
    limits: Limits,
    programs: Programs,
}

impl job::Context for Context {
    type Args = Limits;
    type Error = std::convert::Infallible;
    type Report = ();

    fn start(mut limits: Limits) -> Result<Context, Self::Error> {
        let programs = Programs::new(std::mem::take(&mut limits.programs));
        Ok(Context { limits, programs })
    }

    fn begins_ahead(&self) -> bool {
        self.programs.are_defined()
    }

    fn give_up_begun(&mut self) {
        self.programs.give_up_begun();
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

    fn missing_here(error: &BuiltinError) -> Option<String> {
        matches!(error, BuiltinError::OpNotDefined { .. }).then(|| error.to_string())
    }

    fn begin(&self, context: &mut Context) -> bool {
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
        Context { limits, programs }: &mut Context,
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
                    return Err(BuiltinError::CommandRefused);
                }
                command::run(&command, limits.max_output).map(Box::new).map(Value::Command)
            }
        }
    }
}
