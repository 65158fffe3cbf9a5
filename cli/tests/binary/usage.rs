//! Wrong command lines: exit code 2, and nothing is done.

use crate::process::Data;

const MISTAKES: [&[&str]; 30] = [
    &["unheard-of"],
    &["--unheard-of"],
    &["timeline"],
    &["timeline", "quicklysign"],
    &["timeline", "another-service", "id"],
    &["timeline", "quicklysign", "id", "--kind", "pack"],
    &["documents", "--provider", "another-service"],
    &["documents", "--status", "updated"],
    &["documents", "--limit", "0"],
    &["documents", "--limit", "many"],
    &["trigger", "quicklysign"],
    &["trigger", "quicklysign", "document_updated", "--id", "not/an/id"],
    &["serve", "--port", "65536"],
    &["serve", "--forward-to", "ftp://example.com"],
    &["events", "--provider", "another-service"],
    &["events", "--follow", "--after", "1"],
    &["events", "--type", "document.unknown"],
    &["archive"],
    &["archive", "list", "--state", "lost"],
    &["quarantine"],
    &["quarantine", "show", "not-an-id"],
    &["quarantine", "list", "--limit", "0"],
    &["verify"],
    &["verify", "0190b6c8-0000-7000-8000-000000000000", "--all"],
    &["verify", "--since", "yesterday"],
    &["replay"],
    &["replay", "0190b6c8-0000-7000-8000-000000000000", "--provider", "signeasy"],
    &["forget", "quicklysign"],
    &["forget", "another-service", "id"],
    &["reconcile", "--stack", "prod"],
];

#[test]
fn a_wrong_command_line_is_an_error_and_does_nothing() {
    let data = Data::new();
    for arguments in MISTAKES {
        let ran = data.run(arguments);
        assert!(ran.code == Some(2) && ran.stdout.is_empty() && !ran.stderr.is_empty(), "{arguments:?}: {ran:?}");
        data.run(&[arguments, &["--json"]].concat()).assert_failed_json(2, "usage");
    }
    assert!(!data.path().join("data").exists());
}

#[test]
fn help_and_version_succeed() {
    let data = Data::new();
    for arguments in [&["--help"][..], &["--version"], &["help"], &["serve", "--help"], &["trigger", "--help"]] {
        let ran = data.run(arguments);
        assert!(ran.code == Some(0) && !ran.stdout.is_empty() && ran.stderr.is_empty(), "{arguments:?}: {ran:?}");
    }
    assert!(data.run(&["--version"]).stdout.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_unusable_data_folder_is_a_failure_not_a_usage_error() {
    let data = Data::new();
    std::fs::write(data.path().join("data"), "a file").unwrap();
    let ran = data.run(&["documents"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("data folder"), "{ran:?}");
    data.run(&["documents", "--json"]).assert_failed_json(1, "failed");
}
