//! The policies for people and deployments in `docs/permissions.md`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    permissions::texts,
    template::{Parameters, Template, root},
};

/// Placeholders that aren't outputs of the stack.
const PLACEHOLDERS: [&str; 4] = ["account", "region", "stack", "boundary"];

/// IAM's names of services whose resource types have another one.
const SERVICES: [(&str, &str); 2] = [("ApiGatewayV2", "apigateway"), ("Serverless", "lambda")];

/// The statements of the policy in a section of `docs/permissions.md`.
fn policy(heading: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(root().join("docs/permissions.md")).expect("docs/permissions.md");
    let (_, section) = text.split_once(&format!("## {heading}\n")).expect("the heading");
    let (_, block) = section.split_once("```json").expect("a policy");
    let policy: Value = serde_json::from_str(block.split("```").next().unwrap_or_default()).expect("JSON");
    policy["Statement"].as_array().expect("statements").clone()
}

/// The actions that the statements allow, as patterns.
fn allowed(statements: &[Value]) -> Vec<String> {
    let allowing = statements.iter().filter(|statement| statement["Effect"] == "Allow");
    allowing.flat_map(|statement| texts(&statement["Action"])).collect()
}

/// Whether a name matches a pattern with any number of asterisks.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).any(|skipped| name.get(skipped..).is_some_and(|name| matches(rest, name)))
        }),
    }
}

#[test]
fn every_role_has_the_boundary_and_every_action_of_a_role_is_within_the_one_in_the_docs() {
    let template = Template::read();
    let boundary = allowed(&policy("Permissions boundary"));
    let given = || Parameters::default().with("PermissionsBoundary", "boundary").with("KmsKeyArn", "key");
    let mut actions = BTreeSet::new();
    for role in template.resources("AWS::IAM::Role") {
        let resolved = template.resolve(&role.value["Properties"], &given());
        assert_eq!(resolved["PermissionsBoundary"], "boundary", "{}", role.id);
        let default = template.resolve(&role.value["Properties"], &Parameters::default());
        assert!(default["PermissionsBoundary"].is_null(), "{}", role.id);
        let own = resolved["Policies"].as_array().into_iter().flatten().map(|policy| policy["PolicyDocument"].clone());
        let shared = resolved["ManagedPolicyArns"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let shared = shared.map(|name| template.resolve(template.resource(name).property("/PolicyDocument"), &given()));
        for document in own.chain(shared) {
            for statement in document["Statement"].as_array().expect("statements") {
                actions.extend(texts(&statement["Action"]));
            }
        }
    }
    let outside: Vec<_> =
        actions.iter().filter(|action| !boundary.iter().any(|pattern| matches(pattern, action))).collect();
    assert!(outside.is_empty(), "{outside:?}");
    let unused: Vec<_> =
        boundary.iter().filter(|pattern| !actions.iter().any(|action| matches(pattern, action))).collect();
    assert!(unused.is_empty(), "no role does {unused:?}");
}

#[test]
fn the_deployers_policy_has_every_service_of_the_template() {
    let actions = allowed(&policy("To deploy"));
    let template = Template::read();
    for (id, resource) in template.section("Resources") {
        let service = resource["Type"].as_str().and_then(|name| name.split("::").nth(1)).expect("a service");
        let renamed = SERVICES.iter().find(|(name, _)| *name == service);
        let service = renamed.map_or_else(|| service.to_lowercase(), |(_, name)| (*name).to_owned());
        // Only with a parameter that isn't set by default; the text below the policy has its actions.
        if service != "route53" {
            assert!(actions.iter().any(|action| action.starts_with(&format!("{service}:"))), "{id}: {service}");
        }
    }
    // SAM makes a deployment group for each function.
    assert!(actions.iter().any(|action| action == "codedeploy:*"));
    assert!(!actions.iter().any(|action| action == "*" || action == "iam:*"), "{actions:?}");
}

#[test]
fn a_deployer_can_give_roles_to_the_services_that_have_one_and_to_no_other() {
    let template = Template::read();
    let roles = template.resources("AWS::IAM::Role");
    let services: BTreeSet<String> = roles
        .flat_map(|role| texts(role.property("/AssumeRolePolicyDocument/Statement/0/Principal/Service")))
        .collect();
    let statements = policy("To deploy");
    let pass = statements.iter().find(|statement| statement["Action"] == "iam:PassRole").expect("a statement");
    let allowed = texts(&pass["Condition"]["StringEquals"]["iam:PassedToService"]);
    assert_eq!(allowed.into_iter().collect::<BTreeSet<_>>(), services);
}

#[test]
fn a_deployer_can_create_roles_only_within_the_boundary() {
    let statements = policy("To deploy");
    for action in ["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary"] {
        for statement in statements.iter().filter(|statement| statement["Effect"] == "Allow") {
            if texts(&statement["Action"]).iter().any(|pattern| matches(pattern, action)) {
                assert_eq!(statement["Condition"]["StringEquals"]["iam:PermissionsBoundary"], "<boundary>", "{action}");
            }
        }
    }
}

#[test]
fn every_placeholder_is_an_output_or_explained() {
    let template = Template::read();
    let outputs = template.section("Outputs");
    let text = std::fs::read_to_string(root().join("docs/permissions.md")).expect("docs/permissions.md");
    let names: Vec<&str> = text.split('<').skip(1).filter_map(|part| Some(part.split_once('>')?.0)).collect();
    assert!(names.len() > 20);
    for name in names {
        assert!(PLACEHOLDERS.contains(&name) || outputs.contains_key(name), "<{name}>");
    }
}

/// The commands in the docs that invoke a function, with the page that each is on.
pub fn invocations() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("docs")).expect("docs") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = std::fs::read_to_string(&path).expect("a page").replace("\\\n", " ");
            let lines = text.lines().filter(|line| line.contains("$ aws lambda invoke "));
            found.extend(lines.map(|line| (path.display().to_string(), line.to_owned())));
        }
    }
    assert!(found.len() > 2, "{found:?}");
    found
}

/// The AWS CLI waits for 60 seconds, and then calls again.
#[test]
fn no_command_in_the_docs_starts_a_function_again_after_sixty_seconds() {
    for (page, line) in invocations() {
        let is_safe = line.contains("--invocation-type Event") || line.contains("--cli-read-timeout");
        assert!(is_safe, "{page}: {line}");
    }
}
