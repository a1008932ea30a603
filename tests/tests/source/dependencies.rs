//! Dependencies between the crates of the workspace.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

use crate::{assert_none, root};

/// Allowed dependencies between crates of the workspace, by their names in `use`. Any other fails the test.
const ALLOWED: &[(&str, &[&str])] = &[
    ("job", &[]),
    ("job-macros", &[]),
    ("journal", &[]),
    ("numtheory", &[]),
    ("sched", &["job"]),
    ("sys", &["job"]),
    ("portable", &["job"]),
    ("sandbox", &["sys"]),
    ("wire", &["job", "portable", "sandbox", "sys"]),
    ("serve", &["job", "portable", "sandbox", "sys", "wire"]),
    ("pool", &["job", "job-macros", "portable", "sandbox", "sched", "serve", "sys", "wire"]),
    ("ops", &["job", "numtheory", "sandbox", "sys"]),
    ("trace", &["pool", "sys"]),
    ("console", &["sys"]),
    ("coreutils", &["console", "numtheory", "pool", "sys"]),
    ("bench", &["pool", "sys"]),
    ("cluster", &["pool", "sched", "wire"]),
    (
        "cli",
        &[
            "bench",
            "cluster",
            "console",
            "coreutils",
            "journal",
            "numtheory",
            "ops",
            "pool",
            "sandbox",
            "sys",
            "trace",
        ],
    ),
    ("worker", &["ops", "serve"]),
    ("peers", &["bench", "job", "numtheory", "ops", "pool", "sched", "wire"]),
    ("end-to-end", &["bench", "journal", "pool", "sys", "wire"]),
];

/// Dependencies of each crate of the workspace on others of it, those of its tests left out.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--locked", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let of_package = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let of_workspace = dependencies.filter(|one| one["path"].is_string() && one["kind"].is_null());
        of_workspace.map(|one| crate_name(&one["name"])).collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (crate_name(&package["name"]), of_package(package))).collect()
}

/// Name of a package without the prefix that makes it unique on a registry.
fn crate_name(package: &Value) -> String {
    match package.as_str().unwrap() {
        "runner-tool" => "cli".to_owned(),
        name => name.strip_prefix("runner-").unwrap_or(name).to_owned(),
    }
}

#[test]
fn crates_depend_only_on_what_the_table_allows() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let dependencies = dependencies();
    let mut complaints = Vec::new();
    for (name, used) in &dependencies {
        let Some(allowed) = allowed.get(name.as_str()) else {
            complaints.push(format!("{name} is not in the table"));
            continue;
        };
        let forbidden = used.iter().filter(|used| !allowed.contains(&used.as_str()));
        complaints.extend(forbidden.map(|used| format!("{name} depends on {used}")));
        let unused = allowed.iter().filter(|allowed| !used.iter().any(|used| used == *allowed));
        complaints.extend(unused.map(|unused| format!("{name} does not depend on {unused} any more")));
    }
    let gone = ALLOWED.iter().filter(|(name, _)| !dependencies.contains_key(*name));
    complaints.extend(gone.map(|(name, _)| format!("there is no crate {name}")));
    assert_none("dependencies that the table in this file does not have", &complaints);
}
