//! BER elements: tag, length, content (ITU-T X.690).

use asn1_rs::{Any, Class, FromBer, Oid};

use super::fault::CmsFault;

pub(super) const INTEGER: u32 = 2;
pub(super) const OCTET_STRING: u32 = 4;
pub(super) const OBJECT: u32 = 6;
pub(super) const UTC_TIME: u32 = 23;
pub(super) const GENERALIZED_TIME: u32 = 24;
pub(super) const SEQUENCE: u32 = 16;
pub(super) const SET: u32 = 17;

/// An element.
#[derive(Clone, Copy)]
pub(super) struct Element<'d> {
    /// All its bytes.
    pub(super) raw: &'d [u8],
    /// The bytes of its content.
    pub(super) content: &'d [u8],
    tag: u32,
    class: Class,
    is_constructed: bool,
}

impl<'d> Element<'d> {
    /// The first element of `bytes`; what follows is ignored, since a PDF pads a signature with zeros.
    pub(super) fn first(bytes: &'d [u8]) -> Result<Self, CmsFault> {
        Elements(bytes).next().ok_or(CmsFault::Malformed)?
    }

    /// Whether it has this universal tag.
    pub(super) fn is(&self, tag: u32) -> bool {
        self.class == Class::Universal && self.tag == tag
    }

    /// Whether it has this context-specific tag.
    pub(super) fn is_context(&self, tag: u32) -> bool {
        self.class == Class::ContextSpecific && self.tag == tag
    }

    /// The same, if it has this universal tag.
    pub(super) fn must_be(self, tag: u32) -> Result<Self, CmsFault> {
        if self.is(tag) { Ok(self) } else { Err(CmsFault::Malformed) }
    }

    /// The elements in its content.
    pub(super) fn children(&self) -> Elements<'d> {
        Elements(self.content)
    }

    /// An object identifier in dotted form.
    pub(super) fn object(&self) -> Result<String, CmsFault> {
        Ok(Oid::new(self.must_be(OBJECT)?.content.into()).to_id_string())
    }

    /// The bytes of an octet string. BER may have it in several pieces.
    pub(super) fn octets(&self) -> Result<Vec<u8>, CmsFault> {
        if !self.is_constructed {
            return Ok(self.content.to_vec());
        }
        let pieces = self.children().map(|piece| Ok(piece?.must_be(OCTET_STRING)?.content));
        Ok(pieces.collect::<Result<Vec<_>, CmsFault>>()?.concat())
    }
}

/// Elements one after the other.
#[derive(Clone, Copy)]
pub(super) struct Elements<'d>(&'d [u8]);

impl<'d> Elements<'d> {
    /// The next element, which must have this universal tag.
    pub(super) fn expect(&mut self, tag: u32) -> Result<Element<'d>, CmsFault> {
        self.next().ok_or(CmsFault::Malformed)??.must_be(tag)
    }

    /// The next element, if it has this context-specific tag. Otherwise it stays the next one.
    pub(super) fn optional(&mut self, tag: u32) -> Result<Option<Element<'d>>, CmsFault> {
        let mut ahead = *self;
        match ahead.next().transpose()? {
            Some(element) if element.is_context(tag) => {
                *self = ahead;
                Ok(Some(element))
            }
            _ => Ok(None),
        }
    }
}

impl<'d> Iterator for Elements<'d> {
    type Item = Result<Element<'d>, CmsFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        let Ok((rest, any)) = Any::from_ber(bytes) else { return Some(Err(CmsFault::Malformed)) };
        self.0 = rest;
        Some(Ok(Element {
            raw: &bytes[..bytes.len() - rest.len()],
            content: any.data,
            tag: any.header.tag().0,
            class: any.header.class(),
            is_constructed: any.header.is_constructed(),
        }))
    }
}
