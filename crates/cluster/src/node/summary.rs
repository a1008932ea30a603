//! Counters of a node.

/// Counters of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeSummary {
    /// Jobs whose outcomes it stored.
    pub jobs: u64,
    /// Messages whose results it stored.
    pub messages: u64,
    /// Messages that had been delivered before.
    pub redelivered: u64,
    /// Messages whose result another node had already stored.
    pub duplicates: u64,
    /// Messages that it handed back when it left.
    pub handed_back: u64,
    /// Messages that it quarantined.
    pub quarantined: u64,
}
