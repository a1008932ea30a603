//! The input of `runner`: no text is a surprise, and the size of reads changes nothing.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cli::fuzz::check_input(bytes));
