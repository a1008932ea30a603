//! The built `runner`, started by itself: options, input, output, journal and programs of the user's own.
//!
//! Tests of signals, limits, memory and time have binaries of their own, in which fewer other tests run meanwhile.

mod bad_input;
mod command_line;
mod each;
mod examples;
mod factor;
mod factor_streams;
mod failure_policy;
mod faults;
mod files;
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
