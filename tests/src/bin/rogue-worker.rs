//! A worker that goes wrong in a way of the test's choice.

fn main() {
    end_to_end::rogue::main()
}
