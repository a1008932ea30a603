//! The picture of the time accounting: time for a job by stage.

use super::bars::{Bar, Bars, Family, Key};
use super::data;
use super::panel::{Panel, Sketch, Table};
use super::scale::drawable;
use super::units;
use crate::report::{ExecutorName, Report, Row, Side, StageTime, Sweep};

/// The panel, if the time of stages was measured.
pub(super) fn panel(report: &Report) -> Option<Panel> {
    let rows = rows(report);
    let keys = keys(&rows);
    let bars: Vec<Bar> = rows.iter().filter_map(|row| bar(row, &keys)).collect();
    if bars.is_empty() {
        return None;
    }
    let finding = finding(&rows, &keys, &bars);
    Some(Panel {
        name: "ledger",
        title: "Time for a job by stage".into(),
        finding,
        reading:
            "Each bar is the total time that parent and workers spend on a job, which is written at its \
                  right end. Its fields are the stages of the pipeline. Plain blue fields are stages of the \
                  parent, hatched orange ones are stages of a worker; the work itself is last."
                .into(),
        table: table(&rows, &keys),
        sketch: Sketch::Bars(Bars { keys, bars }),
    })
}

/// Note in place of the picture: processes ran, but the time of stages was not measured.
pub(super) fn missing(report: &Report) -> Option<&'static str> {
    let ran = !data::rows(report, Sweep::Grain, ExecutorName::Processes).is_empty();
    (ran && panel(report).is_none())
        .then_some("The time for a job by stage is not shown: this run did not measure the stages.")
}

fn rows(report: &Report) -> Vec<&Row> {
    let mut rows = data::rows(report, Sweep::Grain, ExecutorName::Processes);
    rows.retain(|row| row.stages.iter().any(|stage| drawable(stage.ns)));
    rows.sort_by(|one, other| one.grain_ns.total_cmp(&other.grain_ns));
    rows
}

/// All stages with a time in any row: the parent's, then the workers', then idle time, then the work itself.
fn keys(rows: &[&Row]) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for stage in rows.iter().flat_map(|row| &row.stages).filter(|stage| drawable(stage.ns)) {
        let key = Key { name: stage.stage.clone(), family: family(stage), side: stage.side };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_by_key(|key| key.family);
    keys
}

fn family(stage: &StageTime) -> Family {
    match stage.stage.to_lowercase().as_str() {
        "run" => Family::Work,
        "queue" | "wait" | "waiting" | "idle" => Family::Idle,
        _ if stage.side == Side::Parent => Family::Parent,
        _ => Family::Worker,
    }
}

/// Time of a stage in a row, in nanoseconds.
fn time(row: &Row, key: &Key) -> f64 {
    let same = |stage: &&StageTime| stage.stage == key.name && stage.side == key.side;
    row.stages.iter().filter(same).map(|stage| stage.ns).filter(|ns| drawable(*ns)).sum()
}

fn bar(row: &Row, keys: &[Key]) -> Option<Bar> {
    let parts: Vec<f64> = keys.iter().map(|key| time(row, key)).collect();
    (parts.iter().sum::<f64>() > 0.0).then(|| Bar { name: units::about(row.grain_ns), parts })
}

/// Share of the work itself in the total time, for the smallest and the largest jobs.
fn finding(rows: &[&Row], keys: &[Key], bars: &[Bar]) -> String {
    let Some(work) = keys.iter().position(|key| key.family == Family::Work) else { return String::new() };
    let part = |bar: &Bar| units::percent(bar.parts[work] / bar.parts.iter().sum::<f64>());
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return String::new() };
    let costliest = costliest(rows, keys);
    if bars.len() == 1 {
        return format!(
            "With jobs of {}, the work itself is {} of the time.{costliest}",
            first.name,
            part(first)
        );
    }
    format!(
        "With jobs of {}, the work itself is {} of the time; with jobs of {}, {}.{costliest}",
        first.name,
        part(first),
        last.name,
        part(last)
    )
}

/// The most expensive stage other than the work, for the smallest jobs.
fn costliest(rows: &[&Row], keys: &[Key]) -> String {
    let Some(row) = rows.first() else { return String::new() };
    let costs = keys.iter().filter(|key| !matches!(key.family, Family::Work | Family::Idle));
    let most = costs.max_by(|one, other| time(row, one).total_cmp(&time(row, other)));
    most.map_or_else(String::new, |key| {
        let side = match key.side {
            Side::Parent => "in the parent",
            Side::Worker => "in a worker",
        };
        format!(
            " The most expensive stage is \u{201c}{}\u{201d} {side}: {} for a job.",
            key.name,
            units::time(time(row, key))
        )
    })
}

/// One row for each grain, one column for each stage.
fn table(rows: &[&Row], keys: &[Key]) -> Table {
    let stage = |key: &Key| match key.side {
        Side::Parent => format!("{} (parent)", key.name),
        Side::Worker => format!("{} (worker)", key.name),
    };
    let mut head = vec!["work in a job".to_owned()];
    head.extend(keys.iter().map(stage));
    head.push("total".into());
    let cells = |row: &&Row| {
        let times = keys.iter().map(|key| time(row, key));
        let all = times.clone().sum();
        [row.grain_ns].into_iter().chain(times).chain([all]).map(units::time).collect()
    };
    Table { head, rows: rows.iter().map(cells).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    #[test]
    fn stages_of_the_parent_are_first_and_the_work_is_last() {
        let report = fixture();
        let keys = keys(&rows(&report));
        let families: Vec<_> = keys.iter().map(|key| key.family).collect();
        assert!(families.is_sorted());
        assert_eq!(families.first(), Some(&Family::Parent));
        assert_eq!(families.last(), Some(&Family::Work));
    }

    #[test]
    fn shares_are_of_the_total_time() {
        let report = fixture();
        let finding = panel(&report).unwrap().finding;
        assert!(finding.starts_with("With jobs of 100 ns, the work itself is 53 % of the time"), "{finding}");
    }

    #[test]
    fn a_report_without_stages_has_a_note() {
        let mut report = fixture();
        assert_eq!(missing(&report), None);
        for row in &mut report.rows {
            row.stages.clear();
        }
        assert!(panel(&report).is_none());
        assert!(missing(&report).is_some());
        report.rows.clear();
        assert_eq!(missing(&report), None);
    }
}
