//! A worker for [`Probe`](end_to_end::probe::Probe) jobs: a test's own binary cannot be one.

fn main() {
    pool::serve_as_worker::<end_to_end::probe::Probe>()
}
