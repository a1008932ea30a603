//! Properties of all pictures and of the page.

mod arbitrary;
mod generated;

use std::collections::HashSet;

use proptest::prelude::*;

use self::arbitrary::odd_report;
pub(super) use self::generated::fixture;
use super::{html, svg};
use crate::report::Sweep;

/// Writes the page and the pictures of a report to a folder, for inspection: `BENCH_LOOK=DIR cargo test -p
/// bench write_pictures -- --ignored`. `BENCH_REPORT=FILE` replaces the fixture.
#[test]
#[ignore = "writes files for inspection"]
fn write_pictures() {
    let directory = std::path::PathBuf::from(std::env::var_os("BENCH_LOOK").unwrap());
    let report = std::env::var_os("BENCH_REPORT")
        .map_or_else(fixture, |file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap());
    std::fs::write(directory.join("report.html"), html(&report)).unwrap();
    for picture in svg(&report) {
        std::fs::write(directory.join(picture.name).with_extension("svg"), picture.svg).unwrap();
    }
}

/// Finds a value that is not a number or not finite in a text.
fn non_finite(text: &str) -> Option<&str> {
    text.split(|letter: char| !letter.is_alphanumeric()).find(|word| ["NaN", "inf", "nan"].contains(word))
}

/// Checks that a text is XML, that identifiers are unique, and that referenced patterns exist.
fn well_formed(text: &str) -> Result<(), TestCaseError> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    let document = roxmltree::Document::parse_with_options(text, options)
        .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
    let mut names = HashSet::new();
    for name in document.descendants().filter_map(|node| node.attribute("id")) {
        prop_assert!(names.insert(name), "{} is not unique", name);
    }
    for fill in document.descendants().filter_map(|node| node.attribute("fill")) {
        let used = fill.strip_prefix("url(#").and_then(|rest| rest.strip_suffix(')'));
        prop_assert!(used.is_none_or(|name| names.contains(name)), "{} is not defined", fill);
    }
    prop_assert_eq!(non_finite(text), None);
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
        assert!(!picture.svg.contains("var("), "a file has no style sheet");
    }
    let page = html(&report);
    well_formed(&page).unwrap();
    assert_eq!(page.matches("<section").count(), 6);
    assert_eq!(page.matches("<svg").count(), 12, "one for large and one for small screens");
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
    assert_eq!(marked, ["speedup", "workers", "transports"], "the other pictures show times, not speedups");
    files.iter().for_each(|file| well_formed(&file.svg).unwrap());
    let page = html(&report);
    well_formed(&page).unwrap();
    assert_eq!(hollow(&page), 6, "one for large and one for small screens");
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
fn an_empty_report_is_reported() {
    let mut report = fixture();
    report.rows.clear();
    assert!(svg(&report).is_empty());
    let page = html(&report);
    well_formed(&page).unwrap();
    assert!(page.contains("This report holds no measurements."));
}

#[test]
fn missing_sweeps_are_left_out() {
    let mut report = fixture();
    report.rows.retain(|row| row.sweep == Sweep::Codec);
    report.model = None;
    let names: Vec<_> = svg(&report).iter().map(|picture| picture.name).collect();
    assert_eq!(names, ["codecs"]);
    well_formed(&html(&report)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pictures_of_any_report_are_well_formed(report in odd_report()) {
        for picture in svg(&report) {
            well_formed(&picture.svg)?;
        }
        well_formed(&html(&report))?;
    }
}
