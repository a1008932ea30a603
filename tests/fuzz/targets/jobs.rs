//! Input of `runner`: no text causes a panic, and the result does not depend on the size of reads.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cli::fuzz::check_input(bytes));
