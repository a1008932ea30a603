//! Running a job without a pool.

use builtin::{Builtin, BuiltinError, Limits, Method, Natural, Value};
use job::{Context as _, Job};

fn run(job: Builtin) -> Result<Vec<Natural>, BuiltinError> {
    let limits = Limits { allow_command: false, max_output: 0 };
    let Ok(mut context) = builtin::Context::start(limits);
    match job.run(&mut context)? {
        Value::Naturals(naturals) => Ok(naturals),
        other => panic!("{other:?}"),
    }
}

/// The prime factors of n >= 1, ascending, with multiplicity.
pub(crate) fn prime_factors(n: impl Into<Natural>) -> Vec<Natural> {
    run(Builtin::PrimeFactors { n: n.into() }).expect("it is not 0")
}

/// The divisors of n >= 1, ascending.
#[allow(dead_code, reason = "each test program uses its part")]
pub(crate) fn divisors(n: impl Into<Natural>) -> Result<Vec<Natural>, BuiltinError> {
    run(Builtin::Factorize { n: n.into(), method: Method::Fast })
}
