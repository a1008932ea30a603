//! Tests of clusters with real servers, nodes and runs.

mod attempts;
mod auth;
mod chaos;
mod compared;
mod deleted;
mod faults;
mod library;
mod queue;
mod runs;
mod together;
mod waits;
