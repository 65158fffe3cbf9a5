//! Every call of every function goes wrong in every way: throttled, refused, cut off, half-written, silent, late, or the
//! process dies over it. Afterwards everything that was acknowledged is there, once, with the right status and with PDFs
//! that are what their hashes say.
//!
//! A run without faults counts the calls; then call after call is made to fail, in ways that take turns.
//! `COUNTERSIGN_ALL_FAULTS=1` makes each fail in every way, and waits for services that say nothing, which takes an hour;
//! `COUNTERSIGN_ALL_FAULTS=in_a_row` also lets several calls in a row fail, which takes many.

mod check;

use check::{Make, SCENARIOS, Scenario, Sent};
use countersign::{
    delivery::Route,
    event::Kind,
    provider::Provider,
    providers::quicklysign::{CallbackUrl, webhooks::Webhooks},
    subject::{Subject, SubjectId},
};
use end_to_end::{
    fault_proxy::{Call, Fault, Upstream},
    pack,
    rig::{Rig, days_later},
};
use futures::future::join_all;
use jiff::Timestamp;

/// The ways in which a call takes effect, and its caller doesn't hear of it.
const AFTER_ITS_EFFECT: [Fault; 3] = [Fault::ServerErrorAfterEffect, Fault::CutAfter, Fault::HalfAnswer];

/// How many rigs run at the same time: more, where most of them wait for somebody who says nothing.
fn rigs() -> usize {
    if all_faults() { 12 } else { 4 }
}

/// One thing that goes wrong.
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

/// What a run is: callbacks, the work on the order, and the message's second coming.
async fn deliver(rig: &Rig, scenario: &Scenario) -> Vec<Sent> {
    let mut sent = Vec::new();
    for callback in &scenario.callbacks {
        sent.push(scenario.send(rig, callback).await);
    }
    rig.work(&scenario.subject).await;
    rig.work(&scenario.subject).await;
    sent
}

/// What a run of the sweep is about: a delivery that was accepted and no more, an order that waits, one that nobody
/// took.
async fn leave_behind(rig: &Rig, scenario: &Scenario) -> Vec<Sent> {
    let mut sent = Vec::new();
    for callback in &scenario.callbacks {
        // Once it is accepted, the function's process dies.
        rig.faults.plan(scenario.accepting_calls(callback), usize::MAX / 2, Fault::CrashBefore);
        sent.push(scenario.send(rig, callback).await);
        rig.faults.none();
    }
    assert!(sent.iter().all(|sent| sent.told.is_none()), "{sent:?}");
    sent
}

/// The calls of a run without faults.
async fn calls_of_a_delivery(rig: &Rig, make: Make) -> Vec<Call> {
    // The first run of all reads and fetches what later ones have.
    for name in ["first", "clean"] {
        let scenario = make(rig, name);
        rig.simulator.expire_tokens();
        rig.faults.none();
        let sent = deliver(rig, &scenario).await;
        assert!(sent.iter().all(Sent::acknowledged), "{sent:?}");
    }
    rig.faults.none()
}

/// What one case left behind.
struct Left {
    scenario: Scenario,
    sent: Vec<Sent>,
    context: String,
}

/// Runs all cases on a few rigs, and looks at what is there afterwards: first when nobody has sent anything again, then
/// when everything that wasn't acknowledged was.
async fn run(attempts: u32, make: Make, cases: Vec<Case>, each: impl AsyncFn(&Rig, &Scenario, Case) -> Vec<Sent>) {
    assert!(!cases.is_empty());
    let shares = (0..rigs()).map(|share| cases.iter().copied().enumerate().skip(share).step_by(rigs()));
    let each = &each;
    join_all(shares.map(|share| async move {
        let rig = Rig::start(attempts).await;
        let mut left = Vec::new();
        for (number, case) in share {
            let scenario = make(&rig, &format!("case-{number}"));
            rig.simulator.expire_tokens();
            rig.faults.plan(case.from, case.times, case.fault);
            let sent = each(&rig, &scenario, case).await;
            let context = format!("{case:?} over {:?}", rig.faults.none());
            left.push(Left { scenario, sent, context });
        }
        let subjects: Vec<Subject> = left.iter().map(|left| left.scenario.subject.clone()).collect();
        rig.settle(&subjects).await;
        for Left { scenario, sent, context } in &mut left {
            check::acknowledged(&rig, scenario, sent, context).await;
            sent.extend(scenario.send_again(&rig, sent).await);
        }
        rig.settle(&subjects).await;
        for Left { scenario, sent, context } in &left {
            check::whole(&rig, scenario, sent, context).await;
        }
        check::everything(&rig).await;
    }))
    .await;
}

/// In each run of the tests, each call goes wrong in every `turns`th way; with all faults, in every way.
fn takes_its_turn(way: usize, from: usize, turns: usize) -> bool {
    all_faults() || (way + from).is_multiple_of(turns)
}

/// Waiting for a service takes half a minute, so of those only one is waited for unless all faults are asked for.
fn bearable(calls: &[Call], case: Case) -> bool {
    let services: Vec<usize> = (0..calls.len()).filter(|call| calls[*call].upstream == Upstream::Services).collect();
    all_faults() || !case.fault.is_silence() || !services.contains(&case.from) || services.last() == Some(&case.from)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes on two cores: .ci/full runs it"]
async fn no_call_that_goes_wrong_loses_or_doubles_anything() {
    for make in SCENARIOS {
        let rig = Rig::start(1).await;
        let calls = calls_of_a_delivery(&rig, make).await;
        assert!(calls.len() > 15, "{calls:?}");
        drop(rig);
        let times: &[usize] = if in_a_row() { &[1, 2, 3, 1000] } else { &[1] };
        let cases = Fault::ALL.into_iter().enumerate().flat_map(|(way, fault)| {
            let from = (0..calls.len()).filter(move |from| takes_its_turn(way, *from, Fault::ALL.len()));
            from.flat_map(move |from| times.iter().map(move |times| Case { from, times: *times, fault }))
        });
        let cases = cases.filter(|case| bearable(&calls, *case)).collect();
        run(1, make, cases, async |rig, scenario, _| deliver(rig, scenario).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes on two cores: .ci/full runs it"]
async fn a_call_that_took_effect_and_is_tried_again_by_the_sdk_is_no_second_call() {
    for make in SCENARIOS {
        let rig = Rig::start(3).await;
        let calls = calls_of_a_delivery(&rig, make).await;
        drop(rig);
        let faults: &[Fault] = if all_faults() { &Fault::ALL } else { &AFTER_ITS_EFFECT };
        let times: &[usize] = if in_a_row() { &[1, 2] } else { &[1] };
        let cases = faults.iter().enumerate().flat_map(|(way, fault)| {
            let from = (0..calls.len()).filter(move |from| takes_its_turn(way, *from, AFTER_ITS_EFFECT.len()));
            from.flat_map(move |from| times.iter().map(move |times| Case { from, times: *times, fault: *fault }))
        });
        let cases = cases.filter(|case| bearable(&calls, *case)).collect();
        run(3, make, cases, async |rig, scenario, case| {
            let sent = deliver(rig, scenario).await;
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
async fn a_sweep_that_goes_wrong_is_finished_by_the_next() {
    let rig = Rig::start(1).await;
    let scenario = Scenario::quicklysign(&rig, "clean");
    leave_behind(&rig, &scenario).await;
    rig.sweep(days_later(1)).await.expect("a sweep");
    let calls = rig.faults.none().len();
    assert!(calls > 30, "{calls}");
    drop(rig);
    // Most of its calls ask for lists, shard by shard.
    let cases = Fault::ALL.into_iter().enumerate().flat_map(|(way, fault)| {
        let from = (0..calls).filter(move |from| takes_its_turn(way, *from, Fault::ALL.len()));
        from.map(move |from| Case { from, times: 1, fault })
    });
    let cases = cases.collect();
    run(1, Scenario::quicklysign, cases, async |rig, scenario, case| {
        let sent = leave_behind(rig, scenario).await;
        rig.faults.plan(case.from, case.times, case.fault);
        rig.sweep(days_later(1)).await;
        rig.faults.none();
        // What is due is taken, so that the next sweep has its own to do.
        rig.work(&scenario.subject).await;
        sent
    })
    .await;
}

/// A pack that was signed, and of which only the beginning was told.
async fn half_told(rig: &Rig, id: &str) -> Subject {
    let signed_at = days_later(-1);
    rig.simulator.pack(id).documents(2).modified(signed_at);
    let body = format!(r#"{{"entity_type":"Document","entity_key":"{id}","callback_event":"document_updated"}}"#);
    let told = rig.post(Route::Quicklysign, None, &[("content-type", "application/json")], body).await;
    assert_eq!(told.expect("an answer").status, 200);
    pack(id)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes on two cores: .ci/full runs it"]
async fn asking_the_services_that_goes_wrong_is_finished_by_the_next_time() {
    let rig = Rig::start(1).await;
    half_told(&rig, "clean").await;
    rig.faults.none();
    let asked = rig.ask(Timestamp::now()).await.expect("answers").quicklysign;
    assert_eq!((asked.asked, asked.recorded), (1, 1));
    let calls = rig.faults.none().len();
    assert!(calls > 30, "{calls}");

    let mut subjects = Vec::new();
    for (way, fault) in Fault::ALL.into_iter().enumerate() {
        for from in (0..calls).filter(|from| takes_its_turn(way, *from, Fault::ALL.len())) {
            subjects.push(half_told(&rig, &format!("asked-{way}-{from}")).await);
            rig.faults.plan(from, 1, fault);
            rig.ask(Timestamp::now()).await;
            rig.faults.none();
        }
    }
    // A service that asked to be left alone is by now.
    let asked = rig.ask(days_later(1)).await.expect("nothing is wrong any more");
    assert_eq!((asked.quicklysign.stopped, asked.signeasy.stopped), (None, None));
    rig.settle(&subjects).await;
    for subject in &subjects {
        let timeline = rig.ledger().timeline(subject).await.expect("the ledger").expect("a pack");
        let mut told: Vec<_> =
            timeline.events.iter().map(|event| (event.source.as_str(), event.kind.as_str())).collect();
        told.sort_unstable();
        assert_eq!(told, [("callback", "updated"), ("reconcile", "completed")], "{subject:?}");
        assert_eq!(timeline.document.status, Some(Kind::Completed), "{subject:?}");
        assert_eq!(timeline.pdfs.len(), 2, "{subject:?}: {:?}", timeline.document.archive);
    }
    check::everything(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_goes_wrong_is_finished_by_asking_again() {
    let rig = Rig::start(1).await;
    let webhooks = Webhooks::of(&rig.settings, &rig.faulty);
    let old = CallbackUrl::parse("https://x.example/callbacks/quicklysign/the-token-before").expect("a URL");
    // A pack whose webhook has a path token of before: the new one is made and remembered, the old one ended.
    let rotated = async |pack: &str| {
        webhooks.create(&SubjectId::parse(pack).expect("a key"), &old).await.expect("a webhook");
        rig.faults.none();
    };
    rotated("clean").await;
    let clean = rig.subscribe("clean").await.expect("a webhook");
    assert_eq!((clean.created, clean.replaced), (true, 1));
    let calls = rig.faults.none();
    assert_eq!(calls.len(), 5, "{calls:?}");

    for fault in Fault::ALL {
        let waits = |call: &Call| fault.is_silence() && call.upstream == Upstream::Services;
        for from in (0..calls.len()).filter(|from| all_faults() || !waits(&calls[*from])) {
            let (pack, context) = (format!("pack-{from}-{fault:?}"), format!("{fault:?} at {:?}", calls[from]));
            rotated(&pack).await;
            rig.faults.plan(from, 1, fault);
            rig.subscribe(&pack).await;
            rig.faults.none();
            let again = rig.subscribe(&pack).await.expect("nothing is wrong any more");
            let pack = SubjectId::parse(pack).expect("a key");
            let there = webhooks.list(Some(&pack)).await.expect("a list");
            let there: Vec<_> = there.iter().map(|webhook| &webhook.key).collect();
            assert_eq!(there, [&again.webhook.key], "{context}");
            let known = rig.ledger().webhook(Provider::Quicklysign, &again.webhook.key).await.expect("the ledger");
            assert_eq!(known.map(|known| known.entity), Some(pack), "{context}");
        }
    }
}
