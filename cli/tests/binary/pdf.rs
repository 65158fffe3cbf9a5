//! Checks that a file opens in a PDF reader, by doing what a reader does first.

/// Reads a PDF from its end: the last `startxref` leads to the cross-reference table, each of its entries to an object, and
/// the trailer to the catalogue, which has pages.
pub fn assert_opens(file: &[u8]) {
    // One character per byte, so that offsets stay valid.
    let text: String = file.iter().map(|byte| char::from(*byte)).collect();
    assert!(text.starts_with("%PDF-1."));
    assert!(text.trim_end().ends_with("%%EOF"));
    let at = |offset: usize| text.char_indices().nth(offset).map_or("", |(start, _)| &text[start..]);
    let table = at(number(text.rsplit_once("startxref").unwrap().1));
    let (rows, rest) = table.strip_prefix("xref").unwrap().trim_start().split_once("trailer").unwrap();
    let mut rows = rows.lines();
    let (first, count) = rows.next().unwrap().split_once(' ').unwrap();
    let first = number(first);
    assert_eq!(number(count), rows.clone().count());
    for (object, row) in rows.enumerate().filter(|(_, row)| row.trim_end().ends_with('n')) {
        let head = format!("{} 0 obj", first + object);
        assert!(at(number(row)).starts_with(&head), "{head} isn't where {row} says");
    }
    let trailer = rest.split_once(">>").unwrap().0;
    let catalogue = object(&text, number(trailer.split_once("/Root").unwrap().1));
    assert!(catalogue.contains("/Type /Catalog"), "{catalogue}");
    let pages = object(&text, number(catalogue.split_once("/Pages").unwrap().1));
    assert!(number(pages.split_once("/Count").unwrap().1) > 0, "{pages}");
}

fn object(text: &str, number: usize) -> &str {
    let start = text.find(&format!("\n{number} 0 obj")).unwrap();
    text[start..].split_once("endobj").unwrap().0
}

fn number(text: &str) -> usize {
    let digits: String = text.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number: {}", &text[..text.len().min(40)]))
}
