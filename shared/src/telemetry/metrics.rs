//! The list of metrics, and their form in a log line: CloudWatch's embedded metric format (EMF).
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use jiff::Timestamp;
use serde_json::{Value, json};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Countersign";

/// The dimension of every metric: the stack's name. It is also a key of every line.
pub const SERVICE: &str = "service";

/// The second dimension, for lines that name a provider. Their metrics are published with and without it; alarms watch
/// the ones without.
const PROVIDER: &str = "provider";

/// A metric's unit, as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A duration in seconds.
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

/// A metric that a log line may carry as the field `metric.<Name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The metric's name.
    pub name: &'static str,
    /// The metric's unit.
    pub unit: Unit,
}

const fn count(name: &'static str) -> Metric {
    Metric { name, unit: Unit::Count }
}

/// Every metric. `template.yaml` has an alarm for each one that requires an operator's action.
pub const METRICS: [Metric; 25] = [
    // Outcomes of callbacks.
    count("Recorded"),
    count("Duplicates"),
    count("Refused"),
    // 1 for a proven callback, 0 for a rejected one: its maximum says whether any callback was proven.
    count("Proven"),
    // Rejected requests with a valid path token, kept in quarantine.
    count("Quarantined"),
    // Rejected requests that could not be stored in quarantine.
    count("NotKept"),
    count("SetAside"),
    count("Unavailable"),
    // Spooled deliveries: stored in the bucket because DynamoDB was unavailable.
    count("LeftPending"),
    count("NotConfigured"),
    // Posts below /callbacks/ that no callback has the path of.
    count("CallbackPathsUnknown"),
    // Archiving.
    count("ArchivedDocuments"),
    count("BrokenPdfSignatures"),
    count("ArchivesFailed"),
    count("ArchivesBlocked"),
    count("ArchivesForeign"),
    // Events that were put on the bus, and changes that can't be turned into events.
    count("Published"),
    count("ChangesUnreadable"),
    // Measured by the sweep: values at a point in time, not sums.
    Metric { name: "OldestDueArchive", unit: Unit::Seconds },
    Metric { name: "OldestWaitingArchive", unit: Unit::Seconds },
    count("UnfinishedDeliveries"),
    // Missed callbacks: events that a provider's API reports but no callback delivered.
    count("MissedCallbacks"),
    // Services that couldn't be queried for missed callbacks, and those of them that need an operator.
    count("NotQueried"),
    count("ApiDenied"),
    // Days until the first of Legalesign's configured certificates expires.
    count("CertificateDaysLeft"),
];

/// The `_aws` member for a line with these metrics; `None` if none of the names is in [`METRICS`].
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
