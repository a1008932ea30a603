//! The jobs that `runner` knows without being taught, one file each.

mod command;
mod divisors;
mod prime_factors;
mod program;
mod size;
mod sleep;
mod sum;

use job::{Crash, Job};
use numtheory::{Natural, ZeroHasNoFactors, gcd};
use program::Programs;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use size::Size;

pub use command::{Command, CommandOutput, SECRETS};
pub use divisors::MOST_DIVISORS;
pub use program::{Depth, ProgramDefinition, Protocol, compact};
pub use sleep::{NotADuration, Seconds};

/// One built-in job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Builtin {
    /// The greatest common divisor of two magnitudes; 0 if both are 0.
    Gcd {
        /// One.
        a: Natural,
        /// The other.
        b: Natural,
        /// How.
        method: Method,
    },
    /// All divisors of a number of at least 1, ascending.
    Factorize {
        /// The number.
        n: Natural,
        /// How.
        method: Method,
    },
    /// The prime factors of a number of at least 1, ascending, with multiplicity.
    PrimeFactors {
        /// The number.
        n: Natural,
    },
    /// 1 + 2 + ... + n.
    Sum {
        /// The last summand.
        n: Natural,
        /// How.
        method: Method,
    },
    /// Waits.
    Sleep {
        /// How long.
        seconds: Seconds,
    },
    /// Runs a program.
    Command(Box<Command>),
    /// Runs on the program of a user-defined op.
    Program(ProgramJob),
    /// The greatest common divisor of any number of magnitudes; 0 if all are 0, or there are none.
    GcdOf {
        /// The magnitudes.
        values: Vec<Natural>,
        /// How.
        method: Method,
    },
}

/// A request to the program of a user-defined op.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramJob {
    /// Name of the op.
    pub op: Box<str>,
    /// The request, without the delimiter, which it must not contain: a line, or a JSON value on one line.
    pub request: ByteBuf,
}

/// How a job is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// As fast as we can.
    #[default]
    Fast,
    /// By the plain loop that tries every number: a CPU-bound load of known size.
    Trial,
}

/// What a built-in job yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// One number.
    Natural(Natural),
    /// Several, in order.
    Naturals(Vec<Natural>),
    /// The duration that was asked for, as it was written.
    Seconds(Seconds),
    /// What a program left behind.
    Command(Box<CommandOutput>),
    /// A program's reply as it was written, without the delimiter.
    Text(ByteBuf),
    /// The result in a program's reply: compact JSON, with numbers as they were written.
    Json(ByteBuf),
}

/// Why a built-in job failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum BuiltinError {
    /// Programs are run only where that was allowed.
    #[error("`command` jobs are refused unless they are allowed")]
    CommandRefused,
    /// The program could not be started.
    #[error("cannot run `{program}`: {reason}")]
    CommandNotRun {
        /// The program's name.
        program: String,
        /// The system's words.
        reason: String,
    },
    /// How the program ended is not known, because its [guard](sys::program) was killed.
    #[error("cannot tell how `{program}` ended: its guard ended with {reason}")]
    CommandLost {
        /// The program's name.
        program: String,
        /// How the guard ended.
        reason: String,
    },
    /// The program of a user-defined op could not be started.
    #[error("cannot run `{program}`: {reason}")]
    ProgramNotRun {
        /// The program as it was given.
        program: String,
        /// The system's words.
        reason: String,
    },
    /// The program of a user-defined op has replied with an error.
    #[error("{message}")]
    Program {
        /// The program's own words.
        message: String,
    },
    /// The program of a user-defined op has broken the protocol, and was killed.
    #[error("protocol: {program}: {message}")]
    Protocol {
        /// The program's name.
        program: String,
        /// What it did, with the start of what it wrote.
        message: String,
    },
    /// No program is defined for the op where the job ran.
    #[error("the op `{op}` is not defined here")]
    OpNotDefined {
        /// The op's name.
        op: String,
    },
    /// The number has more than [`MOST_DIVISORS`] divisors.
    #[error("the number has more than {MOST_DIVISORS} divisors")]
    TooManyDivisors,
    /// The result would be longer than [`Limits::max_result`].
    #[error("the result is longer than --max-result allows ({limit} bytes)")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// There is no memory for the result.
    #[error("there is no memory for a result of {bytes} bytes; --max-result can refuse such results earlier")]
    NoMemory {
        /// Its length as text, about.
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

/// What every worker is told before its first job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Whether `command` jobs may run.
    pub allow_command: bool,
    /// How many bytes of each output stream of a program are kept.
    pub max_output: u64,
    /// The longest result, in bytes of text; a job with a longer one fails.
    pub max_result: u64,
    /// The programs of user-defined ops.
    pub programs: Vec<ProgramDefinition>,
}

/// The worker-local state of built-in jobs: their limits, and the programs of user-defined ops.
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
            // There is nothing to begin with.
            _ => true,
        }
    }

    fn run(self, context: &mut Context) -> Result<Value, BuiltinError> {
        let size = Size(context.limits.max_result);
        size.bounded(self.value(context, size)?)
    }
}

impl Builtin {
    /// The result. `size` bounds those that are longer than the job, before they are made.
    fn value(self, Context { limits, programs }: &mut Context, size: Size) -> Result<Value, BuiltinError> {
        match self {
            Builtin::Program(ProgramJob { op, request }) => programs.run(&op, &request),
            Builtin::Gcd { a, b, method: Method::Fast } => Ok(Value::Natural(gcd::fast(a, b))),
            Builtin::Gcd { a, b, method: Method::Trial } => Ok(Value::Natural(gcd::trial(a, b))),
            Builtin::GcdOf { values, method: Method::Fast } => Ok(Value::Natural(gcd::of(values, gcd::fast))),
            Builtin::GcdOf { values, method: Method::Trial } => {
                Ok(Value::Natural(gcd::of(values, gcd::trial)))
            }
            Builtin::Factorize { n, method: Method::Fast } => divisors::fast(&n, size).map(Value::Naturals),
            Builtin::Factorize { n, method: Method::Trial } => divisors::trial(n).map(Value::Naturals),
            Builtin::PrimeFactors { n } => prime_factors::prime_factors(&n, size).map(Value::Naturals),
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
