//! The trace-event format: one object an event.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// An event, as it stands in the file.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    pub(super) name: Cow<'a, str>,
    /// What kind of event it is.
    pub(super) ph: Phase,
    /// Which process's line it stands on, and which thread's.
    pub(super) pid: u32,
    pub(super) tid: u32,
    pub(super) ts: Micros,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dur: Option<Micros>,
    /// What belongs together, such as the ends of an arrow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) cat: &'static str,
    /// To which slice the end of an arrow belongs: the one around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bp: Option<&'static str>,
    /// How much of the lines a moment concerns: its thread's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) s: Option<&'static str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(super) args: Value,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Phase {
    #[serde(rename = "M")]
    Metadata,
    #[serde(rename = "X")]
    Slice,
    #[serde(rename = "i")]
    Instant,
    #[serde(rename = "C")]
    Counter,
    #[serde(rename = "s")]
    ArrowStart,
    #[serde(rename = "t")]
    ArrowStep,
    #[serde(rename = "f")]
    ArrowEnd,
}

/// A line: a process and a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) pid: u32,
    pub(super) tid: u32,
}

impl Line {
    /// An event that is nothing but its name.
    pub(super) fn event<'a>(self, ph: Phase, name: impl Into<Cow<'a, str>>, ts: u64) -> Event<'a> {
        Event {
            name: name.into(),
            ph,
            pid: self.pid,
            tid: self.tid,
            ts: Micros(ts),
            dur: None,
            id: None,
            cat: "",
            bp: None,
            s: None,
            args: Value::Null,
        }
    }

    pub(super) fn slice<'a>(self, name: impl Into<Cow<'a, str>>, ts: u64, dur: u64) -> Event<'a> {
        Event { dur: Some(Micros(dur)), ..self.event(Phase::Slice, name, ts) }
    }

    pub(super) fn instant<'a>(self, name: impl Into<Cow<'a, str>>, ts: u64) -> Event<'a> {
        Event { s: Some("t"), ..self.event(Phase::Instant, name, ts) }
    }

    /// A point on the arrow of a batch.
    pub(super) fn arrow(self, ph: Phase, batch: u64, ts: u64) -> Event<'static> {
        let bp = (ph != Phase::ArrowStart).then_some("e");
        Event { id: Some(batch), cat: "batch", bp, ..self.event(ph, "batch", ts) }
    }

    /// Something that a viewer is told of a line, not of a moment.
    pub(super) fn metadata(self, name: &'static str, args: Value) -> Event<'static> {
        Event { args, ..self.event(Phase::Metadata, name, 0) }
    }

    pub(super) fn counter(self, name: &'static str, ts: u64, value: u64) -> Event<'static> {
        Event { args: serde_json::json!({ "value": value }), ..self.event(Phase::Counter, name, ts) }
    }
}

/// Nanoseconds, written as microseconds, which is what the format has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Micros(pub(super) u64);

impl Micros {
    /// The number to be written. Some readers multiply it by 1000 and cut off what follows the point: where that would be a
    /// nanosecond less, slices that touch each other would overlap, so the next larger number is written.
    fn number(self) -> f64 {
        let micros = self.0 as f64 / 1000.0;
        if ((micros * 1000.0) as u64) < self.0 { micros.next_up() } else { micros }
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_survive_readers_that_round_and_readers_that_cut_off() {
        let numbers = (0..200_000).chain((0..100_000).map(|n| n * 998_244_353 % 100_000_000_000_000));
        for nanos in numbers {
            let text = serde_json::to_string(&Micros(nanos)).unwrap();
            let micros: f64 = text.parse().unwrap();
            assert_eq!((micros * 1000.0) as u64, nanos, "{text}");
            assert_eq!((micros * 1000.0).round() as u64, nanos, "{text}");
            let (whole, rest) = text.split_once('.').unwrap();
            let digits: String = rest.chars().chain("000".chars()).take(3).collect();
            assert_eq!(format!("{whole}{digits}").parse(), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn what_an_event_does_not_have_is_not_written() {
        let line = Line { pid: 3, tid: 4 };
        let text = serde_json::to_string(&line.slice("wait", 1500, 250)).unwrap();
        assert_eq!(text, r#"{"name":"wait","ph":"X","pid":3,"tid":4,"ts":1.5,"dur":0.25}"#);
    }
}
