//! A job type whose serializers go wrong on request.

use pool::Job;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeTuple},
};

/// What a serializer says when it goes wrong in words.
pub const WORDS: &str = "a serializer's own words";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A job.
    Job,
    /// What it yields.
    Output,
    /// What it reports.
    Error,
    /// What the workers' state is made of.
    Setup,
}

/// When it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// While it is encoded, after the first bytes.
    Encoded,
    /// While it is decoded.
    Decoded,
    /// When it is put to use.
    Used,
}

/// How it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manner {
    /// With an error.
    Report,
    /// With a panic.
    Panic,
    /// The process exits.
    Exit(i32),
    /// The process aborts.
    Abort,
}

impl Manner {
    /// Goes wrong: with the words to report, if it comes to that.
    ///
    /// # Panics
    /// When it is to.
    #[must_use]
    pub fn go_wrong(self) -> &'static str {
        match self {
            Manner::Report => WORDS,
            Manner::Panic => panic!("{WORDS}"),
            Manner::Exit(code) => std::process::exit(code),
            Manner::Abort => std::process::abort(),
        }
    }
}

/// A plan of what goes wrong.
pub type Plan = (What, When, Manner);

/// A value that knows the plan, and goes wrong if the plan says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub is: What,
    /// What goes wrong, if anything.
    pub plan: Option<Plan>,
}

impl Value {
    /// How the value goes wrong at this time.
    #[must_use]
    pub fn trap(&self, now: When) -> Option<Manner> {
        self.plan.filter(|&(what, when, _)| (what, when) == (self.is, now)).map(|(_, _, manner)| manner)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(1)?;
        // Something has been written when it goes wrong.
        tuple.serialize_element(&(self.is, self.plan))?;
        match self.trap(When::Encoded) {
            Some(manner) => Err(S::Error::custom(manner.go_wrong())),
            None => tuple.end(),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        let ((is, plan),) = Deserialize::deserialize(deserializer)?;
        let value = Value { is, plan };
        match value.trap(When::Decoded) {
            Some(manner) => Err(D::Error::custom(manner.go_wrong())),
            None => Ok(value),
        }
    }
}

/// A job that yields the number of its process, unless something goes wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trapped(Value);

impl Trapped {
    /// A job with which this goes wrong.
    #[must_use]
    pub fn new(what: What, when: When, manner: Manner) -> Trapped {
        Trapped(Value { is: What::Job, plan: Some((what, when, manner)) })
    }

    /// A job with which nothing goes wrong.
    #[must_use]
    pub fn harmless() -> Trapped {
        Trapped(Value { is: What::Job, plan: None })
    }
}

impl Job for Trapped {
    const NAME: &'static str = "trapped";
    type Output = (u64, Value);
    type Error = Value;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<(u64, Value), Value> {
        match self.0.plan {
            Some((What::Error, ..)) => Err(Value { is: What::Error, ..self.0 }),
            _ => Ok((std::process::id().into(), Value { is: What::Output, ..self.0 })),
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
