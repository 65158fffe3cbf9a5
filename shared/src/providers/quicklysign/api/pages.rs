//! Lists in pages: `pagination.next` is the URL of the next page; the last page has none.

use std::collections::HashSet;

use url::Url;

use super::{connection::Connection, error::ApiError};

/// Maximum number of pages. A pack of fifty documents has a few; a hundred are a mistake or an attack.
const MAX_PAGES: usize = 100;

/// The pages of one list.
pub(in crate::providers::quicklysign) struct Pages<'a> {
    connection: &'a Connection,
    requested: HashSet<Url>,
    next: Option<Url>,
}

impl<'a> Pages<'a> {
    pub(in crate::providers::quicklysign) fn new(connection: &'a Connection, first: Url) -> Self {
        Self { connection, requested: HashSet::new(), next: Some(first) }
    }

    /// The page to request; `None` after the last one.
    pub(in crate::providers::quicklysign) fn current(&self) -> Option<&Url> {
        self.next.as_ref()
    }

    /// Goes on to `next`, a response's `pagination.next`.
    ///
    /// # Errors
    /// If it has another origin, was requested before, or is one page too many.
    pub(in crate::providers::quicklysign) fn turn(&mut self, next: Option<&str>) -> Result<(), ApiError> {
        let Some(page) = self.next.take() else { return Ok(()) };
        if let Some(next) = next {
            let next = self.connection.next_page(&page, next)?;
            self.requested.insert(page);
            if self.requested.contains(&next) || self.requested.len() >= MAX_PAGES {
                return Err(ApiError::TooManyPages);
            }
            self.next = Some(next);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::connection::tests::connection, *};

    #[test]
    fn pages_end_without_a_next_one() {
        let connection = connection("https://api.example");
        let mut pages = Pages::new(&connection, connection.endpoint("webhooks"));
        pages.turn(Some("?cursor=1")).unwrap();
        assert_eq!(pages.current().unwrap().as_str(), "https://api.example/v1/webhooks?cursor=1");
        pages.turn(None).unwrap();
        assert!(pages.current().is_none());
        pages.turn(Some("?cursor=2")).unwrap();
        assert!(pages.current().is_none(), "nothing follows the last page");
    }

    #[test]
    fn loops_and_endless_lists_are_rejected() {
        let connection = connection("https://api.example");
        let mut pages = Pages::new(&connection, connection.endpoint("webhooks"));
        pages.turn(Some("?cursor=1")).unwrap();
        assert_eq!(pages.turn(Some("/v1/webhooks")), Err(ApiError::TooManyPages));
        let mut pages = Pages::new(&connection, connection.endpoint("webhooks"));
        let turned = (1..1_000).take_while(|page| pages.turn(Some(&format!("?cursor={page}"))).is_ok()).count();
        assert_eq!(turned, MAX_PAGES - 1);
    }

    #[test]
    fn a_page_of_another_origin_is_not_requested() {
        let connection = connection("https://api.example");
        let mut pages = Pages::new(&connection, connection.endpoint("webhooks"));
        assert_eq!(pages.turn(Some("https://evil.example/")), Err(ApiError::PageElsewhere));
        assert!(pages.current().is_none());
    }
}
