//! The page of a document: its events.

use end_to_end::{LocalStack, from_now, legalesign::status};
use jiff::{SignedDuration, tz::TimeZone};

use super::get;

/// Legalesign's code of the status "sent".
const SENT: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn the_note_on_an_event_is_shown_in_words_and_as_its_code() {
    let stack = LocalStack::start().await;
    for (id, minutes) in [("soon", 4), ("late", 6)] {
        let at = from_now(SignedDuration::from_mins(minutes)).to_zoned(TimeZone::UTC);
        let at = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        assert_eq!(stack.post_batch(&[status("document", id, SENT, &at)]).await.verdict(), (200, "recorded", "ok"));
    }
    stack.post_quicklysign("document_updated", "unknown").await;
    for (page, note) in [
        ("legalesign/document/soon", None),
        (
            "legalesign/document/late",
            Some("the time is later than the receipt, so its zone or a clock is wrong <code>time_after_receipt</code>"),
        ),
        (
            "quicklysign/document_pack/unknown",
            Some("the callback names no webhook, or one that isn’t known <code>unknown_subscription</code>"),
        ),
    ] {
        let text = get(&stack, &format!("/documents/{page}")).await.text();
        let shown = text.split_once("note: ").and_then(|(_, rest)| rest.split_once("</div>")).map(|(note, _)| note);
        assert_eq!(shown, note, "{page}");
    }
}
