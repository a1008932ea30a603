//! Layout of jobs and outcomes in messages.
//!
//! Jobs follow one another, each as its time limit (nanoseconds plus one; 0 for none), its length, and its
//! bytes. Outcomes follow one another likewise, without limits. Numbers are in LEB128: groups of seven bits,
//! the lowest first, with the eighth bit set in all but the last. Metadata is in headers.

use std::time::Duration;

use async_nats::HeaderMap;
use twox_hash::xxhash3_128::Hasher;

use crate::{
    PROTOCOL_VERSION,
    names::{Queue, RunId, Span},
};

/// Digest of the encoded jobs, in messages and results.
const DIGEST: &str = "Runner-Digest";
/// Protocol version and job type.
const VERSION: &str = "Runner-Version";
/// Worker time of all jobs, in seconds.
const COST: &str = "Runner-Cost";
/// The message was in the queue before, so it may have a result.
const REPUBLISHED: &str = "Runner-Again";
/// Why the jobs could not be run; in place of outcomes.
const FAILURE: &str = "Runner-JobError";
/// Node that ran the jobs.
const NODE: &str = "Runner-Node";

/// Metadata of a message or a result.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metadata {
    pub(crate) version: String,
    pub(crate) digest: String,
    /// Worker time of all jobs together in seconds; results only.
    pub(crate) cost: Option<f64>,
    pub(crate) node: Option<String>,
    /// Why there are no outcomes; results only.
    pub(crate) failure: Option<String>,
}

impl Metadata {
    pub(crate) fn to_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(VERSION, self.version.as_str());
        headers.insert(DIGEST, self.digest.as_str());
        if let Some(cost) = self.cost {
            headers.insert(COST, cost.to_string());
        }
        if let Some(node) = &self.node {
            headers.insert(NODE, node.as_str());
        }
        if let Some(failure) = &self.failure {
            headers.insert(FAILURE, failure.replace(['\r', '\n'], " "));
        }
        headers
    }

    pub(crate) fn from_headers(headers: &HeaderMap) -> Metadata {
        let text = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        Metadata {
            version: text(VERSION).unwrap_or_default(),
            digest: text(DIGEST).unwrap_or_default(),
            cost: text(COST).and_then(|cost| cost.parse().ok()).filter(|cost: &f64| cost.is_finite()),
            node: text(NODE),
            failure: text(FAILURE),
        }
    }
}

/// Marks a message that was in the queue before, so that a node looks for a result before it runs the jobs.
pub(crate) fn mark_republished(mut headers: HeaderMap) -> HeaderMap {
    headers.insert(REPUBLISHED, "1");
    headers
}

/// Returns whether the message was in the queue before.
pub(crate) fn is_republished(headers: &HeaderMap) -> bool {
    headers.get(REPUBLISHED).is_some()
}

/// Returns the protocol version and job type, which must be equal for all submitters and nodes of a queue.
pub(crate) fn version(job_type: &str) -> String {
    format!("protocol {PROTOCOL_VERSION}, job type {job_type}")
}

/// Digest of a message's jobs, each with its own time limit. The run's default limit is not included, because
/// it may change when the run is resumed.
#[derive(Clone, Default)]
pub(crate) struct Digest(Hasher);

impl Digest {
    pub(crate) fn add(&mut self, limit: Option<Duration>, job: &[u8]) {
        let mut head = [0; 16];
        head[..8].copy_from_slice(&limit_ns(limit).to_le_bytes());
        head[8..].copy_from_slice(&(job.len() as u64).to_le_bytes());
        self.0.write(&head);
        self.0.write(job);
    }

    pub(crate) fn text(&self) -> String {
        format!("{:032x}", self.0.finish_128())
    }
}

/// Returns nanoseconds plus one; 0 for no limit.
fn limit_ns(limit: Option<Duration>) -> u64 {
    limit.map_or(0, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).saturating_add(1))
}

/// Appends an encoded job.
pub(crate) fn push_job(limit: Option<Duration>, job: &[u8], into: &mut Vec<u8>) {
    push_number(limit_ns(limit), into);
    push_bytes(job, into);
}

/// Appends an encoded outcome.
pub(crate) fn push_bytes(bytes: &[u8], into: &mut Vec<u8>) {
    push_number(bytes.len() as u64, into);
    into.extend_from_slice(bytes);
}

/// Removes a job from the front; `None` if it is truncated.
pub(crate) fn take_job<'a>(bytes: &mut &'a [u8]) -> Option<(Option<Duration>, &'a [u8])> {
    let limit_ns = take_number(bytes)?;
    let job = take_bytes(bytes)?;
    Some((limit_ns.checked_sub(1).map(Duration::from_nanos), job))
}

/// Removes an outcome from the front; `None` if it is truncated.
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_number(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn push_number(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Returns the cause of loss of the jobs in a message that was quarantined.
pub(crate) fn quarantine_cause(queue: &Queue, run: &RunId, span: Span, deliveries: u64) -> String {
    let (first, last) = (span.first, span.last());
    let jobs = if first == last { format!("job {first}") } else { format!("jobs {first} to {last}") };
    format!(
        "quarantined: delivered {deliveries} times, and no node finished it \
         ({jobs} of run {run} on queue {queue})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn digest(limit: Option<Duration>, job: &[u8]) -> String {
        let mut digest = Digest::default();
        digest.add(limit, job);
        digest.text()
    }

    #[test]
    fn metadata_round_trips_through_headers() {
        let metadata = Metadata {
            version: version("builtin"),
            digest: digest(None, b"x"),
            cost: Some(0.25),
            node: Some("a:1".into()),
            failure: Some("a chunk is missing".into()),
        };
        assert_eq!(Metadata::from_headers(&metadata.to_headers()), metadata);
        assert_eq!(Metadata::from_headers(&HeaderMap::new()), Metadata::default());
        assert_ne!(digest(None, b"x"), digest(None, b"y"));
        assert_ne!(digest(None, b"x"), digest(Some(Duration::ZERO), b"x"));
    }

    proptest! {
        #[test]
        fn jobs_round_trip(
            jobs in vec((proptest::option::of(0..u64::MAX - 1), vec(any::<u8>(), 0..300)), 0..20),
        ) {
            let mut bytes = Vec::new();
            for (limit, job) in &jobs {
                push_job(limit.map(Duration::from_nanos), job, &mut bytes);
            }
            let mut rest = &bytes[..];
            for (limit, job) in &jobs {
                prop_assert_eq!(take_job(&mut rest), Some((limit.map(Duration::from_nanos), &job[..])));
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn decoding_arbitrary_bytes_does_not_panic(bytes in vec(any::<u8>(), 0..100)) {
            let mut rest = &bytes[..];
            while take_job(&mut rest).is_some() {}
            let mut rest = &bytes[..];
            while take_bytes(&mut rest).is_some() {}
        }
    }
}
