//! The text format of Prometheus, version 0.0.4, which collectors of text files read.

use std::fmt::Write as _;

use super::histogram::Histogram;

/// Type of a metric.
#[derive(Clone, Copy, Debug)]
pub(super) enum MetricType {
    Counter,
    Gauge,
    Histogram,
}

/// Writer of metrics as text. Every sample has a label with the name of the run.
#[derive(Debug)]
pub(super) struct Exposition {
    text: String,
    run: String,
}

/// Names and values of labels.
type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    pub(super) fn new(run: &str) -> Exposition {
        Exposition { text: String::new(), run: run.to_owned() }
    }

    /// Begins a metric. Its samples follow.
    pub(super) fn metric(&mut self, name: &str, kind: MetricType, help: &str) {
        let kind = match kind {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
        };
        // Help texts are constants of this crate without backslashes and line breaks.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a metric with one sample.
    pub(super) fn single(&mut self, name: &str, kind: MetricType, help: &str, value: f64) {
        self.metric(name, kind, help);
        self.sample(name, &[], value);
    }

    pub(super) fn sample(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        let _ = write!(self.text, "{name}{{run=\"{}\"", escaped(&self.run));
        for (label, text) in labels {
            let _ = write!(self.text, ",{label}=\"{}\"", escaped(text));
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    /// Adds the samples of a histogram with one label.
    pub(super) fn histogram(&mut self, name: &str, (label, text): (&str, &str), histogram: &Histogram) {
        let bucket = format!("{name}_bucket");
        for (bound, count) in histogram.cumulative() {
            self.sample(&bucket, &[(label, text), ("le", &bound.to_string())], count as f64);
        }
        self.sample(&bucket, &[(label, text), ("le", "+Inf")], histogram.count() as f64);
        self.sample(&format!("{name}_sum"), &[(label, text)], histogram.sum());
        self.sample(&format!("{name}_count"), &[(label, text)], histogram.count() as f64);
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Escapes the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut exposition = Exposition::new("a\\b\"c\nd");
        exposition.single("x_total", MetricType::Counter, "Number of x.", 3.0);
        let expected = "# HELP x_total Number of x.\n# TYPE x_total counter\n\
                        x_total{run=\"a\\\\b\\\"c\\nd\"} 3\n";
        assert_eq!(exposition.into_text(), expected);
    }

    #[test]
    fn numbers_are_written_without_loss() {
        let mut exposition = Exposition::new("r");
        exposition.sample("x", &[("op", "sum")], (1u64 << 53) as f64);
        exposition.sample("x", &[], 0.000_01);
        assert_eq!(
            exposition.into_text(),
            "x{run=\"r\",op=\"sum\"} 9007199254740992\nx{run=\"r\"} 0.00001\n"
        );
    }

    #[test]
    fn a_histogram_ends_with_all_durations() {
        let (mut exposition, mut histogram) = (Exposition::new("r"), Histogram::default());
        histogram.add(Duration::from_millis(1_500));
        exposition.histogram("t_seconds", ("op", "sum"), &histogram);
        let text = exposition.into_text();
        assert!(text.contains("t_seconds_bucket{run=\"r\",op=\"sum\",le=\"1\"} 0\n"), "{text}");
        assert!(text.contains("t_seconds_bucket{run=\"r\",op=\"sum\",le=\"2.5\"} 1\n"), "{text}");
        let end = "t_seconds_bucket{run=\"r\",op=\"sum\",le=\"+Inf\"} 1\n\
                   t_seconds_sum{run=\"r\",op=\"sum\"} 1.5\nt_seconds_count{run=\"r\",op=\"sum\"} 1\n";
        assert!(text.ends_with(end), "{text}");
    }
}
