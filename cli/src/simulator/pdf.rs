//! Real PDFs with one A4 page per document, which open in any reader and look like a short contract, a draft of it, a
//! certificate or an audit log.
//!
//! Services render certificates and audit logs again for every download, and final documents at least for every version.
//! A [`Rendering`] puts its number and time into the page and the file, so that two renderings never have the same
//! bytes. Without one, the same sheets always give the same bytes.

use countersign::domain::Provider;
use jiff::Timestamp;
use pdf_writer::{Content, Date, Finish as _, Name, Pdf, Rect, Ref, TextStr};

pub use bulk::Bulk;
pub use seal::Seal;

use super::facts::Party;
use page::{Font, Page};
use seal::Field;

mod bulk;
mod page;
mod seal;

/// A4 in points.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const LEFT: f32 = 60.0;
const RIGHT: f32 = WIDTH - LEFT;

const GREY: [f32; 3] = [0.42, 0.45, 0.5];
const INK: [f32; 3] = [0.1, 0.2, 0.55];
const GREEN: [f32; 3] = [0.05, 0.5, 0.25];
const RED: [f32; 3] = [0.75, 0.15, 0.15];
const BLACK: [f32; 3] = [0.1, 0.1, 0.12];

/// The kind of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The agreement, signed by all parties.
    Contract,
    /// The agreement before it is signed.
    Draft,
    /// The history of the signatures, as SignEasy attaches it.
    Certificate,
    /// The history of the signatures, as Legalesign provides it.
    AuditLog,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// The kind of the page.
    pub kind: Kind,
    /// The service whose document it is.
    pub service: Provider,
    /// The document's id there.
    pub id: String,
    /// The document's title.
    pub title: String,
    /// The parties who sign.
    pub parties: Vec<Party>,
    /// When this version was completed.
    pub completed: Timestamp,
    /// The number of earlier versions.
    pub version: u32,
}

/// Distinguishes two renderings of the same sheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rendering {
    /// The rendering's number in this simulator, from 1.
    pub number: u64,
    /// When it was rendered.
    pub at: Timestamp,
}

/// Renders a PDF with one page per sheet.
#[must_use]
pub fn render(sheets: &[Sheet], seal: Seal, rendering: Option<Rendering>) -> Vec<u8> {
    let [catalog, tree, info, helvetica, bold, times, courier] = [1, 2, 3, 4, 5, 6, 7].map(Ref::new);
    let mut next = (8..).map(Ref::new);
    let field = Field::new(seal, &mut next);
    let mut pdf = Pdf::new();
    let made = rendering.map(|rendering| rendering.at).or(sheets.first().map(|sheet| sheet.completed));
    let mut root = pdf.catalog(catalog);
    root.pages(tree).lang(TextStr("en-GB"));
    if let Some(field) = field {
        field.list(&mut root);
    }
    root.finish();
    let fonts = [(Font::Helvetica, helvetica), (Font::Bold, bold), (Font::Times, times), (Font::Courier, courier)];
    for (font, id) in fonts {
        let name = font.base_font();
        pdf.type1_font(id).base_font(name).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    let mut kids = Vec::new();
    for (index, sheet) in sheets.iter().enumerate() {
        let (Some(page_id), Some(content_id)) = (next.next(), next.next()) else {
            break;
        };
        kids.push(page_id);
        let mut page = pdf.page(page_id);
        page.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(tree).contents(content_id);
        if let Some(field) = field.filter(|_| index == 0) {
            page.annotations([field.field]);
        }
        let mut resources = page.resources();
        let mut dictionary = resources.fonts();
        for (font, id) in fonts {
            dictionary.pair(font.name(), id);
        }
        dictionary.finish();
        resources.finish();
        page.finish();
        let content = draw(sheet, (index + 1, sheets.len()), rendering);
        pdf.stream(content_id, &content.finish());
    }
    if let (Some(field), Some(first_page)) = (field, kids.first()) {
        field.write(&mut pdf, *first_page, made.unwrap_or_default());
    }
    let count = i32::try_from(kids.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids(kids).count(count);
    let mut information = pdf.document_info(info);
    if let Some(sheet) = sheets.first() {
        information.title(TextStr(&sheet.title));
    }
    information.producer(TextStr("Countersign simulator"));
    if let Some(made) = made {
        information.creation_date(date(made));
    }
    information.finish();
    seal::sign(pdf.finish())
}

fn draw(sheet: &Sheet, number: (usize, usize), rendering: Option<Rendering>) -> Content {
    let mut page = Page::new();
    page.text(Font::Bold, 9.0, GREY, LEFT, &format!("{}  (simulated)", sheet.service.display_name()));
    page.text(Font::Helvetica, 9.0, GREY, RIGHT - 52.0, &format!("Page {} of {}", number.0, number.1));
    page.down(14.0);
    page.rule(GREY);
    page.down(40.0);
    let title = match sheet.kind {
        Kind::Contract | Kind::Draft => sheet.title.clone(),
        Kind::Certificate => "Certificate of completion".to_owned(),
        Kind::AuditLog => "Audit log".to_owned(),
    };
    for line in page::wrap(&title, 40) {
        page.text(Font::Bold, 22.0, BLACK, LEFT, &line);
        page.down(26.0);
    }
    page.down(2.0);
    facts(&mut page, sheet);
    match sheet.kind {
        Kind::Contract | Kind::Draft => contract(&mut page, sheet),
        Kind::Certificate | Kind::AuditLog => history(&mut page, sheet),
    }
    let made = match rendering {
        Some(Rendering { number, at }) => format!("Rendering {number}, created {at:.0}."),
        None => format!("Version {}.", sheet.version + 1),
    };
    page.footer(&format!("{made} Made by a simulator of {}; it is not legally binding.", sheet.service.display_name()));
    page.content
}

/// The table under the title.
fn facts(page: &mut Page, sheet: &Sheet) {
    if matches!(sheet.kind, Kind::Certificate | Kind::AuditLog) {
        page.labelled("Document", Font::Helvetica, &sheet.title);
    }
    page.labelled("Document id", Font::Courier, &sheet.id);
    let (label, time) = match sheet.kind {
        Kind::Draft => ("Status", "Draft, not signed".to_owned()),
        _ => ("Completed", moment(sheet.completed)),
    };
    page.labelled(label, Font::Helvetica, &time);
    page.labelled("Version", Font::Helvetica, &(sheet.version + 1).to_string());
    for party in &sheet.parties {
        page.labelled("Party", Font::Helvetica, &format!("{}, {}", party.name(), party.email));
    }
    page.down(10.0);
    page.rule(GREY);
    page.down(26.0);
}

fn contract(page: &mut Page, sheet: &Sheet) {
    let mut names = sheet.parties.iter().map(Party::name);
    let (first, second) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let clauses = [
        ("1. Subject", format!("{first} and {second} agree to the terms of this document, \"{}\". It takes effect on the day on which the last party signs it, and replaces all earlier agreements on the same matter.", sheet.title)),
        ("2. Duties", format!("{first} delivers the agreed services on time and in the quality that is usual in the trade. {second} accepts them and pays within thirty days of the invoice. Neither party may assign these duties to a third party without the other's written consent.")),
        ("3. End", "Either party may terminate the agreement to the end of a month with three months' written notice. Obligations that arose before then remain due. If one clause turns out to be void, the others remain in force.".to_owned()),
    ];
    for (heading, clause) in clauses {
        page.text(Font::Bold, 11.0, BLACK, LEFT, heading);
        page.down(16.0);
        page.paragraph(&clause);
        page.down(12.0);
    }
    page.down(4.0);
    for (index, party) in sheet.parties.iter().enumerate() {
        match sheet.kind {
            Kind::Draft => page.signature(&party.name(), "waiting for a signature", None),
            _ => {
                let who = format!("Signed by {}, {}", party.email, moment(signed(sheet, index)));
                page.signature(&party.name(), &who, Some("SIGNED"));
            }
        }
    }
    if sheet.kind == Kind::Draft {
        page.stamp("DRAFT", RED);
    }
}

fn history(page: &mut Page, sheet: &Sheet) {
    page.text(Font::Bold, 11.0, BLACK, LEFT, "History");
    page.down(20.0);
    for (index, party) in sheet.parties.iter().enumerate() {
        let steps = [(8, "received the request by e-mail"), (4, "opened the document"), (0, "signed the document")];
        for (minutes, action) in steps {
            let at = earlier(signed(sheet, index), minutes);
            page.text(Font::Courier, 9.0, GREY, LEFT, &moment(at));
            page.text(Font::Helvetica, 10.0, BLACK, LEFT + 150.0, &format!("{} {action}", party.name()));
            page.down(17.0);
        }
    }
    page.text(Font::Courier, 9.0, GREY, LEFT, &moment(sheet.completed));
    page.text(Font::Bold, 10.0, GREEN, LEFT + 150.0, "All parties have signed; the document was sealed");
    page.down(30.0);
}

/// When this party signed. The last signature completes the document; the parties sign 30 minutes apart.
fn signed(sheet: &Sheet, party: usize) -> Timestamp {
    let after = sheet.parties.len().saturating_sub(party + 1);
    earlier(sheet.completed, 30 * i64::try_from(after).unwrap_or_default())
}

fn earlier(time: Timestamp, minutes: i64) -> Timestamp {
    Timestamp::from_second(time.as_second() - 60 * minutes).unwrap_or(time)
}

fn moment(time: Timestamp) -> String {
    time.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

fn date(time: Timestamp) -> Date {
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    let part = |number: i8| u8::try_from(number).unwrap_or_default();
    Date::new(u16::try_from(time.year()).unwrap_or_default())
        .month(part(time.month()))
        .day(part(time.day()))
        .hour(part(time.hour()))
        .minute(part(time.minute()))
        .second(part(time.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

#[cfg(test)]
pub(crate) mod tests;
