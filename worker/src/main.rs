//! A worker for the built-in jobs and nothing else: for `runner --worker-bin`, and for tests, whose own binaries
//! cannot be workers.

fn main() {
    serve::serve_as_worker::<builtin::Builtin>()
}
