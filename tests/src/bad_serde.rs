//! A job type whose serialization fails on request.

use pool::Job;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeTuple},
};

/// Message of a failing serializer.
pub const MESSAGE: &str = "message of the serializer";

/// Role of the value that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// The job.
    Job,
    /// The output.
    Output,
    /// The error.
    Error,
    /// The arguments of the worker-local state.
    Setup,
}

/// Step in which it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Encoding, after the first bytes.
    Encode,
    /// Decoding.
    Decode,
    /// Use of the decoded value.
    Use,
}

/// Kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// An error is returned.
    Report,
    /// A panic.
    Panic,
    /// The process exits.
    Exit(i32),
    /// The process aborts.
    Abort,
}

impl FailureKind {
    /// Fails; returns the error message for [`FailureKind::Report`].
    ///
    /// # Panics
    /// For [`FailureKind::Panic`].
    #[must_use]
    pub fn fail(self) -> &'static str {
        match self {
            FailureKind::Report => MESSAGE,
            FailureKind::Panic => panic!("{MESSAGE}"),
            FailureKind::Exit(code) => std::process::exit(code),
            FailureKind::Abort => std::process::abort(),
        }
    }
}

/// A planned failure.
pub type FailurePlan = (Target, Phase, FailureKind);

/// A value that fails according to a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingValue {
    /// Role of this value.
    pub is: Target,
    /// The planned failure, if any.
    pub plan: Option<FailurePlan>,
}

impl FailingValue {
    /// Returns the failure of this value in this step.
    #[must_use]
    pub fn failure_in(&self, phase: Phase) -> Option<FailureKind> {
        self.plan.filter(|&(target, when, _)| (target, when) == (self.is, phase)).map(|(_, _, kind)| kind)
    }
}

impl Serialize for FailingValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(1)?;
        // Some bytes have been written when it fails.
        tuple.serialize_element(&(self.is, self.plan))?;
        match self.failure_in(Phase::Encode) {
            Some(kind) => Err(S::Error::custom(kind.fail())),
            None => tuple.end(),
        }
    }
}

impl<'de> Deserialize<'de> for FailingValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FailingValue, D::Error> {
        let ((is, plan),) = Deserialize::deserialize(deserializer)?;
        let value = FailingValue { is, plan };
        match value.failure_in(Phase::Decode) {
            Some(kind) => Err(D::Error::custom(kind.fail())),
            None => Ok(value),
        }
    }
}

/// A job that returns the id of its process, unless it fails.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailingJob(FailingValue);

impl FailingJob {
    /// Creates a job with a planned failure.
    #[must_use]
    pub fn new(target: Target, phase: Phase, kind: FailureKind) -> FailingJob {
        FailingJob(FailingValue { is: Target::Job, plan: Some((target, phase, kind)) })
    }

    /// Creates a job that succeeds.
    #[must_use]
    pub fn harmless() -> FailingJob {
        FailingJob(FailingValue { is: Target::Job, plan: None })
    }
}

impl Job for FailingJob {
    const NAME: &'static str = "failing";
    type Output = (u64, FailingValue);
    type Error = FailingValue;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<(u64, FailingValue), FailingValue> {
        match self.0.plan {
            Some((Target::Error, ..)) => Err(FailingValue { is: Target::Error, ..self.0 }),
            _ => Ok((std::process::id().into(), FailingValue { is: Target::Output, ..self.0 })),
        }
    }
}

/// A job type that no worker program serves.
#[derive(Debug, Serialize, Deserialize)]
pub struct Unserved;

impl Job for Unserved {
    const NAME: &'static str = "unserved";
    type Output = ();
    type Error = ();
    type Context = ();

    fn run(self, (): &mut ()) -> Result<(), ()> {
        Ok(())
    }
}
