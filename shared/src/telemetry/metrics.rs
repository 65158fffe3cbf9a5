//! The metrics, and how a log line carries them: CloudWatch's embedded metric format.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use jiff::Timestamp;
use serde_json::{Value, json};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Countersign";

/// The dimension that every metric has: the stack. It is a key of every line as well.
pub const SERVICE: &str = "service";

/// The dimension by which a metric is kept apart where its line names a provider. Alarms watch the sum of all.
const PROVIDER: &str = "provider";

/// A metric's unit, as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// So many.
    Count,
    /// A time.
    Seconds,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
        }
    }
}

/// A metric that lines may carry as `metric.<Name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
}

const fn count(name: &'static str) -> Metric {
    Metric { name, unit: Unit::Count }
}

/// Every metric. `template.yaml` has an alarm for each that somebody has to act on.
pub const METRICS: [Metric; 17] = [
    // What became of callbacks.
    count("Recorded"),
    count("Duplicates"),
    count("Refused"),
    // Refused with a right path token.
    count("Quarantined"),
    // Refused, and couldn't even be kept.
    count("NotKept"),
    count("SetAside"),
    count("Unavailable"),
    // Waits in the bucket, for DynamoDB couldn't take it.
    count("LeftPending"),
    count("NotConfigured"),
    // Archiving.
    count("ArchivedDocuments"),
    count("ArchivesFailed"),
    count("ArchivesBlocked"),
    count("ArchivesForeign"),
    // What the sweep sees: a measure at a time, not a sum.
    Metric { name: "OldestDueArchive", unit: Unit::Seconds },
    count("UnfinishedDeliveries"),
    // What a provider's API told that no callback had.
    count("MissedCallbacks"),
    // The least of Legalesign's configured certificates, in days.
    count("CertificateDaysLeft"),
];

/// The member `_aws` of a line with these metrics; `None` when none of them is one of [`METRICS`].
pub(super) fn directive<'a>(
    names: impl Iterator<Item = &'a str>,
    has_provider: bool,
    at: Timestamp,
) -> Option<(&'static str, Value)> {
    let metrics: Vec<Value> = names
        .filter_map(|name| METRICS.iter().find(|metric| metric.name == name))
        .map(|metric| json!({"Name": metric.name, "Unit": metric.unit.as_str()}))
        .collect();
    if metrics.is_empty() {
        return None;
    }
    let dimensions = if has_provider { json!([[SERVICE], [SERVICE, PROVIDER]]) } else { json!([[SERVICE]]) };
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics});
    Some(("_aws", json!({"Timestamp": at.as_millisecond(), "CloudWatchMetrics": [directive]})))
}

/// Whether a line names a provider.
pub(super) fn names_provider(key: &str, value: &Value) -> bool {
    key == PROVIDER && value.is_string()
}
