//! Permissions: each function's role allows exactly what the function calls.
//!
//! The calls are recorded, not listed: every function is started as deployed, with clients that record each call, and is
//! called with everything in `events/`, in every size, and more. A call that the role doesn't allow fails the test, and so
//! does an unused permission. To make sure that no call is missed, every SDK operation in the source must have been recorded.

mod calls;
mod recorder;
mod statements;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use self::{calls::record_calls, recorder::action_of, statements::statements};
use super::{
    functions::folders,
    template::{Parameters, Template, root},
};

pub use self::{
    calls::{HOUR, large_batch},
    recorder::{Call, Recorder},
    statements::{FOR_MISSING_OBJECTS, Statement, leading_keys_of, texts, unused},
};

/// Operations that no function calls: `countersign forget` lists every version of an object, and asks for its lock.
const BY_OPERATORS: [&str; 2] = ["ListObjectVersions", "GetObjectRetention"];

/// Every AWS SDK operation called in a folder of source code, by the SDK's name.
fn called_in_the_source(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            called_in_the_source(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source: String = std::fs::read_to_string(&path).expect("source").split_whitespace().collect();
            for client in [".dynamodb.", ".s3.", "client."] {
                for (start, _) in source.match_indices(client) {
                    let rest = &source[start + client.len()..];
                    let Some(end) = rest.find("()") else { continue };
                    let method = &rest[..end];
                    let is_name = method.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                    if is_name && method.contains('_') {
                        found.insert(method.split('_').map(|part| part[..1].to_uppercase() + &part[1..]).collect());
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_allow_exactly_what_functions_call() {
    let template = Template::read();
    let recorded = Box::pin(record_calls(&template)).await;
    let mut problems = Vec::new();
    for (function, calls) in &recorded {
        let statements = statements(&template, function);
        for call in calls {
            if !statements.iter().any(|statement| statement.allows(call)) {
                problems.push(format!("{function} may not do {call:?}"));
            }
        }
        problems.extend(unused(function, &statements, calls));
    }
    assert!(problems.is_empty(), "{problems:#?}");

    let seen: BTreeSet<&str> =
        recorded.values().flatten().filter_map(|call| Some(call.action.split_once(':')?.1)).collect();
    let mut in_source = BTreeSet::new();
    called_in_the_source(&root().join("shared/src"), &mut in_source);
    assert!(in_source.len() > 4, "{in_source:?}");
    let is_seen =
        |operation: &&String| seen.contains(action_of(operation)) || BY_OPERATORS.contains(&operation.as_str());
    let unseen: Vec<_> = in_source.iter().filter(|operation| !is_seen(operation)).collect();
    assert!(unseen.is_empty(), "{unseen:?} was never called in this test: its permissions can't be checked");
}

/// Otherwise S3 answers 403 to a GET of a missing object, as if the role had too few permissions.
#[test]
fn a_role_that_reads_objects_may_list_their_bucket() {
    let template = Template::read();
    let mut readers = 0;
    for role in template.resources("AWS::IAM::Role") {
        let resolved = template.resolve(role.property("/Policies/0/PolicyDocument/Statement"), &Parameters::default());
        let buckets = |action: &str| -> BTreeSet<String> {
            let all = resolved.as_array().expect("statements").iter();
            let allowing = all.filter(|statement| texts(&statement["Action"]).iter().any(|allowed| allowed == action));
            let resources = allowing.flat_map(|statement| texts(&statement["Resource"]));
            resources.map(|resource| resource.split('/').next().unwrap_or_default().to_owned()).collect()
        };
        assert!(buckets("s3:GetObject").is_subset(&buckets("s3:ListBucket")), "{}", role.id);
        readers += buckets("s3:GetObject").len();
    }
    assert_eq!(readers, 3, "Reconcile reads two buckets, FinalDocument one");
}

/// The trust policies: a service may assume a role only for this account's own pipe or schedule.
#[test]
fn roles_can_only_be_assumed_by_their_service() {
    let template = Template::read();
    let mut services = BTreeMap::new();
    for role in template.resources("AWS::IAM::Role") {
        let trust = role.property("/AssumeRolePolicyDocument/Statement/0");
        let service = trust["Principal"]["Service"].as_str().expect("a service");
        if service != "lambda.amazonaws.com" {
            assert!(trust["Condition"]["StringEquals"]["aws:SourceAccount"].is_object(), "{}", role.id);
            let arn = ["ArnEquals", "ArnLike"].map(|operator| &trust["Condition"][operator]["aws:SourceArn"]);
            assert!(arn.iter().any(|arn| arn.is_object()), "{}", role.id);
        }
        services.insert(role.id.to_owned(), service);
    }
    assert_eq!(services["ArchivePipeRole"], "pipes.amazonaws.com");
    assert_eq!(services["ScheduleRole"], "scheduler.amazonaws.com");
    assert_eq!(services["CodeDeployRole"], "codedeploy.amazonaws.com");
    for function in folders().keys() {
        assert_eq!(services[&format!("{function}Role")], "lambda.amazonaws.com");
    }
}
