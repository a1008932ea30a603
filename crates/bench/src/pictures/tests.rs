//! What holds for all pictures, the report that tests are made with, and where that comes from.

use std::collections::HashSet;

use proptest::prelude::*;

use super::{html, svg};
use crate::report::{
    ExecutorName, Limit, Machine, Model, Point, Report, Row, Side, Spread, StageTime, Sweep,
};

/// A report with figures as two cores give them.
pub(super) fn fixture() -> Report {
    serde_json::from_str(include_str!("testdata/report.json")).unwrap()
}

/// Makes the figures of the fixture: a job costs 55 ns in the parent and 35 ns in a worker.
struct Maker {
    state: u64,
}

impl Maker {
    /// From 0 to 1, the same every time.
    fn chance(&mut self) -> f64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 40) as f64 / (1_u64 << 24) as f64
    }

    /// Seven rounds around a figure.
    fn spread(&mut self, middle: f64) -> Spread {
        let mut rounds: Vec<f64> =
            (0..7).map(|_| round(middle * (0.99 + 0.05 * self.chance().powi(2)))).collect();
        let outliers = if self.chance() > 0.85 {
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
                // Large ones fall out of the caches.
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

/// Three digits are as good as a measurement gets, and files with them can be read.
fn round(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap()
}

fn grains() -> impl Iterator<Item = f64> {
    (2..=7).flat_map(|power| [10_f64.powi(power), 3.0 * 10_f64.powi(power)]).chain([1e8])
}

/// Whoever is slower decides: the parent, which runs beside the workers and takes time from them, or they.
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

fn curve() -> Vec<Point> {
    let decades = (0..=60).map(|tenth| 10_f64.powf(2.0 + f64::from(tenth) / 10.0));
    let of_grain = |grain: f64, workers: usize| Point {
        grain_ns: round(grain),
        workers,
        speedup: round(grain / predicted(workers, grain)),
    };
    let two = decades.map(|grain| of_grain(grain, 2));
    let others =
        [300.0, 3e3, 1e6].into_iter().flat_map(|grain| [1, 2, 3, 4].map(|count| of_grain(grain, count)));
    two.chain(others).collect()
}

fn made() -> Report {
    let mut maker = Maker { state: 7 };
    let mut rows = Vec::new();
    maker.grains(&mut rows);
    maker.workers(&mut rows);
    maker.batches(&mut rows);
    maker.codecs(&mut rows);
    maker.transports(&mut rows);
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

/// The file as it should be: a row to a line, so that changes can be read.
fn written(report: &Report) -> String {
    let bare = Report { rows: Vec::new(), ..report.clone() };
    let rows: Vec<String> = report.rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    let head = serde_json::to_string(&bare).unwrap();
    head.replace("\"rows\":[]", &format!("\n\"rows\":[\n{}\n]", rows.join(",\n"))) + "\n"
}

/// The fixture is what is made above. `BENCH_WRITE=1 cargo test -p bench fixture` writes it anew.
#[test]
fn the_fixture_is_what_is_made_here() {
    let text = written(&made());
    if std::env::var_os("BENCH_WRITE").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pictures/testdata/report.json");
        std::fs::write(file, &text).unwrap();
        return;
    }
    assert_eq!(text, include_str!("testdata/report.json"));
}

/// Writes the page and the pictures of a report, to be looked at:
/// `BENCH_LOOK=DIR cargo test -p bench look -- --ignored`, and `BENCH_REPORT=FILE` for a report of your own.
#[test]
#[ignore = "for looking at it"]
fn look() {
    let directory = std::path::PathBuf::from(std::env::var_os("BENCH_LOOK").unwrap());
    let report = std::env::var_os("BENCH_REPORT")
        .map_or_else(fixture, |file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap());
    std::fs::write(directory.join("report.html"), html(&report)).unwrap();
    for picture in svg(&report) {
        std::fs::write(directory.join(picture.name).with_extension("svg"), picture.svg).unwrap();
    }
}

/// What cannot be right in a text that readers or their programs are given.
fn no_figures(text: &str) -> Option<&str> {
    text.split(|letter: char| !letter.is_alphanumeric()).find(|word| ["NaN", "inf", "nan"].contains(word))
}

/// That a text is XML, that no two things in it have the same name, and that what is referred to is there.
fn well_formed(text: &str) -> Result<(), TestCaseError> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    let document = roxmltree::Document::parse_with_options(text, options)
        .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
    let mut names = HashSet::new();
    for name in document.descendants().filter_map(|node| node.attribute("id")) {
        prop_assert!(names.insert(name), "{} is there twice", name);
    }
    for fill in document.descendants().filter_map(|node| node.attribute("fill")) {
        let used = fill.strip_prefix("url(#").and_then(|rest| rest.strip_suffix(')'));
        prop_assert!(used.is_none_or(|name| names.contains(name)), "{} is nowhere", fill);
    }
    prop_assert_eq!(no_figures(text), None);
    Ok(())
}

#[test]
fn all_six_pictures_of_the_fixture_are_files_and_on_the_page() {
    let report = fixture();
    let pictures = svg(&report);
    let names: Vec<_> = pictures.iter().map(|picture| picture.name).collect();
    assert_eq!(names, ["speedup", "ledger", "workers", "batches", "codecs", "transports"]);
    for picture in &pictures {
        well_formed(&picture.svg).unwrap();
        assert!(!picture.svg.contains("var("), "a file knows no style sheet");
    }
    let page = html(&report);
    well_formed(&page).unwrap();
    assert_eq!(page.matches("<section").count(), 6);
    assert_eq!(page.matches("<svg").count(), 12, "each is there for large and for small screens");
}

#[test]
fn suspect_speedups_are_hollow_in_files_and_on_the_page() {
    let mut report = fixture();
    let hollow = |text: &str| text.matches("hollow: suspect").count();
    assert_eq!(hollow(&html(&report)), 0);
    for sweep in [Sweep::Grain, Sweep::Workers, Sweep::Transport, Sweep::Codec] {
        let row = report.rows.iter_mut().find(|row| row.sweep == sweep).unwrap();
        (row.suspect, row.speedup) = (true, 3.5);
    }
    let files = svg(&report);
    let marked: Vec<_> = files.iter().filter(|file| hollow(&file.svg) > 0).map(|file| file.name).collect();
    assert_eq!(marked, ["speedup", "workers", "transports"], "the others show times, not speedups");
    files.iter().for_each(|file| well_formed(&file.svg).unwrap());
    let page = html(&report);
    well_formed(&page).unwrap();
    assert_eq!(hollow(&page), 6, "each is there for large and for small screens");
    assert!(page.contains("Four rows of 97"), "{page}");
}

#[test]
fn a_page_loads_nothing() {
    let page = html(&fixture());
    let allowed = ["http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"];
    let rest = allowed.iter().fold(page, |page, name| page.replace(name, ""));
    for word in ["http:", "https:", "<script", "<link", "@import", "src=", "href="] {
        assert!(!rest.contains(word), "{word}");
    }
}

#[test]
fn an_empty_report_says_so() {
    let mut report = fixture();
    report.rows.clear();
    assert!(svg(&report).is_empty());
    let page = html(&report);
    well_formed(&page).unwrap();
    assert!(page.contains("This report holds no measurements."));
}

#[test]
fn sweeps_that_are_missing_are_left_out() {
    let mut report = fixture();
    report.rows.retain(|row| row.sweep == Sweep::Codec);
    report.model = None;
    let names: Vec<_> = svg(&report).iter().map(|picture| picture.name).collect();
    assert_eq!(names, ["codecs"]);
    well_formed(&html(&report)).unwrap();
}

/// Figures as they should be, and all others.
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
    let point =
        point.prop_map(|(grain_ns, workers, speedup)| Point { grain_ns, workers: workers as usize, speedup });
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

fn odd_report() -> impl Strategy<Value = Report> {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_report_holds_its_pictures_are_well_formed(report in odd_report()) {
        for picture in svg(&report) {
            well_formed(&picture.svg)?;
        }
        well_formed(&html(&report))?;
    }
}
