//! What a proven delivery was read as.

use super::{Subscribed, Unreadable};
use crate::{event::Event, subject::Subject};

/// What a delivery says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Its events, in its order.
    pub events: Vec<Event>,
    /// Its entries that can't be read. They don't keep the others from being recorded.
    pub unreadable: Vec<UnreadableEntry>,
    /// Who signs what, as far as it says so.
    pub links: Vec<Link>,
    /// Whether it says that something happened, but not what: then the provider's API is asked.
    pub ask: bool,
    /// Whether it is about a group whose documents aren't wanted.
    pub foreign: bool,
    /// The subscription under which it came, where the provider names it.
    pub subscription: Option<Subscribed>,
    /// What people should know who read its events, as a stable code.
    pub note: Option<&'static str>,
}

impl From<Vec<Event>> for Reading {
    fn from(events: Vec<Event>) -> Self {
        Self { events, ..Self::default() }
    }
}

/// One entry that can't be read, of a delivery that can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableEntry {
    /// Its position in the delivery, from 0.
    pub position: u32,
    /// What is wrong with it.
    pub cause: Unreadable,
}

/// A signer and a document that this person is to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The person.
    pub signer: Subject,
    /// The document.
    pub document: Subject,
}
