//! What a log line could contain by way of a derived `Debug`.

use countersign::{domain::Route, intake};
use end_to_end::{DirectFunctions, Stored, harness::deliveries, pack, quicklysign};

#[tokio::test(flavor = "multi_thread")]
async fn debug_output_of_readings_and_timelines_has_no_payload() {
    const PRIVATE: &str = "bob.private@example.com";
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let delivery = deliveries::delivery(Route::Quicklysign, quicklysign::body(PRIVATE, "private"));
    let reading = deliveries::services().read(&delivery).unwrap();
    let event = &reading.events[0];
    assert!(event.name == PRIVATE && event.payload.contains(PRIVATE));
    ledger.accept(&delivery).await.unwrap();
    intake::record(&ledger, &deliveries::services(), &delivery).await.unwrap();
    let timeline = functions.timeline(&pack("private")).await;
    assert!(timeline.events[0].name == PRIVATE);
    let stored = ledger.delivery(delivery.id()).await.unwrap().unwrap();
    for text in [format!("{event:?}"), format!("{reading:?}"), format!("{timeline:?}"), format!("{:?}", stored.record)]
    {
        assert!(!text.contains(PRIVATE), "{text}");
    }
}
