//! A worker that violates the protocol in a way that the test selects.

fn main() {
    end_to_end::rogue::main()
}
