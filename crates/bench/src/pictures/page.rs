//! The HTML page: the summary, then one section for each picture.
//!
//! The page is also well-formed XML, which the tests use.

use std::fmt::Write;

use super::draw::{Format, escaped};
use super::ledger;
use super::palette;
use super::panel::{Panel, Table};
use super::scale::drawable;
use super::summary;
use super::units;
use crate::report::Report;

/// Load average above which the values may be affected by other programs.
const BUSY_LOAD: f64 = 0.5;

const STYLE: &str = include_str!("style.css");

/// Renders the page.
pub(super) fn page(report: &Report, panels: &[Panel]) -> String {
    let mut body = head(report, panels.is_empty());
    for panel in panels {
        body += &section(panel);
        // In the place of the picture, which is after the first one.
        if panel.name == "speedup" {
            body += &missing(report);
        }
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n\
         <meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>Cost of worker processes</title>\n\
         <style>\n{}{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        palette::rules()
    )
}

/// Escapes prose, with a no-break space between a number and its unit.
fn prose(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        let unit = letters.peek().is_some_and(|next| next.is_alphabetic() || *next == '%');
        kept.push(if letter == ' ' && before.is_ascii_digit() && unit { '\u{a0}' } else { letter });
        before = letter;
    }
    escaped(&kept)
}

fn head(report: &Report, empty: bool) -> String {
    let summary = if empty {
        "This report holds no measurements.".into()
    } else {
        summary::sentence(report).unwrap_or_else(|| "This report shows the measurements.".into())
    };
    let mut out = format!(
        "<header>\n<h1>Cost of worker processes</h1>\n<p class=\"answer\">{}</p>\n<dl>\n",
        prose(&summary)
    );
    for (name, value) in facts(report) {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", prose(&value));
    }
    out += "</dl>\n";
    for note in notes(report) {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", prose(&note));
    }
    out + "</header>\n"
}

/// Names and values of the conditions of the measurement and of the cost of a job.
fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let machine = &report.machine;
    let mut facts = Vec::new();
    if !machine.processor.is_empty() {
        facts.push(("processor", machine.processor.clone()));
    }
    facts.push(("cores", machine.cores.to_string()));
    facts.push(("workers", report.workers.to_string()));
    let rounds =
        if report.quick { format!("{}, quick run", report.rounds) } else { report.rounds.to_string() };
    facts.push(("rounds", rounds));
    let [before, end] = machine.load.map(|load| units::figure(load, 2));
    facts.push(("load before and at the end", format!("{before}, {end}")));
    if let Some(model) = &report.model {
        let (parent, worker) = (units::time(model.parent_ns), units::time(model.worker_ns));
        facts.push((
            "cost of a job in addition to its work",
            format!("{parent} in the parent, {worker} in a worker"),
        ));
        if let Some(error) = model.largest_error.filter(|error| error.is_finite()) {
            facts.push(("largest error of the model", units::percent(error)));
        }
    }
    facts
}

/// Warnings about the quality of the measurement.
fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let [before, end] = report.machine.load;
    if drawable(before) && before > BUSY_LOAD {
        notes.push(format!(
            "The machine was busy: the load average in the minute before the run was {}, so values may be \
             worse than on an idle machine.",
            units::figure(before, 2)
        ));
    }
    // At the end the load includes the workers and the parent of the sweep.
    let own =
        report.rows.iter().map(|row| row.workers).chain([report.workers]).max().unwrap_or(0) as f64 + 1.0;
    if drawable(end) && end > own + BUSY_LOAD {
        notes.push(format!(
            "The machine was busy at the end: the load average was {}, more than the sweep itself causes.",
            units::figure(end, 2)
        ));
    }
    notes.extend(suspects(report));
    if report.quick {
        notes.push(
            "This was a quick run with few points and short runs. Values are more precise without --quick."
                .into(),
        );
    }
    notes
}

/// Warning about suspect rows, if there are any.
fn suspects(report: &Report) -> Option<String> {
    let count = report.rows.iter().filter(|row| row.suspect).count();
    let (rows, are) = if count == 1 { ("row", "is") } else { ("rows", "are") };
    (count > 0).then(|| {
        format!(
            "{} {rows} of {} {are} suspect: the speedup is more than workers and cores allow, also when \
             measured again, because something else slowed the plain loop down. Suspect speedups are hollow \
             in the pictures, have a * in the tables, and are ignored by the summary and the model.",
            units::sentence(&units::word(count)),
            report.rows.len()
        )
    })
}

fn missing(report: &Report) -> String {
    ledger::missing(report)
        .map_or_else(String::new, |text| format!("<p class=\"missing\">{}</p>\n", prose(text)))
}

fn section(panel: &Panel) -> String {
    let draw = |format: Format| panel.sketch.draw(format, panel.name).part(&panel.title);
    let finding = if panel.finding.is_empty() {
        String::new()
    } else {
        format!("<p class=\"finding\">{}</p>\n", prose(&panel.finding))
    };
    format!(
        "<section id=\"{}\">\n<h2>{}</h2>\n{finding}<figure>\n{}{}<figcaption>{}</figcaption>\n</figure>\n\
         {}</section>\n",
        panel.name,
        escaped(&panel.title),
        draw(Format::WIDE),
        draw(Format::NARROW),
        prose(&panel.reading),
        table(&panel.table)
    )
}

fn table(table: &Table) -> String {
    let mut out = String::from(
        "<details>\n<summary>Table of values</summary>\n<div class=\"table\">\n<table>\n<thead><tr>",
    );
    for cell in &table.head {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escaped(cell));
    }
    out += "</tr></thead>\n<tbody>\n";
    for row in &table.rows {
        out += "<tr>";
        for cell in row {
            let _ = write!(out, "<td>{}</td>", escaped(cell));
        }
        out += "</tr>\n";
    }
    out + "</tbody>\n</table>\n</div>\n</details>\n"
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    #[test]
    fn a_busy_machine_is_reported() {
        let mut report = fixture();
        assert_eq!(notes(&report), [""; 0]);
        report.machine.load = [0.8, 2.0];
        assert!(
            notes(&report)[0]
                .starts_with("The machine was busy: the load average in the minute before the run was 0.8,")
        );
        report.machine.load = [0.1, 7.0];
        assert!(notes(&report)[0].contains("at the end"));
        report.machine.load = [f64::NAN, f64::INFINITY];
        report.quick = true;
        assert_eq!(notes(&report).len(), 1, "an invalid load gives no warning, a quick run gives one");
    }

    #[test]
    fn suspect_rows_are_counted() {
        let mut report = fixture();
        report.rows[1].suspect = true;
        assert!(notes(&report)[0].starts_with("One row of 97 is suspect"), "{:?}", notes(&report));
        report.rows.iter_mut().for_each(|row| row.suspect = true);
        assert!(notes(&report)[0].starts_with("97 rows of 97 are suspect"), "{:?}", notes(&report));
    }

    #[test]
    fn numbers_stay_with_their_units() {
        assert_eq!(prose("200 ns, 4 %, 2 and < 5"), "200\u{a0}ns, 4\u{a0}%, 2\u{a0}and &lt; 5");
    }

    #[test]
    fn the_style_sheet_loads_nothing_and_is_valid_in_xml() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        assert!(!STYLE.contains(['<', '&']));
    }
}
