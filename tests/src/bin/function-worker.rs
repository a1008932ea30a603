//! A worker program for functions. It serves before `main`, which is reached only if it is started by hand.

use end_to_end as _;

fn main() {
    eprintln!("this program is a worker for functions");
    std::process::exit(2);
}
