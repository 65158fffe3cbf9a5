//! The data of unscripted subjects, derived from a hash of the id: the same for every request and after every restart,
//! without any storage.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::domain::Provider;
use jiff::Timestamp;

use super::service;

/// 2025-01-06T07:00:00Z; the simulated world's documents were finished in the 280 days after it.
const FIRST_DAY: i64 = 1_736_146_800;
const DAYS: u64 = 280;

const AGREEMENTS: [&str; 8] = [
    "Employment contract",
    "Consulting agreement",
    "Lease agreement",
    "Non-disclosure agreement",
    "Loan agreement",
    "Supply agreement",
    "Maintenance agreement",
    "Letter of appointment",
];

const ANNEXES: [&str; 5] = [
    "Annex: schedule of fees",
    "Annex: data protection",
    "Annex: scope of work",
    "Annex: general conditions",
    "Annex: house rules",
];

const PEOPLE: [(&str, &str); 8] = [
    ("Amina", "Dlamini"),
    ("Pieter", "van Wyk"),
    ("Fiona", "MacLeod"),
    ("Rohan", "Iyer"),
    ("Lerato", "Mokoena"),
    ("Callum", "Fraser"),
    ("Meera", "Kulkarni"),
    ("Thomas", "Whitfield"),
];

/// A person who signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// First name.
    pub first: &'static str,
    /// Last name.
    pub last: &'static str,
    /// An address at `example.com`, which is reserved (RFC 2606), so that no e-mail ever reaches a person.
    pub email: String,
}

impl Party {
    /// First and last name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

/// The generated data of one subject.
#[derive(Debug, Clone)]
pub struct Facts {
    seed: String,
    service: Provider,
}

impl Facts {
    /// The data of the subject with this id at this service.
    #[must_use]
    pub fn new(service: Provider, id: &str) -> Self {
        Self { seed: format!("{}/{id}", service), service }
    }

    /// The agreement's title.
    #[must_use]
    pub fn title(&self) -> &'static str {
        pick(&AGREEMENTS, self.draw("title"))
    }

    /// The name of the document at this position. The first one has the agreement's title.
    #[must_use]
    pub fn document_name(&self, position: usize) -> &'static str {
        match position {
            0 => self.title(),
            _ => pick(&ANNEXES, self.draw("annex").wrapping_add(position as u64)),
        }
    }

    /// The number of documents, one of those that the service's subjects may have.
    #[must_use]
    pub fn documents(&self) -> usize {
        let numbers: Vec<usize> = service(self.service).documents().collect();
        pick(&numbers, self.draw("documents"))
    }

    /// The two parties, always different people.
    #[must_use]
    pub fn parties(&self) -> Vec<Party> {
        let people = PEOPLE.len() as u64;
        let first = self.draw("party") % people;
        let second = (first + 1 + self.draw("other party") % (people - 1)) % people;
        [first, second].map(|index| party(pick(&PEOPLE, index))).to_vec()
    }

    /// When the last party signed, in whole seconds.
    #[must_use]
    pub fn completed(&self) -> Timestamp {
        let since = self.draw("completed") % (DAYS * 24 * 3600);
        let since = i64::try_from(since).unwrap_or_default();
        Timestamp::from_second(FIRST_DAY + since).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// An opaque key for a part of the subject, in QuicklySign's style: `ah` and 24 characters of base64url.
    #[must_use]
    pub fn key(&self, part: &str) -> String {
        let bytes = self.digest(part);
        format!("ah{}", URL_SAFE_NO_PAD.encode(&bytes.as_ref()[..18]))
    }

    /// An eight-digit number for a part of the subject, in SignEasy's style.
    #[must_use]
    pub fn number(&self, part: &str) -> u64 {
        10_000_000 + self.draw(part) % 90_000_000
    }

    /// A pseudo-random number. Different purposes give independent numbers.
    fn draw(&self, purpose: &str) -> u64 {
        let bytes = self.digest(purpose);
        bytes.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn digest(&self, purpose: &str) -> digest::Digest {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.seed.as_bytes());
        context.update(&[0]);
        context.update(purpose.as_bytes());
        context.finish()
    }
}

fn party((first, last): (&'static str, &'static str)) -> Party {
    let address: String = format!("{first}.{last}").to_lowercase().replace(' ', "");
    Party { first, last, email: format!("{address}@example.com") }
}

fn pick<T: Copy>(from: &[T], number: u64) -> T {
    // The remainder is smaller than the length, which is a usize.
    from[usize::try_from(number % from.len() as u64).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_has_the_same_facts() {
        let (one, again) =
            (Facts::new(Provider::Quicklysign, "a-Pack_1"), Facts::new(Provider::Quicklysign, "a-Pack_1"));
        assert_eq!(one.title(), again.title());
        assert_eq!(one.parties(), again.parties());
        assert_eq!(one.completed(), again.completed());
        assert_eq!(one.key("0"), again.key("0"));
    }

    #[test]
    fn a_restart_or_a_new_build_must_not_change_them() {
        // Pinned, because an archive that was made yesterday is compared with what the simulator says today.
        let facts = Facts::new(Provider::Quicklysign, "a-Pack_1");
        assert_eq!(facts.key("0"), "ahxYZZ9qcPjdW8i-bGKIxmgRxN");
        assert_eq!(facts.completed().to_string(), "2025-04-06T09:11:10Z");
    }

    #[test]
    fn packs_have_two_or_three_documents_and_two_different_parties() {
        let mut counts = std::collections::BTreeSet::new();
        for number in 0..40 {
            let facts = Facts::new(Provider::Quicklysign, &number.to_string());
            counts.insert(facts.documents());
            let parties = facts.parties();
            assert_ne!(parties[0], parties[1]);
        }
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn the_same_id_at_another_service_is_another_subject() {
        let keys = Provider::ALL.map(|service| Facts::new(service, "235649").key("0"));
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    }
}
