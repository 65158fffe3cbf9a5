//! Every call of every function fails in every way: it is throttled, rejected, cut off, half written, silent or slow, or
//! the function's process dies. Afterwards everything that was acknowledged is stored, once, with the right status, and
//! the PDFs have the hashes that are recorded.
//!
//! A run without faults counts the calls. Then each call in turn is made to fail, in one of the ways.
//! `COUNTERSIGN_ALL_FAULTS=1` makes each call fail in every way, and waits for services that stay silent, which takes an
//! hour. `COUNTERSIGN_ALL_FAULTS=in_a_row` also lets several calls in a row fail, which takes many hours.

mod check;

use self::check::{Make, SCENARIOS, Scenario, Sent};
use countersign::{
    domain::{Kind, Provider, Route, Subject, SubjectId},
    providers::quicklysign::{CallbackUrl, webhooks::Webhooks},
};
use end_to_end::{
    FaultyFunctions, Stored, from_now,
    harness::fault_proxy::{Call, Fault, Upstream},
    pack, quicklysign,
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

/// The faults of a call that takes effect without its caller noticing.
const AFTER_ITS_EFFECT: [Fault; 3] = [Fault::ServerErrorAfterEffect, Fault::CutAfter, Fault::HalfResponse];

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How many harnesses run at the same time: more if most of them wait for a silent server.
fn harnesses() -> usize {
    if all_faults() { 12 } else { 4 }
}

/// One fault: the number of the first call that fails, how many fail, and how.
#[derive(Debug, Clone, Copy)]
struct Case {
    from: usize,
    times: usize,
    fault: Fault,
}

fn all_faults() -> bool {
    std::env::var_os("COUNTERSIGN_ALL_FAULTS").is_some()
}

fn in_a_row() -> bool {
    std::env::var_os("COUNTERSIGN_ALL_FAULTS").is_some_and(|which| which == "in_a_row")
}

/// A run: all callbacks, then the archive job, and the queue's message a second time.
async fn deliver(functions: &FaultyFunctions, scenario: &Scenario) -> Vec<Sent> {
    let mut sent = Vec::new();
    for callback in &scenario.callbacks {
        sent.push(scenario.send(functions, callback).await);
    }
    functions.archive(&scenario.subject).await;
    functions.archive(&scenario.subject).await;
    sent
}

/// Leaves work for the sweep: batches that were accepted and not recorded.
async fn leave_unfinished(functions: &FaultyFunctions, scenario: &Scenario) -> Vec<Sent> {
    // The first batch of a process also stores the certificate.
    let first = Scenario::legalesign_batch(functions, "first");
    first.send(functions, &first.callbacks[0]).await;
    let mut sent = Vec::new();
    for callback in &scenario.callbacks {
        // The function's process dies as soon as the delivery is accepted.
        functions.faults.plan(scenario.accepting_calls(callback), usize::MAX / 2, Fault::CrashBefore);
        sent.push(scenario.send(functions, callback).await);
        functions.faults.clear();
    }
    assert!(sent.iter().all(|sent| sent.answer.is_none()), "{sent:?}");
    sent
}

/// The calls of a run without faults.
async fn calls_of_a_run(functions: &FaultyFunctions, make: Make) -> Vec<Call> {
    // The first run of all fetches what later runs have cached.
    for name in ["first", "clean"] {
        let scenario = make(functions, name);
        functions.simulator.expire_tokens();
        functions.faults.clear();
        let sent = deliver(functions, &scenario).await;
        assert!(sent.iter().all(Sent::acknowledged), "{sent:?}");
    }
    functions.faults.clear()
}

/// The callbacks sent in one case.
struct Done {
    scenario: Scenario,
    sent: Vec<Sent>,
    context: String,
}

/// Runs all cases on a few harnesses, and checks what is stored afterwards: first before senders send again, then after
/// they sent everything again that wasn't acknowledged.
async fn run(
    attempts: u32,
    make: Make,
    cases: Vec<Case>,
    each: impl AsyncFn(&FaultyFunctions, &Scenario, Case) -> Vec<Sent>,
) {
    assert!(!cases.is_empty());
    let shares = (0..harnesses()).map(|share| cases.iter().copied().enumerate().skip(share).step_by(harnesses()));
    let each = &each;
    join_all(shares.map(|share| async move {
        let functions = FaultyFunctions::start(attempts).await;
        let mut done = Vec::new();
        for (number, case) in share {
            let scenario = make(&functions, &format!("case-{number}"));
            functions.simulator.expire_tokens();
            functions.faults.plan(case.from, case.times, case.fault);
            let sent = each(&functions, &scenario, case).await;
            let context = format!("{case:?} over {:?}", functions.faults.clear());
            done.push(Done { scenario, sent, context });
        }
        let subjects: Vec<Subject> = done.iter().map(|done| done.scenario.subject.clone()).collect();
        functions.finish(&subjects).await;
        for Done { scenario, sent, context } in &mut done {
            check::assert_acknowledged_is_stored(&functions, scenario, sent, context).await;
            sent.extend(scenario.send_again(&functions, sent).await);
        }
        functions.finish(&subjects).await;
        for Done { scenario, sent, context } in &done {
            check::assert_complete(&functions, scenario, sent, context).await;
        }
        check::assert_nothing_is_unfinished(&functions).await;
    }))
    .await;
}

/// In a usual run each call fails in every `turns`th way; with all faults, in every way.
fn is_its_turn(way: usize, from: usize, turns: usize) -> bool {
    all_faults() || (way + from).is_multiple_of(turns)
}

/// Waiting for a silent service takes half a minute, so it is done once only, unless all faults are enabled.
fn is_fast_enough(calls: &[Call], case: Case) -> bool {
    let services: Vec<usize> = (0..calls.len()).filter(|call| calls[*call].upstream == Upstream::Services).collect();
    all_faults() || !case.fault.is_silence() || !services.contains(&case.from) || services.last() == Some(&case.from)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes on two cores: .ci/full runs it"]
async fn a_failed_call_loses_nothing_and_stores_nothing_twice() {
    for make in SCENARIOS {
        let functions = FaultyFunctions::start(1).await;
        let calls = calls_of_a_run(&functions, make).await;
        assert!(calls.len() > 15, "{calls:?}");
        drop(functions);
        let times: &[usize] = if in_a_row() { &[1, 2, 3, 1000] } else { &[1] };
        let cases = Fault::ALL.into_iter().enumerate().flat_map(|(way, fault)| {
            let from = (0..calls.len()).filter(move |from| is_its_turn(way, *from, Fault::ALL.len()));
            from.flat_map(move |from| times.iter().map(move |times| Case { from, times: *times, fault }))
        });
        let cases = cases.filter(|case| is_fast_enough(&calls, *case)).collect();
        run(1, make, cases, async |functions, scenario, _| deliver(functions, scenario).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes on two cores: .ci/full runs it"]
async fn a_call_that_took_effect_and_is_retried_by_the_sdk_changes_nothing_more() {
    for make in SCENARIOS {
        let functions = FaultyFunctions::start(3).await;
        let calls = calls_of_a_run(&functions, make).await;
        drop(functions);
        let faults: &[Fault] = if all_faults() { &Fault::ALL } else { &AFTER_ITS_EFFECT };
        let times: &[usize] = if in_a_row() { &[1, 2] } else { &[1] };
        let cases = faults.iter().enumerate().flat_map(|(way, fault)| {
            let from = (0..calls.len()).filter(move |from| is_its_turn(way, *from, AFTER_ITS_EFFECT.len()));
            from.flat_map(move |from| times.iter().map(move |times| Case { from, times: *times, fault: *fault }))
        });
        let cases = cases.filter(|case| is_fast_enough(&calls, *case)).collect();
        run(3, make, cases, async |functions, scenario, case| {
            let sent = deliver(functions, scenario).await;
            if AFTER_ITS_EFFECT.contains(&case.fault) {
                assert!(sent.iter().all(Sent::acknowledged), "{case:?}: {sent:?}");
            }
            sent
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes on two cores: .ci/full runs it"]
async fn a_failed_sweep_is_finished_by_the_next_one() {
    let functions = FaultyFunctions::start(1).await;
    let scenario = Scenario::legalesign_batch(&functions, "clean");
    leave_unfinished(&functions, &scenario).await;
    functions.sweep(from_now(DAY)).await.expect("a sweep");
    let calls = functions.faults.clear().len();
    assert!(calls > 30, "{calls}");
    drop(functions);
    // Most of its calls query lists, shard by shard.
    let cases = Fault::ALL.into_iter().enumerate().flat_map(|(way, fault)| {
        let from = (0..calls).filter(move |from| is_its_turn(way, *from, Fault::ALL.len()));
        from.map(move |from| Case { from, times: 1, fault })
    });
    let cases = cases.collect();
    run(1, Scenario::legalesign_batch, cases, async |functions, scenario, case| {
        let sent = leave_unfinished(functions, scenario).await;
        functions.faults.plan(case.from, case.times, case.fault);
        functions.sweep(from_now(DAY)).await;
        functions.faults.clear();
        // Does the due job, so that the next case's sweep finds only its own.
        functions.archive(&scenario.subject).await;
        sent
    })
    .await;
}

/// A pack that was signed, and whose only callback is about its beginning.
async fn with_a_missed_callback(functions: &FaultyFunctions, id: &str) -> Subject {
    functions.simulator.pack(id).documents(2).modified(from_now(-DAY));
    let headers = [("content-type", "application/json")];
    let body = quicklysign::body("document_updated", id);
    let answer = functions.post(Route::Quicklysign, None, &headers, body).await;
    assert_eq!(answer.expect("an answer").status, 200);
    pack(id)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes on two cores: .ci/full runs it"]
async fn a_failed_reconcile_run_is_finished_by_the_next_one() {
    let functions = FaultyFunctions::start(1).await;
    with_a_missed_callback(&functions, "clean").await;
    functions.faults.clear();
    let found = functions.reconcile(Timestamp::now()).await.expect("a run")[Provider::Quicklysign].clone();
    assert_eq!((found.queried, found.recorded), (1, 1));
    let calls = functions.faults.clear().len();
    assert!(calls > 30, "{calls}");

    let mut subjects = Vec::new();
    for (way, fault) in Fault::ALL.into_iter().enumerate() {
        for from in (0..calls).filter(|from| is_its_turn(way, *from, Fault::ALL.len())) {
            subjects.push(with_a_missed_callback(&functions, &format!("missed-{way}-{from}")).await);
            functions.faults.plan(from, 1, fault);
            functions.reconcile(Timestamp::now()).await;
            functions.faults.clear();
        }
    }
    // A day later, any pause that a service requested is over.
    let found = functions.reconcile(from_now(DAY)).await.expect("a run without faults");
    assert_eq!((&found[Provider::Quicklysign].stopped, &found[Provider::Signeasy].stopped), (&None, &None));
    functions.finish(&subjects).await;
    for subject in &subjects {
        let timeline = functions.timeline(subject).await;
        let mut events: Vec<_> =
            timeline.events.iter().map(|event| (event.source.as_str(), event.kind.as_str())).collect();
        events.sort_unstable();
        assert_eq!(events, [("callback", "updated"), ("reconcile", "completed")], "{subject:?}");
        assert_eq!(timeline.document.status, Some(Kind::Completed), "{subject:?}");
        assert_eq!(timeline.pdfs.len(), 2, "{subject:?}: {:?}", timeline.document.archive);
    }
    check::assert_nothing_is_unfinished(&functions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_subscription_is_finished_by_subscribing_again() {
    let functions = FaultyFunctions::start(1).await;
    let webhooks = Webhooks::new(&functions.settings, &functions.proxied_aws);
    let old = CallbackUrl::parse("https://receiver.example/callbacks/quicklysign/the-token-before").expect("a URL");
    // The pack's webhook has an old path token: a new one is created and stored, and the old one deleted.
    let create_old_webhook = async |pack: &str| {
        webhooks.create(&SubjectId::parse(pack).expect("a key"), &old).await.expect("a webhook");
        functions.faults.clear();
    };
    create_old_webhook("clean").await;
    let clean = functions.subscribe("clean").await.expect("a webhook");
    assert_eq!((clean.created, clean.replaced), (true, 1));
    let calls = functions.faults.clear();
    assert_eq!(calls.len(), 6, "{calls:?}");

    for fault in Fault::ALL {
        let waits = |call: &Call| fault.is_silence() && call.upstream == Upstream::Services;
        for from in (0..calls.len()).filter(|from| all_faults() || !waits(&calls[*from])) {
            let (pack, context) = (format!("pack-{from}-{fault:?}"), format!("{fault:?} at {:?}", calls[from]));
            create_old_webhook(&pack).await;
            functions.faults.plan(from, 1, fault);
            functions.subscribe(&pack).await;
            functions.faults.clear();
            let again = functions.subscribe(&pack).await.expect("a webhook without faults");
            let pack = SubjectId::parse(pack).expect("a key");
            let listed = webhooks.list(Some(&pack)).await.expect("a list");
            let listed: Vec<_> = listed.iter().map(|webhook| &webhook.key).collect();
            assert_eq!(listed, [&again.webhook.key], "{context}");
            let known = functions.ledger().webhook(Provider::Quicklysign, &again.webhook.key).await;
            assert_eq!(known.expect("the ledger").map(|known| known.entity), Some(pack), "{context}");
        }
    }
}
