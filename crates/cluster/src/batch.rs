//! How jobs and outcomes are laid out in messages.
//!
//! Jobs one after the other, each as its time limit (nanoseconds plus one; 0 if it has none), its length, and its bytes;
//! outcomes likewise, without limits. Numbers are written in groups of seven bits, the lowest first, all but the last
//! marked by the eighth (LEB128). What else there is to say stands in headers.

use std::time::Duration;

use async_nats::HeaderMap;
use twox_hash::xxhash3_128::Hasher;

use crate::{
    PROTOCOL_VERSION,
    names::{Queue, RunId, Span},
};

/// Digest of the encoded jobs, in batches and results.
const DIGEST: &str = "Runner-Digest";
/// Protocol and job type.
const VERSION: &str = "Runner-Version";
/// Seconds of one worker that the batch has cost.
const COST: &str = "Runner-Cost";
/// The batch was in the queue before: it may have a result.
const AGAIN: &str = "Runner-Again";
/// Why the batch could not be run: in place of outcomes.
const FAILURE: &str = "Runner-JobError";
/// Who ran it.
const NODE: &str = "Runner-Node";

/// What a batch or its result says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Label {
    pub(crate) version: String,
    pub(crate) digest: String,
    /// Seconds of one worker, for all jobs together; of results only.
    pub(crate) cost: Option<f64>,
    pub(crate) node: Option<String>,
    /// Why there are no outcomes; of results only.
    pub(crate) failure: Option<String>,
}

impl Label {
    pub(crate) fn headers(&self) -> HeaderMap {
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

    pub(crate) fn read(headers: &HeaderMap) -> Label {
        let text = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        Label {
            version: text(VERSION).unwrap_or_default(),
            digest: text(DIGEST).unwrap_or_default(),
            cost: text(COST).and_then(|cost| cost.parse().ok()).filter(|cost: &f64| cost.is_finite()),
            node: text(NODE),
            failure: text(FAILURE),
        }
    }
}

/// So that a node looks for a result before it runs a batch: it was in the queue before.
pub(crate) fn as_again(mut headers: HeaderMap) -> HeaderMap {
    headers.insert(AGAIN, "1");
    headers
}

/// Whether the batch was in the queue before.
pub(crate) fn is_again(headers: &HeaderMap) -> bool {
    headers.get(AGAIN).is_some()
}

/// What everybody who shares a queue must agree on.
pub(crate) fn version(job_type: &str) -> String {
    format!("protocol {PROTOCOL_VERSION}, job type {job_type}")
}

/// What stands for a batch's jobs: each with the limit that it brings itself. That of the run may be another one when it is
/// gone on with.
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

/// Nanoseconds plus one; 0 if there is none.
fn limit_ns(limit: Option<Duration>) -> u64 {
    limit.map_or(0, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).saturating_add(1))
}

/// Appends a job.
pub(crate) fn push_job(limit: Option<Duration>, job: &[u8], into: &mut Vec<u8>) {
    push_number(limit_ns(limit), into);
    push_bytes(job, into);
}

/// Appends an outcome.
pub(crate) fn push_bytes(bytes: &[u8], into: &mut Vec<u8>) {
    push_number(bytes.len() as u64, into);
    into.extend_from_slice(bytes);
}

/// Takes a job off the front; nothing if it is not whole.
pub(crate) fn take_job<'a>(bytes: &mut &'a [u8]) -> Option<(Option<Duration>, &'a [u8])> {
    let limit_ns = take_number(bytes)?;
    let job = take_bytes(bytes)?;
    Some((limit_ns.checked_sub(1).map(Duration::from_nanos), job))
}

/// Takes an outcome off the front; nothing if it is not whole.
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

/// What a job is told that was in a batch that no node could finish.
pub(crate) fn quarantine_message(queue: &Queue, run: &RunId, span: Span, deliveries: u64) -> String {
    let (first, last) = (span.first, span.last());
    let jobs = if first == last { format!("job {first}") } else { format!("jobs {first} to {last}") };
    format!(
        "quarantined: delivered {deliveries} times, and no node finished it ({jobs} of run {run} on queue {queue})"
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
    fn labels_come_back_as_they_were() {
        let label = Label {
            version: version("builtin"),
            digest: digest(None, b"x"),
            cost: Some(0.25),
            node: Some("a:1".into()),
            failure: Some("a piece is missing".into()),
        };
        assert_eq!(Label::read(&label.headers()), label);
        assert_eq!(Label::read(&HeaderMap::new()), Label::default());
        assert_ne!(digest(None, b"x"), digest(None, b"y"));
        assert_ne!(digest(None, b"x"), digest(Some(Duration::ZERO), b"x"));
    }

    proptest! {
        #[test]
        fn jobs_come_back_as_they_were(jobs in vec((proptest::option::of(0..u64::MAX - 1), vec(any::<u8>(), 0..300)), 0..20)) {
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
        fn no_bytes_are_too_strange(bytes in vec(any::<u8>(), 0..100)) {
            let mut rest = &bytes[..];
            while take_job(&mut rest).is_some() {}
            let mut rest = &bytes[..];
            while take_bytes(&mut rest).is_some() {}
        }
    }
}
