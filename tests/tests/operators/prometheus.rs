//! A strict reader of Prometheus' text format, version 0.0.4.

use std::collections::BTreeMap;

/// Name and labels of a sample.
type Key = (String, BTreeMap<String, String>);

/// The samples of a text.
#[derive(Debug)]
pub(crate) struct Samples(BTreeMap<Key, f64>);

impl Samples {
    /// Reads a text.
    ///
    /// # Panics
    /// If it violates the format, or the conventions for names of counters.
    pub(crate) fn parse(text: &str) -> Samples {
        assert!(text.ends_with('\n'), "the last line is incomplete: {text:?}");
        let mut samples = Samples(BTreeMap::new());
        let (mut seen, mut current) = (Vec::new(), None);
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a help text");
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(!seen.contains(&name), "{name} appears twice");
                seen.push(name);
                let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")));
                let kind = kind.unwrap_or_else(|| panic!("no type of {name}"));
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
                current = Some((name, kind));
                continue;
            }
            let (family, kind) = current.expect("a sample after its type");
            let (key, value) = sample(line);
            let suffix = key.0.strip_prefix(family).unwrap_or_else(|| panic!("{line} follows {family}"));
            let is_expected = match kind {
                "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
                _ => suffix.is_empty(),
            };
            assert!(is_expected && (kind == "gauge" || value >= 0.0), "{line}");
            assert!(samples.0.insert(key, value).is_none(), "{line} appears twice");
        }
        samples.check_histograms();
        samples
    }

    /// Returns the value of a sample, given all its labels in any order except `run`.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let is_label = |(name, text): (&String, &String)| {
            name == "run" || labels.iter().any(|&(label, value)| label == name && value == text)
        };
        let matches =
            |key: &Key| key.0 == name && key.1.len() == labels.len() + 1 && key.1.iter().all(is_label);
        self.0.iter().find(|(key, _)| matches(key)).map(|(_, &value)| value)
    }

    /// Returns the values of the label `run`, each once.
    pub(crate) fn runs(&self) -> Vec<&str> {
        let mut runs: Vec<&str> = self.0.keys().map(|(_, labels)| labels["run"].as_str()).collect();
        runs.dedup();
        runs
    }

    /// Checks that buckets are cumulative and complete.
    fn check_histograms(&self) {
        let mut histograms: BTreeMap<Key, Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), &value) in &self.0 {
            if let (Some(name), Some(bound)) = (name.strip_suffix("_bucket"), labels.get("le")) {
                let labels = labels.iter().filter(|(label, _)| *label != "le");
                let labels = labels.map(|(label, text)| (label.clone(), text.clone())).collect();
                let bound = bound.replace("+Inf", "inf").parse().expect("a bound");
                histograms.entry((name.to_owned(), labels)).or_default().push((bound, value));
            }
        }
        for ((name, labels), mut buckets) in histograms {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{name}");
            let (bound, count) = *buckets.last().unwrap();
            assert!(bound.is_infinite(), "{name} has no last bucket");
            assert_eq!(self.0.get(&(format!("{name}_count"), labels.clone())), Some(&count));
            assert!(self.0.contains_key(&(format!("{name}_sum"), labels)));
        }
    }
}

/// Reads a line of the form `name{label="text",...} value`.
fn sample(line: &str) -> (Key, f64) {
    let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("no labels: {line}"));
    assert!(is_name(name), "{line}");
    let (mut labels, mut rest) = (BTreeMap::new(), rest);
    loop {
        let (label, quoted) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        assert!(is_name(label) && !label.contains(':'), "{line}");
        let (text, after) = unquoted(quoted);
        assert!(labels.insert(label.to_owned(), text).is_none(), "{line}");
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => {
                let value = after.strip_prefix("} ").unwrap_or_else(|| panic!("no value: {line}"));
                return ((name.to_owned(), labels), value.parse().expect(line));
            }
        }
    }
}

/// Reads the text of a label up to its closing quote; returns it and the rest of the line.
fn unquoted(quoted: &str) -> (String, &str) {
    let (mut text, mut letters) = (String::new(), quoted.char_indices());
    while let Some((index, letter)) = letters.next() {
        match letter {
            '"' => return (text, &quoted[index + 1..]),
            '\\' => text.push(match letters.next() {
                Some((_, 'n')) => '\n',
                Some((_, escaped @ ('\\' | '"'))) => escaped,
                other => panic!("an unknown escape sequence: {other:?}"),
            }),
            _ => text.push(letter),
        }
    }
    panic!("no closing quote: {quoted}")
}

fn is_name(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':');
    name.starts_with(|first: char| is_letter(first) && !first.is_ascii_digit()) && name.chars().all(is_letter)
}
