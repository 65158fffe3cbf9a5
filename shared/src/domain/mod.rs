//! The nouns: what a callback, an event and a final document are. Every other module speaks in these types.
//!
//! The domain does no I/O and knows no service, no table and no bucket. It imports only [`crate::proof`],
//! [`crate::outbound::Credential`] and [`crate::time`].

mod correlation;
mod delivery;
mod delivery_id;
mod envelope;
mod error;
mod event;
mod file_name;
mod inspection;
mod known;
mod outcome;
mod pdf_signature;
mod provider;
mod reading;
mod rejection;
mod signed_part;
mod subject;
mod trust;
mod webhook;

pub use correlation::{Candidate, Candidates, Correlation, CorrelationKey, Side};
pub(crate) use delivery::OwnProof;
pub use delivery::{Addressed, Delivery, Policy, Proof, Proven, Unproven};
pub use delivery_id::{DeliveryId, InvalidDeliveryId};
pub use envelope::Envelope;
pub use error::{LedgerError, Stop};
pub use event::{Event, EventId, Identity, Kind, Parts, TimeSource};
pub use file_name::FileName;
pub use inspection::{Deferral, FinalDocument, Inspection, LONGEST_PAUSE, Role, Unavailable};
pub use known::{History, Known, PastEvent};
pub use outcome::Outcome;
pub use pdf_signature::{Chain, Coverage, PdfSignature, PdfSignatures, PdfVerdict, SignatureKind, SignatureVerdict};
pub use provider::{Provider, Route, UnknownProvider};
pub use reading::{Link, Reading, Subscription, SubscriptionPolicy, Unreadable, UnreadableEntry};
pub use rejection::Rejection;
pub use signed_part::{SignedPart, SignedPartId};
pub use subject::{InvalidId, InvalidPartition, Subject, SubjectId, SubjectKind, UnknownSubjectKind};
pub use trust::Trust;
pub use webhook::{KnownWebhook, WebhookRegister};
