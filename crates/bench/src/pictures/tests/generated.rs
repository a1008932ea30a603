//! The fixture of the tests, and the generator of its file.

use crate::report::{
    CurvePoint, ExecutorName, Limit, Machine, Model, Report, Row, Side, Spread, StageTime, Sweep,
};

/// Returns a report with values as measured on two cores.
pub(crate) fn fixture() -> Report {
    serde_json::from_str(include_str!("../testdata/report.json")).unwrap()
}

/// Generates the values of the fixture: a job costs 55 ns in the parent and 35 ns in a worker.
struct Generator {
    state: u64,
}

impl Generator {
    /// Returns a pseudo-random number from 0 to 1; the sequence is the same in every run.
    fn random(&mut self) -> f64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 40) as f64 / (1_u64 << 24) as f64
    }

    /// Seven rounds around a value.
    fn spread(&mut self, middle: f64) -> Spread {
        let mut rounds: Vec<f64> =
            (0..7).map(|_| round(middle * (0.99 + 0.05 * self.random().powi(2)))).collect();
        let outliers = if self.random() > 0.85 {
            rounds[3] = round(middle * 1.25);
            vec![3]
        } else {
            Vec::new()
        };
        let mut sorted = rounds.clone();
        sorted.sort_by(f64::total_cmp);
        Spread { median: sorted[3], low: sorted[0], high: sorted[6], rounds, outliers }
    }

    fn row(
        &mut self,
        sweep: Sweep,
        executor: ExecutorName,
        workers: usize,
        (grain, cost): (f64, f64),
    ) -> Row {
        let ns_per_job = self.spread(cost);
        Row {
            sweep,
            executor,
            workers,
            grain_ns: grain,
            payload_bytes: 0,
            codec: "bincode".into(),
            transport: if executor == ExecutorName::Processes { "rings".into() } else { String::new() },
            batch: None,
            in_flight: None,
            jobs: (2e8 / grain).clamp(16.0, 1e6) as u64,
            speedup: round(grain / ns_per_job.median),
            suspect: false,
            ns_per_job,
            predicted_ns: (executor == ExecutorName::Processes).then(|| round(predicted(workers, grain))),
            stages: Vec::new(),
        }
    }

    fn grains(&mut self, rows: &mut Vec<Row>) {
        for grain in grains() {
            rows.push(self.row(Sweep::Grain, ExecutorName::Serial, 1, (grain, grain * 1.002 + 9.0)));
            rows.push(self.row(Sweep::Grain, ExecutorName::Threads, 2, (grain, grain * 0.503 + 130.0)));
            let mut row = self.row(Sweep::Grain, ExecutorName::Processes, 2, (grain, grain * 0.5015 + 100.0));
            row.stages = stages(grain);
            rows.push(row);
        }
    }

    fn workers(&mut self, rows: &mut Vec<Row>) {
        for grain in [300.0, 3e3, 1e6] {
            for workers in 1..=4 {
                let more = predicted(workers, grain) * (1.01 + 0.02 * workers.saturating_sub(2) as f64);
                rows.push(self.row(Sweep::Workers, ExecutorName::Processes, workers, (grain, more)));
            }
        }
    }

    fn batches(&mut self, rows: &mut Vec<Row>) {
        for grain in [100.0, 1e4] {
            for batch in [1, 4, 16, 64, 256, 1024, 4096] {
                let cost = 148.0 + grain * 0.5 + 5200.0 / batch as f64 + batch as f64 * 0.03;
                let mut row = self.row(Sweep::Batch, ExecutorName::Processes, 2, (grain, cost));
                row.batch = Some(batch);
                row.predicted_ns = None;
                rows.push(row);
            }
            rows.push(self.row(Sweep::Batch, ExecutorName::Processes, 2, (grain, 102.0 + grain * 0.5015)));
        }
    }

    fn codecs(&mut self, rows: &mut Vec<Row>) {
        for (codec, fixed, byte) in [("bincode", 118.0, 0.62), ("json", 410.0, 5.4), ("raw", 131.0, 0.47)] {
            for power in (4..=24).step_by(4) {
                let bytes = 1_u64 << power;
                // Large payloads do not fit into the caches.
                let byte = if power > 20 { byte * 1.6 } else { byte };
                let mut row =
                    self.row(Sweep::Codec, ExecutorName::Processes, 2, (100.0, fixed + byte * bytes as f64));
                row.payload_bytes = bytes;
                row.codec = codec.into();
                row.predicted_ns = None;
                rows.push(row);
            }
        }
    }

    fn transports(&mut self, rows: &mut Vec<Row>) {
        let mut add = |transport: &str, (grain, cost), in_flight| {
            let mut row = self.row(Sweep::Transport, ExecutorName::Processes, 2, (grain, cost));
            row.transport = transport.into();
            row.in_flight = in_flight;
            row.predicted_ns = None;
            rows.push(row);
        };
        for grain in [50.0, 1e3, 1e4, 1e5, 1e6] {
            for (transport, fixed) in [("rings", 18.0), ("channel", 85.0)] {
                add(transport, (grain, fixed + grain * 0.5015), None);
            }
        }
        for (transport, cost) in [("rings", 750.0), ("channel", 6e3)] {
            add(transport, (50.0, cost), Some(1));
        }
    }
}

/// Rounds to four digits, which is as precise as a measurement and keeps the file readable.
fn round(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap()
}

fn grains() -> impl Iterator<Item = f64> {
    (2..=7).flat_map(|power| [10_f64.powi(power), 3.0 * 10_f64.powi(power)]).chain([1e8])
}

/// Predicted time for a job: that of the parent or of the workers, whichever is slower. The parent shares the
/// cores with the workers.
fn predicted(workers: usize, grain: f64) -> f64 {
    let shared = (grain + 90.0) / workers.min(2) as f64 + 55.0;
    shared.max(55.0)
}

fn stages(grain: f64) -> Vec<StageTime> {
    let stage = |stage: &str, side, ns| StageTime { stage: stage.into(), side, ns };
    vec![
        stage("take", Side::Parent, 8.0),
        stage("encode", Side::Parent, 14.0),
        stage("send", Side::Parent, 7.0),
        stage("decode", Side::Worker, 13.0),
        stage("run", Side::Worker, grain),
        stage("encode outcome", Side::Worker, 15.0),
        stage("return", Side::Worker, 7.0),
        stage("decode outcome", Side::Parent, 17.0),
        stage("merge", Side::Parent, 9.0),
    ]
}

fn curve() -> Vec<CurvePoint> {
    let decades = (0..=60).map(|tenth| 10_f64.powf(2.0 + f64::from(tenth) / 10.0));
    let of_grain = |grain: f64, workers: usize| CurvePoint {
        grain_ns: round(grain),
        workers,
        speedup: round(grain / predicted(workers, grain)),
    };
    let two = decades.map(|grain| of_grain(grain, 2));
    let others =
        [300.0, 3e3, 1e6].into_iter().flat_map(|grain| [1, 2, 3, 4].map(|count| of_grain(grain, count)));
    two.chain(others).collect()
}

fn generate() -> Report {
    let mut generator = Generator { state: 7 };
    let mut rows = Vec::new();
    generator.grains(&mut rows);
    generator.workers(&mut rows);
    generator.batches(&mut rows);
    generator.codecs(&mut rows);
    generator.transports(&mut rows);
    let limits = [1e2, 1e3, 1e4, 1e5];
    Report {
        schema: 1,
        machine: Machine { processor: "Intel(R) Xeon(R) Processor".into(), cores: 2, load: [0.12, 2.35] },
        quick: false,
        rounds: 7,
        workers: 2,
        rows,
        model: Some(Model {
            parent_ns: 55.0,
            worker_ns: 35.0,
            parent_batch_ns: 20_000.0,
            worker_batch_ns: 8_000.0,
            idle_ns: 10.0,
            idle_batch_ns: 2_000.0,
            break_even_ns: 200.0,
            measured_break_even_ns: Some(200.0),
            limits: limits
                .map(|grain| Limit { grain_ns: grain, workers: round((grain + 35.0) / 55.0) })
                .to_vec(),
            curve: curve(),
            largest_error: Some(0.04),
        }),
    }
}

/// Serializes a report with one row per line, so that diffs are readable.
fn serialize(report: &Report) -> String {
    let bare = Report { rows: Vec::new(), ..report.clone() };
    let rows: Vec<String> = report.rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    let head = serde_json::to_string(&bare).unwrap();
    head.replace("\"rows\":[]", &format!("\n\"rows\":[\n{}\n]", rows.join(",\n"))) + "\n"
}

/// `BENCH_WRITE=1 cargo test -p runner-bench fixture` regenerates the file.
#[test]
fn the_fixture_is_up_to_date() {
    let text = serialize(&generate());
    if std::env::var_os("BENCH_WRITE").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pictures/testdata/report.json");
        std::fs::write(file, &text).unwrap();
        return;
    }
    assert_eq!(text, include_str!("../testdata/report.json"));
}
