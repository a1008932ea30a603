//! Tests of sandboxed workers and programs.

mod command_line;
mod gaps;
mod programs;
mod table;
mod threads;
mod work;
