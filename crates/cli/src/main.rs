//! `runner`: see the crate `cli`.

fn main() {
    cli::main()
}
