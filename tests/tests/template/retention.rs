//! What remains of a stack, and that nothing of it blocks the next deployment under the same name.

use std::collections::BTreeSet;

use countersign::{domain::Provider, ledger::QUARANTINED_FOR};
use serde_json::{Value, json};

use super::template::{Parameters, Resource, Template};

/// Types whose resources have data that can't be created again.
const WITH_DATA: [&str; 6] = [
    "AWS::Logs::LogGroup",
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SecretsManager::Secret",
    "AWS::SQS::Queue",
];

/// A queue that has no data of its own: the jobs in it are items of the table.
const TRANSIENT: [&str; 1] = ["ArchiveQueue"];

/// Properties that give a resource its name in the account.
const NAMES: [&str; 6] = ["Name", "TableName", "BucketName", "QueueName", "LogGroupName", "TopicName"];

/// The conditions under which the stack makes its own table and archive.
const MADE: [&str; 2] = ["MakesTable", "MakesArchiveBucket"];

/// Parameters whose value AWS accepts in any form.
const WITHOUT_PATTERN: [&str; 1] = ["DownloadHosts"];

fn retained(template: &Template) -> impl Iterator<Item = Resource<'_>> {
    let resources = template.section("Resources").iter().map(|(id, value)| Resource { id, value });
    resources.filter(|resource| resource.value.get("DeletionPolicy").is_some())
}

#[test]
fn resources_with_data_are_retained_unless_their_creation_failed() {
    let template = Template::read();
    let with_data = WITH_DATA.into_iter().flat_map(|of| template.resources(of));
    for resource in with_data.filter(|resource| !TRANSIENT.contains(&resource.id)) {
        assert_eq!(resource.value["DeletionPolicy"], "RetainExceptOnCreate", "{}", resource.id);
        assert_eq!(resource.value["UpdateReplacePolicy"], "Retain", "{}", resource.id);
    }
}

#[test]
fn a_retained_resource_has_no_name_that_the_next_stack_would_want() {
    let template = Template::read();
    assert!(retained(&template).count() > 10);
    for resource in retained(&template) {
        let properties = resource.value["Properties"].as_object().expect("properties");
        for name in NAMES {
            // The id of the stack is another one for each stack of the same name.
            let is_free = properties.get(name).is_none_or(|name| name.to_string().contains("AWS::StackId"));
            assert!(is_free, "{} has the fixed name {}", resource.id, properties[name]);
        }
    }
}

#[test]
fn a_mistyped_parameter_is_refused_before_anything_is_created() {
    let template = Template::read();
    for (name, parameter) in template.section("Parameters") {
        let checked = ["AllowedValues", "AllowedPattern", "MinValue"].iter().any(|key| parameter.get(key).is_some());
        assert!(checked || WITHOUT_PATTERN.contains(&name.as_str()), "{name} takes anything");
        if parameter.get("AllowedPattern").is_some() {
            assert!(parameter["ConstraintDescription"] != Value::Null, "{name} doesn't say what it takes");
        }
    }
}

#[test]
fn an_object_of_the_archive_can_be_put_only_where_there_is_none() {
    let template = Template::read();
    let statements = template.resource("ArchiveBucketPolicy").property("/PolicyDocument/Statement");
    let mut statements = statements.as_array().expect("statements").iter();
    let deny = statements.find(|statement| statement["Sid"] == "NeverOverwritten").expect("the statement");
    assert_eq!(
        (&deny["Effect"], &deny["Principal"], &deny["Action"]),
        (&json!("Deny"), &json!("*"), &json!("s3:PutObject"))
    );
    // Parts of a multipart upload have no such header, and create no object.
    let expected = json!({"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}});
    assert_eq!(deny["Condition"], expected);
    assert_eq!(template.resolve(&deny["Resource"], &Parameters::default()), json!("ArchiveBucket.Arn/*"));
}

#[test]
fn nothing_in_the_temporary_bucket_is_locked_or_outlives_its_quarantine() {
    let template = Template::read();
    let bucket = template.resource("TemporaryBucket");
    let properties = bucket.value["Properties"].as_object().expect("properties");
    for property in ["ObjectLockEnabled", "ObjectLockConfiguration", "VersioningConfiguration"] {
        assert!(!properties.contains_key(property), "{property}");
    }
    let days = QUARANTINED_FOR.as_hours() / 24;
    let expected = json!({"Id": "everything", "Status": "Enabled", "ExpirationInDays": days});
    assert_eq!(bucket.property("/LifecycleConfiguration/Rules/0"), &expected);
    let kept = template.resource("ArchiveBucket").property("/LifecycleConfiguration").to_string();
    assert!(!kept.contains("Expiration"), "{kept}");
}

#[test]
fn only_archived_pdfs_are_moved_to_cold_storage_and_only_if_asked_for() {
    let template = Template::read();
    let rules = template.resource("ArchiveBucket").property("/LifecycleConfiguration/Rules");
    let moved = |parameters: &Parameters| -> Vec<(Value, Value)> {
        let rules = template.resolve(rules, parameters);
        let moving = rules.as_array().expect("rules").iter().filter(|rule| rule.get("Transitions").is_some());
        moving.map(|rule| (rule["Prefix"].clone(), rule["Transitions"][0]["TransitionInDays"].clone())).collect()
    };
    assert_eq!(moved(&Parameters::default()), []);
    let expected = Provider::ALL.map(|provider| (json!(format!("{provider}/")), json!("90")));
    assert_eq!(moved(&Parameters::default().with("ColdStorageDays", "90")), expected);
}

/// The names of parameters that adopt a table and a bucket.
fn adopting() -> Parameters {
    Parameters::default()
        .with("TableName", "restored")
        .with("TableStreamLabel", "2026-11-26T12:00:00.000")
        .with("ArchiveBucketName", "kept")
}

#[test]
fn an_adopted_table_and_bucket_replace_the_stacks_own_everywhere() {
    let template = Template::read();
    let mut found = BTreeSet::new();
    let sections = ["Resources", "Outputs"].into_iter().flat_map(|section| template.section(section));
    for (id, value) in
        sections.filter(|(_, value)| value.get("Condition").is_none_or(|name| !MADE.iter().any(|made| name == made)))
    {
        let resolved = template.resolve(value, &adopting()).to_string();
        for own in ["\"Table\"", "Table.Arn", "Table.StreamArn", "\"ArchiveBucket\"", "ArchiveBucket.Arn"] {
            assert!(!resolved.contains(own), "{id} still uses {own}");
        }
        for adopted in
            ["table/restored\"", "table/restored/index", "table/restored/stream/2026", ":::kept/", ":::kept\""]
        {
            if resolved.contains(adopted) {
                found.insert(adopted);
            }
        }
    }
    assert_eq!(found.len(), 5, "{found:?}");
    let resources = template.section("Resources");
    for (id, condition) in [("Table", MADE[0]), ("ArchiveBucket", MADE[1]), ("ArchiveBucketPolicy", MADE[1])] {
        assert_eq!(resources[id]["Condition"], condition);
    }
}
