//! A report for unit tests.

use crate::report::{ExecutorName, Machine, Model, Report, Row, Spread, Sweep};

/// Returns a report with a few rows of every sweep. Processes break even between 100 ns and 1 us.
pub(crate) fn report() -> Report {
    let (serial, processes) = (ExecutorName::Serial, ExecutorName::Processes);
    let mut first = row(Sweep::Grain, serial, 100.0, 130.0);
    first.ns_per_job = Spread::of(vec![120.0, 130.0, 400.0, 125.0, 135.0]);
    first.speedup = 0.75;
    let mut fixed = row(Sweep::Batch, processes, 1e3, 640.0);
    (fixed.batch, fixed.predicted_ns) = (Some(10), Some(650.0));
    let mut heavy = row(Sweep::Codec, processes, 1e3, 5e7);
    heavy.payload_bytes = 16 << 20;
    let by_transport = |transport: &str, ns, in_flight| {
        let row = row(Sweep::Transport, processes, 50.0, ns);
        Row { transport: transport.to_owned(), in_flight, ..row }
    };
    let mut predicted = row(Sweep::Grain, processes, 1e3, 500.0);
    predicted.predicted_ns = Some(550.0);
    let rows = vec![
        first,
        row(Sweep::Grain, processes, 100.0, 200.0),
        row(Sweep::Grain, serial, 1e3, 1050.0),
        predicted,
        row(Sweep::Workers, processes, 1e3, 600.0),
        row(Sweep::Batch, processes, 1e3, 620.0),
        fixed,
        heavy,
        by_transport("rings", 40.0, None),
        by_transport("channel", 100.0, None),
        by_transport("rings", 1e3, Some(1)),
        by_transport("channel", 5e3, Some(1)),
    ];
    let machine = Machine { processor: "Abacus".to_owned(), cores: 2, load: [0.25, 1.5] };
    let model = Model {
        parent_ns: 80.0,
        worker_ns: 20.0,
        parent_batch_ns: 20_000.0,
        worker_batch_ns: 8_000.0,
        idle_ns: 10.0,
        idle_batch_ns: 2_000.0,
        break_even_ns: 110.0,
        measured_break_even_ns: Some(316.0),
        limits: Vec::new(),
        curve: Vec::new(),
        largest_error: Some(0.045),
    };
    Report { schema: 1, machine, quick: true, rounds: 5, workers: 2, rows, model: Some(model) }
}

fn row(sweep: Sweep, executor: ExecutorName, grain_ns: f64, ns: f64) -> Row {
    let is_processes = executor == ExecutorName::Processes;
    Row {
        sweep,
        executor,
        workers: if is_processes { 2 } else { 1 },
        grain_ns,
        payload_bytes: 0,
        codec: if is_processes { "bincode".to_owned() } else { String::new() },
        transport: if is_processes { "rings".to_owned() } else { String::new() },
        batch: None,
        in_flight: None,
        jobs: 1000,
        ns_per_job: Spread::of(vec![ns]),
        speedup: grain_ns / ns,
        suspect: false,
        predicted_ns: None,
        stages: Vec::new(),
    }
}
