//! Commands on a deployed stack. In place of AWS there are the local stack's DynamoDB and S3, configured through the SDK's
//! environment variables, and stand-ins for CloudFormation and Secrets Manager.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
};

use serde_json::{Value, json};

use crate::process::{Data, Ran, Serve, assert_keys, post};

/// The options that name the local stack's table and buckets.
const NAMED: [&str; 6] =
    ["--table", "countersign", "--bucket", "countersign-archive", "--temporary-bucket", "countersign-temporary"];

/// A webhook token of SignEasy that isn't among the secrets yet.
const NEW_TOKEN: &str = "the-token-that-was-just-changed";

/// Parameters in the stack's description.
const PARAMETERS: [(&str, &str); 4] = [
    ("SigneasyTokenPolicy", "required"),
    ("LegalesignRealtimeProof", "token"),
    ("QuicklysignSubscriptions", "note"),
    ("DownloadHosts", ""),
];

/// A local stack that stands in for a deployed one.
struct Deployed {
    data: Data,
    _serve: Serve,
    signeasy_url: String,
    environment: Vec<(String, String)>,
}

impl Deployed {
    fn start() -> Self {
        Self::start_as(env!("CARGO_PKG_VERSION"))
    }

    /// A stack that runs this version.
    fn start_as(version: &str) -> Self {
        let data = Data::new();
        let serve = data.serve(&[]);
        let endpoints: Value = serde_json::from_slice(&fs::read(data.file("endpoints.json")).unwrap()).unwrap();
        let text = |name: &str| endpoints[name].as_str().unwrap().to_owned();
        let environment = [
            ("AWS_ENDPOINT_URL_CLOUDFORMATION", cloudformation(&text, version)),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets_manager(data.file("secrets"))),
            ("AWS_ENDPOINT_URL_DYNAMODB", text("dynamodb")),
            ("AWS_ENDPOINT_URL_S3", text("s3")),
            ("AWS_S3_FORCE_PATH_STYLE", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", text("access_key_id")),
            ("AWS_SECRET_ACCESS_KEY", text("secret_access_key")),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
        Self { signeasy_url: serve.callback_url("/callbacks/signeasy"), data, _serve: serve, environment }
    }

    /// Runs a command with these options on the deployed stack, without a data folder.
    fn run_with(&self, arguments: &[&str], options: &[&str]) -> Ran {
        let mut command = self.data.command_without_data(&[arguments, options, &["--region", "eu-west-1"]].concat());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ran::of(command)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &["--stack", "prod"])
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.json()
    }

    /// Sends a callback of SignEasy that is rejected: the token in it isn't configured yet. Returns its id.
    fn send_rejected(&self) -> String {
        let body = json!({
            "metadata": {"event_type": "rs.viewed", "token": NEW_TOKEN},
            "data": {"id": 1, "status": "viewed"},
        });
        let (status, answer) = post(&self.signeasy_url, &body.to_string());
        assert_eq!((status, &answer["outcome"]), (401, &json!("rejected")), "{answer}");
        let kept = self.data.json(&["quarantine", "list"]);
        kept["quarantine"][0]["id"].as_str().unwrap().to_owned()
    }
}

/// An HTTP server that answers each request with `answer(body)`. Returns its URL.
fn stand_in(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(body) = body(&stream) else { continue };
            let answer = answer(&body);
            let length = answer.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            stream.write_all(format!("{head}{answer}").as_bytes()).unwrap();
        }
    });
    url
}

/// The body of a request; `None` if the connection was closed without one.
fn body(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().unwrap());
        }
    }
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    Some(String::from_utf8(body).unwrap())
}

/// A stand-in for CloudFormation's DescribeStacks.
fn cloudformation(endpoint: &impl Fn(&str) -> String, version: &str) -> String {
    let secrets = ["Legalesign", "Quicklysign", "Signeasy"].into_iter().flat_map(|service| {
        ["Proof", "Api"].map(|sort| (format!("{service}{sort}Secret"), format!("{service}-{sort}")))
    });
    let names = [
        ("TableName", endpoint("table")),
        ("ArchiveBucketName", endpoint("bucket")),
        ("TemporaryBucketName", endpoint("temporary_bucket")),
        ("Version", version.to_owned()),
    ];
    let names = names.map(|(name, value)| (name.to_owned(), value));
    let member = |sort: &str, name: &str, value: &str| {
        format!("<member><{sort}Key>{name}</{sort}Key><{sort}Value>{value}</{sort}Value></member>")
    };
    let outputs: String =
        names.into_iter().chain(secrets).map(|(name, value)| member("Output", &name, &value)).collect();
    let parameters: String = PARAMETERS.into_iter().map(|(name, value)| member("Parameter", name, value)).collect();
    let answer = format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult>\
         <Stacks><member><Parameters>{parameters}</Parameters><Outputs>{outputs}</Outputs></member></Stacks>\
         </DescribeStacksResult></DescribeStacksResponse>"
    );
    stand_in(move |request| {
        assert!(request.contains("Action=DescribeStacks") && request.ends_with("StackName=prod"), "{request}");
        answer.clone()
    })
}

/// A stand-in for Secrets Manager's GetSecretValue, which returns the secrets that the folder has at the time.
fn secrets_manager(folder: PathBuf) -> String {
    stand_in(move |request| {
        let request: Value = serde_json::from_str(request).unwrap();
        let id = request["SecretId"].as_str().unwrap();
        let (service, sort) = id.split_once('-').unwrap();
        let file = folder.join(format!("{}.json", service.to_lowercase()));
        let secrets: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let secret = secrets[sort.to_lowercase()].to_string();
        json!({"ARN": id, "Name": id, "SecretString": secret}).to_string()
    })
}

#[test]
fn reading_commands_work_on_a_deployed_stack() {
    let deployed = Deployed::start();
    let data = &deployed.data;
    let signed = data.json(&["trigger", "legalesign", "batch", "--id", "signed"]);
    data.json(&["trigger", "quicklysign", "final_document_generated", "--id", "my-pack"]);
    data.archived("my-pack");
    let rejected = deployed.send_rejected();
    let signed = signed["delivery"].as_str().unwrap();
    for arguments in [
        &["documents"][..],
        &["documents", "--provider", "quicklysign"],
        &["timeline", "quicklysign", "my-pack"],
        &["deliveries"],
        &["archive", "list", "--state", "archived"],
        &["verify", signed],
        &["verify", "--all"],
        &["quarantine", "list"],
        &["quarantine", "show", &rejected, "--body"],
    ] {
        let there = deployed.json(arguments);
        // Legalesign's archive job may change in between, and isn't compared.
        let is_stable = !matches!(arguments, ["documents"] | ["archive", ..]);
        assert!(!is_stable || there == data.json(arguments), "{arguments:?}: {there:#}");
        assert!(!there.to_string().contains(NEW_TOKEN), "{arguments:?}: {there:#}");
    }
    let shown = deployed.run(&["quarantine", "show", &rejected]).stdout;
    let replay = format!("countersign replay --quarantined {rejected} --stack prod --region eu-west-1\n");
    assert!(shown.contains(&replay), "{shown}");
    let table = deployed.run(&["documents"]);
    assert!(table.code == Some(0) && table.stdout.contains("my-pack") && table.stderr.is_empty(), "{table:?}");
    deployed.run(&["timeline", "quicklysign", "unheard-of", "--json"]).assert_failed_json(3, "not_found");
    // With credentials that may not describe the stack, table and bucket can be named.
    let named = NAMED;
    let ran = deployed.run_with(&["timeline", "quicklysign", "my-pack", "--json"], &named);
    assert_eq!(ran.json(), data.json(&["timeline", "quicklysign", "my-pack"]));
    assert!(!data.path().join(".countersign").exists(), "a data folder was created");
}

#[test]
fn a_stack_of_another_version_is_noticed() {
    let deployed = Deployed::start();
    let this = env!("CARGO_PKG_VERSION");
    let same = deployed.json(&["deployed"]);
    assert_eq!((&same["version"], &same["same"]), (&json!(this), &json!(true)));
    let other = Deployed::start_as("0.0.1");
    let ran = other.run(&["documents"]);
    assert_eq!(ran.code, Some(0));
    let warning = format!("warning: the stack runs version 0.0.1, and this program is {this}: install that version\n");
    assert_eq!(ran.stderr, warning);
    let shown = other.json(&["deployed"]);
    assert_eq!((&shown["version"], &shown["same"]), (&json!("0.0.1"), &json!(false)));
    let nothing = other.run_with(&["deployed", "--json"], &[]);
    nothing.assert_failed_json(2, "usage");
}

#[test]
fn changing_commands_work_on_a_deployed_stack() {
    let deployed = Deployed::start();
    let data = &deployed.data;
    let triggered = data.json(&["trigger", "quicklysign", "final_document_generated", "--id", "my-pack"]);
    data.archived("my-pack");
    assert_eq!(deployed.json(&["archive", "retry", "quicklysign", "my-pack"])["state"], "due");
    data.archived("my-pack");
    let stored = triggered["delivery"].as_str().unwrap();
    let replayed = deployed.json(&["replay", stored]);
    assert_eq!(replayed["replayed"][0]["before"], replayed["replayed"][0]["outcome"]);

    // The current secret is read from Secrets Manager; the token policy is a parameter of the stack.
    let rejected = deployed.send_rejected();
    let still = deployed.run(&["replay", "--quarantined", &rejected, "--json"]);
    assert_eq!((still.code, &still.json()["replayed"][0]["problem"]), (Some(1), &json!("token_wrong")));
    let file = data.file("secrets").join("signeasy.json");
    let mut secrets: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    secrets["proof"]["tokens"].as_array_mut().unwrap().push(NEW_TOKEN.into());
    fs::write(&file, secrets.to_string()).unwrap();
    let replayed = deployed.json(&["replay", "--quarantined"]);
    assert_eq!(replayed["replayed"][0]["delivery"], rejected.as_str());
    assert_eq!(replayed["replayed"][0]["outcome"], "recorded", "{replayed:#}");
    assert_eq!(data.json(&["timeline", "signeasy", "1"])["events"][0]["delivery"], rejected.as_str());

    let forgotten = deployed.json(&["forget", "quicklysign", "my-pack"]);
    assert_keys(&forgotten, &["subjects", "forgotten_at", "events", "deliveries", "objects", "kept_objects"]);
    assert_eq!(data.timeline("my-pack")["events"][0]["payload"], Value::Null);
}

#[test]
fn a_data_folder_and_a_deployed_stack_exclude_each_other() {
    let data = Data::new();
    for arguments in [
        &["documents"][..],
        &["timeline", "quicklysign", "p"],
        &["deliveries"],
        &["archive", "list"],
        &["archive", "retry", "quicklysign", "p"],
        &["verify", "--all"],
        &["quarantine", "list"],
        &["quarantine", "show", "0190b6c8-0000-7000-8000-000000000000"],
        &["replay", "--quarantined"],
        &["forget", "quicklysign", "p"],
        &["console"],
    ] {
        for deployed in [&["--stack", "prod"][..], &["--table", "t", "--bucket", "b", "--temporary-bucket", "c"]] {
            let ran = data.run(&[arguments, deployed].concat());
            ran.assert_failed(2, "--data is a folder");
            data.run(&[arguments, deployed, &["--json"]].concat()).assert_failed_json(2, "usage");
        }
        for wrong in [
            &["--stack", "s", "--table", "t", "--bucket", "b", "--temporary-bucket", "c"][..],
            &["--table", "t"],
            &["--profile", "p"],
        ] {
            let ran = Ran::of(data.command_without_data(&[arguments, wrong].concat()));
            assert!(ran.code == Some(2) && ran.stdout.is_empty(), "{arguments:?} {wrong:?}: {ran:?}");
        }
    }
    for local in [&["reconcile"][..], &["serve"], &["trigger", "quicklysign", "x"], &["demo"]] {
        let ran = Ran::of(data.command_without_data(&[local, &["--stack", "prod"]].concat()));
        assert_eq!(ran.code, Some(2), "{local:?}: {ran:?}");
    }
    assert!(!data.path().join("data").exists() && !data.path().join(".countersign").exists());
    assert!(data.run(&["reconcile", "--help"]).stdout.contains("schedule"));
}

#[test]
fn replay_needs_a_stack_and_its_own_secrets() {
    let deployed = Deployed::start();
    let named = NAMED;
    deployed.run_with(&["replay", "--quarantined", "--json"], &named).assert_failed_json(2, "usage");
    deployed.run(&["replay", "--quarantined", "--secrets", ".", "--json"]).assert_failed_json(2, "usage");
    let elsewhere = ["--table", "no-such-table", "--bucket", "b", "--temporary-bucket", "c"];
    deployed.run_with(&["documents", "--json"], &elsewhere).assert_failed_json(1, "unreadable");
}
