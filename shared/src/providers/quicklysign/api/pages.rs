//! Lists in pages: `pagination.next` is a URL, until there is none.

use std::collections::HashSet;

use url::Url;

use super::{connection::Connection, error::ApiError};

/// A pack of fifty documents is a few pages; a hundred are a mistake or a game.
const MAX_PAGES: usize = 100;

/// The pages of one list that are still to be asked for.
pub(in crate::providers::quicklysign) struct Pages<'a> {
    connection: &'a Connection,
    asked: HashSet<Url>,
    next: Option<Url>,
}

impl<'a> Pages<'a> {
    pub(in crate::providers::quicklysign) fn new(connection: &'a Connection, first: Url) -> Self {
        Self { connection, asked: HashSet::new(), next: Some(first) }
    }

    /// The page to ask for now; nothing when all were.
    pub(in crate::providers::quicklysign) fn current(&self) -> Option<&Url> {
        self.next.as_ref()
    }

    /// Goes on to where an answer's `pagination.next` leads.
    ///
    /// # Errors
    /// When it leads elsewhere, or in a circle.
    pub(in crate::providers::quicklysign) fn turn(&mut self, next: Option<&str>) -> Result<(), ApiError> {
        let Some(page) = self.next.take() else { return Ok(()) };
        if let Some(next) = next {
            let next = self.connection.next_page(&page, next)?;
            self.asked.insert(page);
            if self.asked.contains(&next) || self.asked.len() >= MAX_PAGES {
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
    fn pages_are_turned_until_there_is_none() {
        let connection = connection("https://api.example");
        let mut pages = Pages::new(&connection, connection.endpoint("webhooks"));
        pages.turn(Some("?cursor=1")).unwrap();
        assert_eq!(pages.current().unwrap().as_str(), "https://api.example/v1/webhooks?cursor=1");
        pages.turn(None).unwrap();
        assert!(pages.current().is_none());
        pages.turn(Some("?cursor=2")).unwrap();
        assert!(pages.current().is_none(), "the last page was the last");
    }

    #[test]
    fn circles_and_lists_without_end_are_given_up() {
        let connection = connection("https://api.example");
        let mut pages = Pages::new(&connection, connection.endpoint("webhooks"));
        pages.turn(Some("?cursor=1")).unwrap();
        assert_eq!(pages.turn(Some("/v1/webhooks")), Err(ApiError::TooManyPages));
        let mut pages = Pages::new(&connection, connection.endpoint("webhooks"));
        let turned = (1..1_000).take_while(|page| pages.turn(Some(&format!("?cursor={page}"))).is_ok()).count();
        assert_eq!(turned, MAX_PAGES - 1);
    }

    #[test]
    fn a_page_elsewhere_is_not_asked_for() {
        let connection = connection("https://api.example");
        let mut pages = Pages::new(&connection, connection.endpoint("webhooks"));
        assert_eq!(pages.turn(Some("https://evil.example/")), Err(ApiError::PageElsewhere));
        assert!(pages.current().is_none());
    }
}
