//! The trace-event format: one JSON object per event.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// An event; the fields are those of the format.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    pub(super) name: Cow<'a, str>,
    /// Kind of the event.
    pub(super) ph: Phase,
    /// Process and thread of the track on which it is shown.
    pub(super) pid: u32,
    pub(super) tid: u32,
    pub(super) ts: Micros,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dur: Option<Micros>,
    /// Identifier that related events share, such as the ends of an arrow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) cat: &'static str,
    /// Binding point of the end of an arrow: the enclosing slice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bp: Option<&'static str>,
    /// Scope of an instant event: its thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) s: Option<&'static str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(super) args: Value,
}

/// Kinds of events.
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

/// A track of the viewer: a process and a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) pid: u32,
    pub(super) tid: u32,
}

impl Track {
    /// An event with only a name and a time.
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

    /// A point of the arrow of a batch.
    pub(super) fn arrow(self, ph: Phase, batch: u64, ts: u64) -> Event<'static> {
        let bp = (ph != Phase::ArrowStart).then_some("e");
        Event { id: Some(batch), cat: "batch", bp, ..self.event(ph, "batch", ts) }
    }

    /// Metadata of the track, without a time.
    pub(super) fn metadata(self, name: &'static str, args: Value) -> Event<'static> {
        Event { args, ..self.event(Phase::Metadata, name, 0) }
    }

    pub(super) fn counter(self, name: &'static str, ts: u64, value: u64) -> Event<'static> {
        Event { args: serde_json::json!({ "value": value }), ..self.event(Phase::Counter, name, ts) }
    }
}

/// A time in nanoseconds that is written in microseconds, the unit of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Micros(pub(super) u64);

impl Micros {
    /// Value to write. Some viewers multiply it by 1000 and truncate. Where that would give a nanosecond
    /// less, adjacent slices would overlap, so the next larger floating-point number is written.
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
    fn nanoseconds_survive_rounding_and_truncating_viewers() {
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
    fn missing_fields_are_not_written() {
        let track = Track { pid: 3, tid: 4 };
        let text = serde_json::to_string(&track.slice("wait", 1500, 250)).unwrap();
        assert_eq!(text, r#"{"name":"wait","ph":"X","pid":3,"tid":4,"ts":1.5,"dur":0.25}"#);
    }
}
