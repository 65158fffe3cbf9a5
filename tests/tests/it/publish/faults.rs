//! Each call of `publish` fails in every way. In the end every event is on the bus, under the ids that a run without
//! faults gives.

use std::collections::BTreeSet;

use countersign::{domain::Route, publish::DetailType};
use end_to_end::{
    FaultyFunctions, PATIENCE,
    harness::{
        fault_proxy::{Fault, Upstream},
        published::{published, types_of},
    },
    pack, quicklysign,
};

/// Records a completed pack and archives its PDFs, without faults.
async fn archived(functions: &FaultyFunctions, id: &str) {
    functions.faults.clear();
    let body = quicklysign::body("final_document_generated", id);
    let answer = functions.post(Route::Quicklysign, None, &[("content-type", "application/json")], body).await;
    assert_eq!(answer.expect("an answer").verdict(), (200, "recorded", "ok"));
    assert!(functions.archive(&pack(id)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_at_every_call_leaves_no_event_out() {
    let functions = FaultyFunctions::start(1).await;
    archived(&functions, "counted").await;
    functions.faults.clear();
    assert!(functions.publish().await);
    let calls = functions.faults.clear();
    assert!(calls.iter().any(|call| call.upstream == Upstream::EventBridge), "{calls:?}");
    assert!(calls.iter().any(|call| call.upstream == Upstream::DynamoDb), "{calls:?}");
    let expected: BTreeSet<DetailType> = [DetailType::DocumentCompleted, DetailType::DocumentArchived].into();
    for (number, call) in calls.iter().enumerate() {
        for fault in Fault::ALL {
            let id = format!("{fault:?}-{number}");
            archived(&functions, &id).await;
            functions.faults.plan(number, 1, fault);
            let until = std::time::Instant::now() + PATIENCE;
            while !functions.publish().await {
                functions.faults.clear();
                assert!(std::time::Instant::now() < until, "{fault:?} at {call:?}");
            }
            let types = types_of(&published(&functions.bus).await, &pack(&id));
            assert_eq!(types.into_keys().collect::<BTreeSet<_>>(), expected, "{fault:?} at {call:?}");
        }
    }
}
