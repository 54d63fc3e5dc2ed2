//! Metrics as text.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::family::{Family, Kind, Number, Sample};

/// What was read, for one request.
#[derive(Debug)]
struct Reading(Vec<Family>);

/// The text of all metrics. Those without a sample are left out.
pub(super) fn text(families: Vec<Family>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Reading(families)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().filter(|family| !family.samples.is_empty()).try_for_each(|family| one(&mut encoder, family))
    }
}

fn one(encoder: &mut DescriptorEncoder<'_>, family: &Family) -> fmt::Result {
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    // The encoder adds it to every counter.
    let name = family.name.strip_suffix("_total").unwrap_or(&family.name);
    let mut metric = encoder.encode_descriptor(name, &family.help, None, kind)?;
    for Sample { labels, number } in &family.samples {
        let mut sample = metric.encode_family(labels)?;
        match (family.kind, number) {
            (Kind::Counter, Number::Whole(count)) => sample.encode_counter::<NoLabelSet, _, u64>(count, None)?,
            (Kind::Counter, Number::Real(sum)) => sample.encode_counter::<NoLabelSet, _, u64>(sum, None)?,
            (_, Number::Whole(value)) => sample.encode_gauge(value)?,
            (_, Number::Real(value)) => sample.encode_gauge(value)?,
            (_, Number::Steps { steps, count, sum }) => {
                sample.encode_histogram::<NoLabelSet>(*sum, *count, &with_all(steps, *count), None)?;
            }
        }
    }
    Ok(())
}

/// The steps, and the open one at the end.
fn with_all(steps: &[(f64, u64)], count: u64) -> Vec<(f64, u64)> {
    let within: u64 = steps.iter().map(|(_, count)| count).sum();
    steps.iter().copied().chain([(f64::INFINITY, count.saturating_sub(within))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_prometheus() {
        let histogram = Number::Steps { steps: vec![(0.5, 2), (1.0, 3)], count: 6, sum: 4.5 };
        let labels = || vec![("subscription", "a\"b\\c\nd".to_owned())];
        let families = vec![
            Family::new("p_seen", "Seen.", Kind::Counter, vec![Sample::new(labels(), Number::Whole(7))]),
            Family::gauge("p_none", "Nothing.", Vec::new()),
            Family::gauge("p_now", "Now.", vec![Sample::new(Vec::new(), Number::Real(1.5))]),
            Family::new("p_time", "Time.", Kind::Histogram, vec![Sample::new(Vec::new(), histogram)]),
        ];
        assert_eq!(
            text(families).unwrap(),
            "# HELP p_seen_total Seen.\n# TYPE p_seen_total counter\np_seen_total{subscription=\"a\\\"b\\\\c\\nd\"} 7\n\
             # HELP p_now Now.\n# TYPE p_now gauge\np_now 1.5\n\
             # HELP p_time Time.\n# TYPE p_time histogram\np_time_bucket{le=\"0.5\"} 2\np_time_bucket{le=\"1\"} 5\n\
             p_time_bucket{le=\"+Inf\"} 6\np_time_sum 4.5\np_time_count 6\n"
        );
    }
}
