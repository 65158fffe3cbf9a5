use super::*;
use crate::simulator::facts::Facts;

pub(crate) fn sheet(kind: Kind) -> Sheet {
    let facts = Facts::new(Provider::Quicklysign, "a-Pack_1");
    Sheet {
        kind,
        service: Provider::Quicklysign,
        id: "a-Pack_1".to_owned(),
        title: facts.title().to_owned(),
        parties: facts.parties(),
        completed: facts.completed(),
        version: 0,
    }
}

/// Checks a file's structure as a reader does first: from the last `startxref` back through all tables, each entry must
/// point to its object. Returns the number of objects.
pub(crate) fn check(file: &[u8]) -> usize {
    assert!(file.starts_with(b"%PDF-1."));
    assert!(file.trim_ascii_end().ends_with(b"%%EOF"));
    // One character per byte, so that offsets stay correct.
    let text: String = file.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '.' }).collect();
    let mut table: Option<usize> = Some(number(text.rsplit_once("startxref").unwrap().1));
    let mut found = 0;
    while let Some(start) = table {
        let (rows, trailer) = text[start..].strip_prefix("xref\n").unwrap().split_once("trailer").unwrap();
        let mut rows = rows.lines();
        let (first, count) = rows.next().unwrap().split_once(' ').unwrap();
        let first = first.parse::<usize>().unwrap();
        for (object, row) in (first..).zip(rows.take(count.parse().unwrap())) {
            if row.trim_end().ends_with('n') {
                let object_start = format!("{object} 0 obj");
                assert!(text[number(row)..].starts_with(&object_start), "{object_start} isn't at the offset in {row}");
                found += 1;
            }
        }
        table = trailer.split_once(">>").unwrap().0.split_once("/Prev").map(|(_, offset)| number(offset));
    }
    found
}

fn number(text: &str) -> usize {
    let digits: String = text.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

fn rendering(number: u64) -> Option<Rendering> {
    Some(Rendering { number, at: Timestamp::from_second(1_760_000_000).unwrap() })
}

#[test]
fn every_kind_is_a_readable_file() {
    for kind in [Kind::Contract, Kind::Draft, Kind::Certificate, Kind::AuditLog] {
        // Catalogue, page tree, information, four fonts, the page and its content.
        assert_eq!(check(&render(&[sheet(kind)], Seal::None, rendering(1))), 9);
    }
    assert_eq!(check(&render(&[sheet(Kind::Contract), sheet(Kind::Certificate)], Seal::None, None)), 11);
}

#[test]
fn renderings_differ_but_a_version_is_always_the_same() {
    let sheets = [sheet(Kind::Contract)];
    assert_ne!(render(&sheets, Seal::None, rendering(1)), render(&sheets, Seal::None, rendering(2)));
    assert_eq!(render(&sheets, Seal::None, None), render(&sheets, Seal::None, None));
    let newer = [Sheet { version: 1, ..sheet(Kind::Contract) }];
    assert_ne!(render(&sheets, Seal::None, None), render(&newer, Seal::None, None));
}

#[test]
fn a_title_with_unencodable_characters_gives_a_readable_file() {
    let sheet = Sheet { title: "Mietvertrag (\u{201e}Küche\u{201c}) \\ \u{4e2d}".to_owned(), ..sheet(Kind::Contract) };
    assert_eq!(check(&render(&[sheet], Seal::None, None)), 9);
}

#[test]
fn a_padded_file_is_readable_and_has_the_requested_size() {
    let small = render(&[sheet(Kind::Contract)], Seal::None, None);
    let least = small.len() as u64 + 300;
    // Around powers of ten, numbers in the file get an additional digit.
    for size in [least, 9_999, 10_000, 10_001, 99_999, 100_000, 100_150, 100_300, 1_000_000, 3 * 1024 * 1024 + 7] {
        let bulk = Bulk::new(small.clone(), size.max(least));
        let file: Vec<u8> = bulk.pieces().flatten().collect();
        assert_eq!(file.len() as u64, bulk.size());
        assert_eq!(file.len() as u64, size.max(least));
        assert_eq!(check(&file), 10);
    }
}

#[test]
fn a_too_small_size_gives_the_smallest_file() {
    let small = render(&[sheet(Kind::Contract)], Seal::None, None);
    let bulk = Bulk::new(small.clone(), 10);
    let file: Vec<u8> = bulk.pieces().flatten().collect();
    assert!(file.len() > small.len() && file.len() < small.len() + 300);
    assert_eq!(check(&file), 10);
}

#[test]
fn text_is_wrapped_and_long_words_are_broken() {
    assert_eq!(page::wrap("one two three", 7), ["one two", "three"]);
    assert_eq!(page::wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
    assert_eq!(page::wrap("", 4), [""]);
}

/// The verdict on the signatures within a file, in one line.
fn signatures(file: Vec<u8>) -> String {
    let mut document = countersign::pdf::Document::open(std::io::Cursor::new(file)).unwrap();
    let found = countersign::pdf_signatures::inspect(&mut document, None, Timestamp::UNIX_EPOCH).unwrap();
    let each = found.signatures.iter().map(|signature| {
        format!(
            "{} {}: {}",
            signature.verdict.as_str(),
            signature.kind.as_str(),
            signature.coverage.describe(found.revisions)
        )
    });
    each.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_sealed_file_is_readable_and_its_signature_is_intact() {
    for (seal, expected) in [
        (Seal::None, ""),
        (Seal::Approval, "intact approval: the whole file"),
        (Seal::Certification, "intact certification: the whole file"),
    ] {
        let file = render(&[sheet(Kind::Contract)], seal, rendering(1));
        assert_eq!(check(&file), if seal == Seal::None { 9 } else { 11 });
        assert_eq!(file, render(&[sheet(Kind::Contract)], seal, rendering(1)), "the same bytes each time");
        assert_eq!(signatures(file), expected);
    }
    let bulk = Bulk::new(render(&[sheet(Kind::Contract)], Seal::Approval, None), 100_000);
    assert_eq!(signatures(bulk.pieces().flatten().collect()), "intact approval: revision 1 of 2");
}
