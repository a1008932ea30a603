//! Checks that each row of the conformance table has a test or a reason, and each test a row.

use std::{collections::BTreeSet, fs, path::Path};

/// Returns the rows, and the rows or lettered facets that need a test, such as `map_06` and `map_06b`.
fn wanted(folder: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let table = fs::read_to_string(folder.join("conformance.tsv")).unwrap();
    let (mut rows, mut needed) = (BTreeSet::new(), BTreeSet::new());
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [row, kind, facets, _, reason @ ..] = &columns[..] else { panic!("too few columns: {line}") };
        assert!(["core", "policy", "option", "n/a"].contains(kind), "{line}");
        let row = row.to_lowercase().replace('-', "_");
        assert!(rows.insert(row.clone()), "duplicate row {row}");
        match reason {
            [] if facets.is_empty() => drop(needed.insert(row)),
            [] => needed.extend(facets.chars().map(|facet| format!("{row}{facet}"))),
            [reason] => {
                assert!(["option", "n/a"].contains(kind), "a core row needs a test: {row}");
                assert!(
                    reason.starts_with("not offered: ") || reason.starts_with("not applicable: "),
                    "{line}"
                );
            }
            _ => panic!("too many columns: {line}"),
        }
    }
    (rows, needed)
}

/// Returns the rows and facets with which the names of the tests start.
fn tested(folder: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(folder.join("tests")).unwrap().flatten();
    let ours = files.filter(|file| {
        let name = file.file_name().into_string().unwrap();
        name.starts_with("conformance_") && name != "conformance_rows.rs"
    });
    let texts = ours.map(|file| fs::read_to_string(file.path()).unwrap()).collect::<Vec<_>>();
    let after_attribute = texts.iter().flat_map(|text| text.split("#[test]\nfn ").skip(1));
    after_attribute.map(|test| test.split('_').take(2).collect::<Vec<_>>().join("_")).collect()
}

#[test]
fn every_row_has_its_tests_and_every_test_its_row() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ((rows, needed), tested) = (wanted(folder), tested(folder));
    // A row without facets may have several tests, which are then numbered by letters.
    let has_test = |id: &String| {
        tested.contains(id) || tested.iter().any(|test| test.trim_end_matches(char::is_alphabetic) == id)
    };
    let missing: Vec<&String> = needed.iter().filter(|id| !has_test(id)).collect();
    assert!(missing.is_empty(), "no test for {missing:?}");
    let strange: Vec<&String> =
        tested.iter().filter(|test| !rows.contains(test.trim_end_matches(char::is_alphabetic))).collect();
    assert!(strange.is_empty(), "no row for {strange:?}");
}
