//! Tests of the built `runner`: options, input, output, journal and user-defined programs.
//!
//! Tests of signals, limits, memory and time have separate binaries, so that fewer tests run concurrently
//! with them.

mod bad_input;
mod command_line;
mod each;
mod each_failures;
mod examples;
mod factor;
mod factor_streams;
mod failure_policy;
mod faults;
mod fifos;
mod files;
mod folder;
mod gcd;
mod journal;
mod journal_refusals;
mod large_results;
mod lines;
mod own_programs;
mod results;
mod standard_streams;
mod streaming;
mod textbook;
mod trace;
