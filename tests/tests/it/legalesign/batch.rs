//! Legalesign's batches: from the signed form to recorded events.

use countersign::{
    domain::{Kind, Outcome, Provider, Role, Route, TimeSource, Trust},
    ledger::ArchiveState,
    replay::Replay,
    verify::verify,
};
use countersign_cli::simulator::{legalesign::posts, signing::SigningKey};
use end_to_end::{
    FaultyFunctions, LocalStack, Stored, from_now,
    harness::{deliveries, fault_proxy::Fault},
    legalesign::{self, document, signer, status},
    sha256,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

const TIME: &str = "2018-03-20T07:09:52";

/// The documentation's example: a signer has signed, which completes the document.
fn example(of_document: &str, of_signer: &str) -> Vec<Value> {
    vec![status("signer", of_signer, 40, TIME), status("document", of_document, 30, TIME)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_document_is_recorded_and_archived_with_its_audit_log() {
    let stack = LocalStack::start().await;
    let [first, second] = posts::signers("d1").try_into().unwrap();
    let answer = stack.post_batch(&example("d1", &first)).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
    assert_eq!(answer.body["events"], 2);

    let timeline = stack.wait_for_archive(&document("d1"), &[ArchiveState::Archived]).await;
    assert_eq!((timeline.document.status, timeline.document.trust), (Some(Kind::Completed), Some(Trust::Signature)));
    assert!(timeline.document.confirmed_at.is_some());
    let [event] = timeline.events.as_slice() else { panic!("{:?}", timeline.events) };
    assert_eq!(
        (event.occurred_at.to_string().as_str(), event.time_source),
        ("2018-03-20T07:09:52Z", TimeSource::ProviderLocal)
    );
    assert_eq!((event.name.as_str(), event.value.as_deref(), event.position), ("status", Some("30"), 1));
    assert_eq!(event.payload, example("d1", &first)[1]);
    let roles: Vec<Role> = timeline.pdfs.iter().map(|pdf| pdf.role).collect();
    assert_eq!(roles, [Role::AuditLog, Role::Document]);
    for pdf in &timeline.pdfs {
        let bytes = stack.object(&pdf.key).await;
        assert_eq!((sha256(&bytes), bytes.len() as u64), (pdf.sha256.clone(), pdf.size));
        assert!(bytes.starts_with(b"%PDF-") && pdf.current);
        assert_eq!(pdf.key, format!("legalesign/d1/d1/{}.pdf", pdf.sha256));
        // The hash that the API reports of the final PDF is the version of both files.
        assert_eq!(pdf.version.as_deref(), Some(&*timeline.pdfs[1].sha256));
    }
    // The signers are known from the API.
    let mut signers: Vec<_> = timeline.signers.iter().map(|view| (view.id.as_str(), view.status)).collect();
    signers.sort();
    let mut expected = [(first.as_str(), Some(Kind::Signed)), (second.as_str(), Some(Kind::Signed))];
    expected.sort();
    assert_eq!(signers, expected);
    let timeline = stack.timeline(&signer(&first)).await;
    assert_eq!(timeline.document.status, Some(Kind::Signed));
    assert_eq!(timeline.documents, ["d1"]);
    assert!(timeline.document.confirmed_at.is_some(), "the API confirmed the signer's status as well");
    assert_eq!(
        stack.ledger().documents(None, None, None, 10).await.unwrap().documents.len(),
        1,
        "signers aren't listed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_check_of_a_batch_can_reject_it() {
    let stack = LocalStack::start().await;
    let key = legalesign::signing_key(&stack.secrets);
    let data = json!(example("d", "s")).to_string();
    let good = posts::batch(&key, &data).unwrap();
    let url = stack.callback_url(Route::LegalesignBatch).unwrap();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let escaped = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();

    let wrong_token = format!("{}x", url);
    assert_eq!(stack.post_to(&wrong_token, &form, good.body.clone()).await.verdict(), (401, "rejected", "unproven"));
    for body in [
        String::new(),
        "not a form".to_owned(),
        data.clone(),
        format!("data={}", escaped(&data)),
        format!("signed={}", escaped(&key.sign(data.as_bytes()).unwrap())),
        format!("{}&data=%5B%5D", String::from_utf8_lossy(&good.body)),
        format!("{}&signed=AAAA", String::from_utf8_lossy(&good.body)),
    ] {
        assert_eq!(
            stack.post_to(&url, &form, body.clone()).await.verdict(),
            (400, "rejected", "malformed"),
            "{body:.50}"
        );
    }
    let other_key = SigningKey::generate().unwrap();
    for post in [
        posts::batch(&other_key, &data).unwrap(),
        posts::Post { body: String::from_utf8_lossy(&good.body).replace("40", "60").into(), ..good.clone() },
    ] {
        assert_eq!(stack.post_legalesign(post).await.verdict(), (401, "rejected", "unproven"));
    }
    let large = vec![b'a'; stack.settings.max_body_bytes + 1];
    assert_eq!(
        stack.post_to(&url, &[("content-type", "text/plain")], large).await.verdict(),
        (413, "rejected", "too_large")
    );
    assert!(stack.items_without_rejections().await.is_empty(), "nothing was recorded");
    assert_eq!(stack.post_legalesign(good).await.verdict(), (200, "recorded", "ok"));
}

/// A batch as multipart, with this line end.
fn multipart(boundary: &str, line_end: &str, post: &posts::Post) -> Vec<u8> {
    let mut body = String::new();
    for (name, value) in url::form_urlencoded::parse(&post.body) {
        let header = format!("Content-Disposition: form-data; name=\"{name}\"");
        body += &[&format!("--{boundary}"), &*header, "", &value, ""].join(line_end);
    }
    format!("{body}--{boundary}--{line_end}").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_behind_byte_order_marks_or_with_odd_boundaries_are_verified_now_and_later() {
    let stack = LocalStack::start().await;
    let key = legalesign::signing_key(&stack.secrets);
    let url = stack.callback_url(Route::LegalesignBatch).unwrap();
    let form = "application/x-www-form-urlencoded";
    let posts: Vec<_> = (0..6)
        .map(|number| {
            let data = json!(example(&format!("d{number}"), &format!("s{number}"))).to_string();
            posts::batch(&key, &data).unwrap()
        })
        .collect();
    let marks = |body: &[u8]| [&b"\xef\xbb\xbf\xef\xbb\xbf"[..], body].concat();
    for (number, (content_type, body)) in [
        (form, marks(&posts[0].body)),
        ("multipart/form-data; boundary=one; boundary=two", multipart("two", "\r\n", &posts[1])),
        ("multipart/form-data; boundary=one, multipart/form-data; boundary=one", multipart("one", "\r\n", &posts[2])),
        (&*format!("{form}, multipart/form-data; boundary=one"), multipart("one", "\r\n", &posts[3])),
        ("multipart/form-data; boundary=one", multipart("one", "\n", &posts[4])),
        ("multipart/form-data; boundary=one", marks(&multipart("one", "\r\n", &posts[5]))),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = stack.post_to(&url, &[("content-type", content_type)], body.clone()).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{content_type}");
        let timeline = stack.timeline(&document(&format!("d{number}"))).await;
        assert_eq!(
            (timeline.document.status, timeline.document.trust),
            (Some(Kind::Completed), Some(Trust::Signature))
        );
        let id = answer.delivery().parse().unwrap();
        let stored = stack.ledger().delivery(&id).await.unwrap().unwrap();
        assert_eq!(stored.delivery.body(), &body, "the stored bytes are those that arrived");
        verify(&stack.ledger(), &deliveries::services(), &id).await.unwrap();
    }
    // Two boundaries that give two forms, of which neither is signed.
    let unsigned = posts::batch(&SigningKey::generate().unwrap(), "[]").unwrap();
    let neither = [multipart("one", "\r\n", &unsigned), multipart("two", "\r\n", &unsigned)].concat();
    let answer = stack.post_to(&url, &[("content-type", TWO_BOUNDARIES)], neither).await;
    assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
}

const TWO_BOUNDARIES: &str = "multipart/form-data; boundary=one; boundary=two";

#[tokio::test(flavor = "multi_thread")]
async fn of_two_forms_the_proven_one_is_recorded_also_after_a_crash_and_by_a_replay() {
    let functions = FaultyFunctions::start(1).await;
    let key = legalesign::signing_key(&functions.secrets);
    let unsigned = posts::batch(&SigningKey::generate().unwrap(), &json!(example("forged", "s")).to_string()).unwrap();
    let body = |id: &str| {
        let signed = posts::batch(&key, &json!(example(id, &format!("{id}-signer"))).to_string()).unwrap();
        [multipart("one", "\r\n", &unsigned), multipart("two", "\r\n", &signed)].concat()
    };
    let headers = [("content-type", TWO_BOUNDARIES)];
    let answer = functions.post(Route::LegalesignBatch, None, &headers, body("whole")).await.unwrap();
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
    let id = answer.delivery().parse().unwrap();
    verify(&functions.ledger(), &deliveries::services(), &id).await.unwrap();
    let replayed = Replay::new(&functions.settings, &functions.proxied_aws).delivery(&id).await.unwrap().unwrap();
    assert_eq!(replayed.outcome, Outcome::Recorded.as_str());

    // The function's process dies after each of its calls, from the first that makes the delivery durable.
    functions.faults.clear();
    functions.post(Route::LegalesignBatch, None, &headers, body("counted")).await.unwrap();
    let calls = functions.faults.clear().len();
    for call in 1..calls {
        let crashed = format!("crashed-{call}");
        functions.faults.plan(call, usize::MAX / 2, Fault::CrashBefore);
        assert!(functions.post(Route::LegalesignBatch, None, &headers, body(&crashed)).await.is_none(), "{call}");
        functions.faults.clear();
        functions.sweep(from_now(SignedDuration::from_hours(24))).await.expect("a sweep");
        let timeline = functions.timeline(&document(&crashed)).await;
        let status = (timeline.document.status, timeline.document.trust);
        assert_eq!(status, (Some(Kind::Completed), Some(Trust::Signature)), "{call}");
    }
    assert!(functions.ledger().timeline(&document("forged")).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_without_a_usable_certificate_are_answered_not_configured() {
    const SHORT: &str = include_str!("../../../../shared/tests/data/legalesign/rsa1024.crt.pem");
    const EXPIRED: &str = include_str!("../../../../shared/tests/data/legalesign/other-expired.crt.pem");
    const EXPIRED_KEY: &str = include_str!("../../../../shared/tests/data/legalesign/THROWAWAY-TEST-KEY-rsa2048.pem");
    let start = async |certificates: &[&str]| {
        let proof = json!({"url_tokens": ["a-token-for-this-test"], "certificates": certificates});
        LocalStack::start_with(|options| options.secrets.set_proof(Provider::Legalesign, proof)).await
    };
    for certificates in [&[][..], &[SHORT], &["nothing", SHORT]] {
        let stack = start(certificates).await;
        let answer = stack.post_batch(&[]).await;
        assert_eq!(answer.verdict(), (503, "unavailable", "not_configured"));
        assert!(answer.headers.contains_key("retry-after"));
        // Callbacks that need no certificate work.
        let answer = stack.post_legalesign(posts::form("d", "g").with_event("sent")).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"));
    }
    // An expired certificate doesn't count as missing, but proves nothing now.
    let stack = start(&[EXPIRED]).await;
    let answer = stack.post_legalesign(posts::batch(&SigningKey::from_pem(EXPIRED_KEY).unwrap(), "[]").unwrap()).await;
    assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_entries_are_skipped_and_unreadable_batches_set_aside() {
    let stack = LocalStack::start().await;
    assert_eq!(stack.post_batch(&[]).await.verdict(), (200, "recorded", "ok"));
    for data in ["", "{}", "[", "\"[]\""] {
        let answer = stack.post_batch_text(data).await;
        assert_eq!((answer.verdict(), &answer.body["events"]), ((200, "set_aside", "unreadable"), &json!(0)), "{data}");
    }
    // Two of four entries can't be read: the others are recorded, and the two are listed.
    let mut entries = example("d", "s");
    entries.insert(1, json!({"timestamp": TIME}));
    entries.push(json!("?"));
    let answer = stack.post_batch(&entries).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
    assert_eq!((&answer.body["events"], &answer.body["unreadable"]), (&json!(2), &json!(2)));
    assert_eq!(stack.timeline(&document("d")).await.events[0].position, 2);
    let stored = stack.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((stored.record.outcome, stored.record.events, stored.record.unreadable), (Outcome::Recorded, 2, 2));
    assert_eq!(stored.record.unreadable_entries, ["1: unexpected_shape at .", "3: unexpected_shape at ."]);
    assert_eq!(stack.post_batch(&entries).await.verdict(), (200, "duplicate", "duplicate"));
    // No entry can be read.
    let answer = stack.post_batch(&[json!({}), json!(1)]).await;
    assert_eq!((answer.verdict(), &answer.body["unreadable"]), ((200, "set_aside", "unreadable"), &json!(2)));
}

/// The final states of documents and signers, without times of receipt.
async fn final_states(stack: &LocalStack, subjects: &[countersign::domain::Subject]) -> Vec<Value> {
    let mut states = Vec::new();
    for subject in subjects {
        let timeline = stack.timeline(subject).await;
        let events: Vec<_> =
            timeline.events.iter().map(|event| (event.id.clone(), event.kind, event.occurred_at)).collect();
        let document = timeline.document;
        states.push(json!({
            "id": document.id, "status": document.status, "occurred_at": document.occurred_at, "trust": document.trust,
            "conflict": document.conflict, "events": events,
        }));
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn batched_split_shuffled_and_concurrent_entries_give_the_same_result() {
    let mut entries = Vec::new();
    let mut subjects = Vec::new();
    for n in 0..8 {
        let (d, s) = (format!("d{n}"), format!("s{n}"));
        for (second, code) in [10, 15, 20, 30, 40].into_iter().enumerate() {
            entries.push(status("signer", &s, code, &format!("2018-03-20T07:0{n}:0{second}")));
        }
        entries.push(status("document", &d, if n == 5 { 50 } else { 10 }, &format!("2018-03-20T07:0{n}:00")));
        entries.push(status("document", &d, [30, 40, 50, 20][n % 4], &format!("2018-03-20T07:0{n}:06")));
        subjects.extend([document(&d), signer(&s)]);
    }
    let whole = LocalStack::start().await;
    assert_eq!(whole.post_batch(&entries).await.body["events"], entries.len());
    let expected = final_states(&whole, &subjects).await;
    assert!(expected.iter().any(|state| state["conflict"] == true), "a document was both declined and removed");
    for _ in 0..2 {
        assert_eq!(whole.post_batch(&entries).await.verdict(), (200, "duplicate", "duplicate"));
    }
    assert_eq!(final_states(&whole, &subjects).await, expected, "redelivered");
    assert!(whole.timeline(&signer("s0")).await.events.iter().all(|event| event.deliveries == 3));

    let split = LocalStack::start().await;
    for entry in entries.iter().rev() {
        split.post_batch(std::slice::from_ref(entry)).await;
    }
    assert_eq!(final_states(&split, &subjects).await, expected, "one by one, in reverse");

    let concurrent = LocalStack::start().await;
    let (twice, reversed) = ([&entries[..], &entries].concat(), entries.iter().rev().cloned().collect::<Vec<_>>());
    let posts = [&entries[..], &twice, &reversed, &entries[20..], &entries[..30], &entries, &twice, &reversed];
    let answers = futures::future::join_all(posts.map(|entries| concurrent.post_batch(entries))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(final_states(&concurrent, &subjects).await, expected, "concurrently");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_within_one_second_keep_their_order() {
    let stack = LocalStack::start().await;
    let codes = [4, 5, 10, 15, 20, 30, 35, 39, 40, 50];
    let entries: Vec<Value> = codes.iter().map(|code| status("signer", "s", *code, TIME)).collect();
    for entries in [&entries[..4], &entries] {
        stack.post_batch(entries).await;
    }
    let events = stack.timeline(&signer("s")).await.events;
    let recorded: Vec<u32> = events.iter().map(|event| event.value.as_deref().unwrap().parse().unwrap()).collect();
    assert_eq!(recorded, codes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_as_number_or_string_is_the_same_event() {
    let stack = LocalStack::start().await;
    let mut entries = example("d", "s");
    stack.post_batch(&entries).await;
    for entry in &mut entries {
        entry["value"] = json!(entry["value"].as_str().unwrap().parse::<u32>().unwrap());
    }
    assert_eq!(stack.post_batch(&entries).await.verdict(), (200, "duplicate", "duplicate"));
}
