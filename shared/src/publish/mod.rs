//! Publishing: tells other systems, through an EventBridge bus, what was recorded.

mod event;

pub use event::{
    Detail, DetailType, EventSubject, EventSubjectKind, PublishedEvent, PublishedPdf, SOURCE, UnknownDetailType,
    VERSION,
};
