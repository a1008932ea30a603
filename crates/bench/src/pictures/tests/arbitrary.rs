//! Strategies for reports with arbitrary values.

use proptest::prelude::*;

use crate::report::{
    CurvePoint, ExecutorName, Limit, Machine, Model, Report, Row, Side, Spread, StageTime, Sweep,
};

/// Generates plausible values, and all others.
fn odd() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.01..1e4,
        2 => (-12_i32..20).prop_map(|power| 10_f64.powi(power)),
        1 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE]),
    ]
}

fn odd_name() -> impl Strategy<Value = String> {
    "[<>&\"'a-e \u{0}\u{1f}\u{fffe}é]{0,30}"
}

fn odd_count() -> impl Strategy<Value = u64> {
    prop_oneof![0..6_u64, any::<u64>()]
}

fn odd_spread() -> impl Strategy<Value = Spread> {
    (odd(), odd(), odd()).prop_map(|(median, low, high)| Spread {
        median,
        low,
        high,
        rounds: vec![median, low],
        outliers: vec![9],
    })
}

fn odd_stage() -> impl Strategy<Value = StageTime> {
    let name = prop_oneof![odd_name(), Just("run".to_owned()), Just("queue".to_owned())];
    let side = prop::sample::select(vec![Side::Parent, Side::Worker]);
    (name, side, odd()).prop_map(|(stage, side, ns)| StageTime { stage, side, ns })
}

fn odd_row() -> impl Strategy<Value = Row> {
    let sweep = prop::sample::select(Sweep::ALL.to_vec());
    let executor = prop::sample::select(vec![
        ExecutorName::Serial,
        ExecutorName::Threads,
        ExecutorName::Processes,
        ExecutorName::Processes,
    ]);
    let names = (odd_name(), odd_name());
    let counts = (odd_count(), odd_count(), prop::option::of(odd_count()), prop::option::of(odd_count()));
    let place = (sweep, executor, odd(), names, counts);
    let speedup = (odd(), any::<bool>());
    let found = (odd_spread(), speedup, prop::option::of(odd()), prop::collection::vec(odd_stage(), 0..8));
    (place, found).prop_map(|(place, found)| {
        let (sweep, executor, grain_ns, (codec, transport), counts) = place;
        let (workers, payload_bytes, batch, in_flight) = counts;
        let (ns_per_job, (speedup, suspect), predicted_ns, stages) = found;
        let workers = workers as usize;
        let jobs = payload_bytes;
        Row {
            sweep,
            executor,
            workers,
            grain_ns,
            payload_bytes,
            codec,
            transport,
            batch,
            in_flight,
            jobs,
            ns_per_job,
            speedup,
            suspect,
            predicted_ns,
            stages,
        }
    })
}

fn odd_model() -> impl Strategy<Value = Model> {
    let limit = (odd(), odd()).prop_map(|(grain_ns, workers)| Limit { grain_ns, workers });
    let point = (odd(), odd_count(), odd());
    let point = point.prop_map(|(grain_ns, workers, speedup)| CurvePoint {
        grain_ns,
        workers: workers as usize,
        speedup,
    });
    let figures = (odd(), odd(), odd(), prop::option::of(odd()), prop::option::of(odd()));
    let lists = (prop::collection::vec(limit, 0..3), prop::collection::vec(point, 0..8));
    (figures, lists).prop_map(|(figures, (limits, curve))| {
        let (parent_ns, worker_ns, break_even_ns, measured_break_even_ns, largest_error) = figures;
        let [parent_batch_ns, worker_batch_ns, idle_ns, idle_batch_ns] =
            [parent_ns, worker_ns, parent_ns, worker_ns];
        Model {
            parent_ns,
            worker_ns,
            parent_batch_ns,
            worker_batch_ns,
            idle_ns,
            idle_batch_ns,
            break_even_ns,
            measured_break_even_ns,
            limits,
            curve,
            largest_error,
        }
    })
}

pub(super) fn odd_report() -> impl Strategy<Value = Report> {
    let machine = (odd_name(), odd_count(), odd(), odd());
    let parts =
        (any::<bool>(), odd_count(), prop::collection::vec(odd_row(), 0..30), prop::option::of(odd_model()));
    (machine, parts).prop_map(|((processor, cores, before, end), (quick, workers, rows, model))| Report {
        schema: 1,
        machine: Machine { processor, cores: cores as usize, load: [before, end] },
        quick,
        rounds: cores as usize,
        workers: workers as usize,
        rows,
        model,
    })
}
