//! What one callback costs: rounds of calls to DynamoDB, and capacity units. `docs/numbers.md` has the same table.
//!
//! Each test is about one service. Its function is warm, as after its first callback.

mod crashes;
mod rounds;

use countersign::{
    domain::{Provider, Route, SubjectId},
    settings::SecretSource,
};
use countersign_cli::{
    simulator::callbacks,
    simulator::legalesign::posts::{self, GROUP, Post},
    stack::Functions,
};
use end_to_end::{
    Answer, DirectFunctions, Stored,
    harness::{PATH_TOKEN, requests::gateway_request},
    legalesign::{self, status},
    pack, quicklysign,
    signeasy::{TOKEN, changed, sample},
};
use serde_json::{Value, json};

use self::rounds::{Expected, Rounds};

/// The API key by which Dropbox Sign's callbacks are proven.
const API_KEY: &str = "an-api-key-for-tests";

/// The functions, whose calls to DynamoDB are counted.
struct Metered {
    functions: Functions,
    rounds: Rounds,
    embedded: DirectFunctions,
}

impl Metered {
    async fn start() -> Self {
        let embedded = DirectFunctions::start().await;
        let rounds = Rounds::start(&embedded).await;
        let mut settings = embedded.settings();
        let proof = json!({"url_tokens": [PATH_TOKEN], "tokens": [TOKEN]}).to_string();
        settings.set_proof(Provider::Signeasy, SecretSource::Inline(proof.into()));
        let proof = json!({"url_tokens": [PATH_TOKEN], "api_keys": [API_KEY]}).to_string();
        settings.set_proof(Provider::DropboxSign, SecretSource::Inline(proof.into()));
        let functions = Functions::start(&settings, &rounds.aws, embedded.eventbridge().await).await;
        Self { functions, rounds, embedded }
    }

    async fn post(&self, post: Post) -> Answer {
        let token = match post.route.provider() {
            Provider::Legalesign => self.embedded.secrets.url_token(Provider::Legalesign).unwrap(),
            _ => PATH_TOKEN.to_owned(),
        };
        let headers: Vec<_> = post.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let request = gateway_request(post.route, &token, post.query.as_deref(), &headers, &post.body);
        Answer::of_function(&self.functions.call(post.route, request).await)
    }

    /// Posts a callback, which must be recorded by these calls. Returns its write units.
    async fn write_units(&self, post: Post, outcome: &str, expected: Expected) -> f64 {
        self.rounds.expect(expected);
        let answer = self.post(post).await;
        assert_eq!((answer.status, answer.body["outcome"].as_str()), (200, Some(outcome)));
        self.rounds.units().write
    }
}

impl Metered {
    /// Posts a callback, whatever calls that takes. Returns its write units.
    async fn units_of(&self, post: Post) -> f64 {
        self.rounds.count();
        let answer = self.post(post).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        self.rounds.units().write
    }
}

fn json_post(route: Route, body: String) -> Post {
    Post { route, query: None, headers: vec![("content-type", "application/json".to_owned())], body: body.into() }
}

fn about_pack(event: &str, id: &str) -> Post {
    json_post(Route::Quicklysign, quicklysign::body(event, id))
}

fn about_request(body: &Value) -> Post {
    json_post(Route::Signeasy, body.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn quicklysign_takes_three_rounds_and_seven_units_with_an_archive_job() {
    const LOOKUP: &[&str] = &["GetItem WEBHOOK", "PutItem DELIVERY"];
    let changed: Expected = &[LOOKUP, &["UpdateItem EVENT"], &["UpdateItem STATE"]];
    let with_job: Expected = &[LOOKUP, &["UpdateItem ARCHIVE"], &["UpdateItem EVENT", "UpdateItem STATE"]];
    let metered = Metered::start().await;
    let units = metered.write_units(about_pack("final_document_generated", "new"), "recorded", with_job).await;
    assert_eq!(units, 7.0, "of an unknown pack");
    assert_eq!(metered.write_units(about_pack("document_updated", "known"), "recorded", changed).await, 5.0);
    assert_eq!(metered.write_units(about_pack("document_updated", "known"), "recorded", changed).await, 4.0);
    let units = metered.write_units(about_pack("final_document_generated", "known"), "recorded", with_job).await;
    assert_eq!(units, 8.0, "its place in the list of documents moves");
    assert_eq!(metered.embedded.timeline(&pack("known")).await.events.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropbox_sign_takes_three_rounds_and_at_most_nine_units() {
    let changed: Expected = &[&["PutItem DELIVERY"], &["UpdateItem EVENT"], &["UpdateItem STATE"]];
    let asks: Expected = &[&["PutItem DELIVERY"], &["UpdateItem ARCHIVE"], &["UpdateItem EVENT", "UpdateItem STATE"]];
    let metered = Metered::start().await;
    let about = |event| {
        let id = SubjectId::parse("a-request").expect("an id");
        let secret = json!({"proof": {"api_keys": [API_KEY]}});
        let options = callbacks::Options::default();
        callbacks::callback(Provider::DropboxSign, event, &id, &options, &secret).expect("a callback")
    };
    assert_eq!(metered.write_units(about("signature_request_sent"), "recorded", changed).await, 6.0);
    let units = metered.write_units(about("signature_request_all_signed"), "recorded", asks).await;
    assert_eq!(units, 9.0, "its place in the list of documents moves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_takes_three_rounds() {
    let metered = Metered::start().await;
    let viewed = || about_request(&sample("rs_viewed_v2"));
    metered.post(viewed()).await;
    let duplicate: Expected = &[
        &["GetItem CLUE", "PutItem DELIVERY"],
        &["UpdateItem EVENT", "UpdateItem SIGNER", "UpdateItem DOCUMENTS"],
        &["UpdateItem DELIVERY", "UpdateItem STATE"],
    ];
    assert_eq!(metered.write_units(viewed(), "duplicate", duplicate).await, 9.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn signeasy_takes_three_rounds_and_at_most_eleven_units() {
    let metered = Metered::start().await;
    let first: Expected = &[
        &["GetItem CLUE", "PutItem DELIVERY"],
        &["UpdateItem ARCHIVE", "UpdateItem CLUE"],
        &["UpdateItem EVENT", "UpdateItem STATE", "UpdateItem SIGNER", "UpdateItem DOCUMENTS"],
    ];
    let completed = about_request(&sample("rs_completed_v2"));
    assert_eq!(metered.write_units(completed, "recorded", first).await, 11.0, "of an unknown request");
    // The other documented bodies, each as the one after it of a request that is known.
    for version in ["v1", "v2", "v3"] {
        for (number, event) in ["initiated", "link_sent", "viewed", "signed", "completed"].into_iter().enumerate() {
            let case = match (event, version) {
                ("link_sent" | "signed", "v3") => continue,
                ("viewed", "v3") => "rs_viewed_v3_drifted".to_owned(),
                ("completed", "v3") => "rs_completed_v3_own_file_id".to_owned(),
                _ => format!("rs_{event}_{version}"),
            };
            let body = changed(&case, |body| {
                let data = &mut body["data"];
                data["id"] = json!(format!("7{version}"));
                data["recipients"][0]["recipient_id"] = json!(format!("8{version}"));
                data["recipients"][0]["last_modified_time"] = json!(1_800_000_000 + number);
            });
            let units = metered.units_of(about_request(&body)).await;
            assert!(units <= 11.0, "{case}: {units}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn legalesign_realtime_takes_three_rounds_and_eight_units() {
    let metered = Metered::start().await;
    let key = legalesign::signing_key(&metered.embedded.secrets);
    let signed = |document| posts::signed_form(&key, document, GROUP).unwrap().with_event("signed");
    metered.post(signed("warm")).await;
    let rounds: Expected = &[&["PutItem DELIVERY"], &["UpdateItem ARCHIVE"], &["UpdateItem EVENT", "UpdateItem STATE"]];
    assert_eq!(metered.write_units(signed("new"), "recorded", rounds).await, 8.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_one_is_accepted_recorded_and_finished() {
    let metered = Metered::start().await;
    let key = legalesign::signing_key(&metered.embedded.secrets);
    let batch = |entry: Value| posts::batch(&key, &json!([entry]).to_string()).unwrap();
    metered.post(batch(status("document", "warm", 10, "2026-11-26T04:00:00"))).await;
    let rounds: Expected = &[
        &["PutItem DELIVERY"],
        &["UpdateItem ARCHIVE", "UpdateItem EVENT", "UpdateItem STATE"],
        &["UpdateItem DELIVERY"],
    ];
    // An id as Legalesign's are. With a short one, the delivery's item has about a KB, and the number of characters of the
    // random signature that a form escapes decides its units.
    let completed = batch(status("document", "6ecb3dd4-2d0b-11e8-b96c-0a3b1f6d2c41", 30, "2026-11-26T04:00:00"));
    assert_eq!(metered.write_units(completed, "recorded", rounds).await, 12.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_hundred_takes_one_unit_per_entry_and_five_for_the_delivery() {
    let metered = Metered::start().await;
    let key = legalesign::signing_key(&metered.embedded.secrets);
    // One signer, so that the subjects' own items count once.
    let entries: Vec<Value> =
        (0..100).map(|n| status("signer", "s", 20, &format!("2026-11-26T04:{:02}:{:02}", n / 60, n % 60))).collect();
    let batch = |entries: &[Value]| posts::batch(&key, &json!(entries).to_string()).unwrap();
    metered.post(batch(&[status("signer", "warm", 4, "2026-11-26T04:00:00")])).await;
    let own = 1.0;
    assert_eq!(metered.units_of(batch(&entries)).await, 105.0 + own);
}
