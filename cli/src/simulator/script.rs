//! How a test says what a pack, document or request does, before the product asks.

use jiff::Timestamp;

use super::Simulator;
use super::behaviour::{Answer, Download, Part, Promise, Service, Status, Subject};

/// A subject under the test's control. Every call changes what the very next request about it sees.
///
/// ```no_run
/// # use countersign_cli::simulator::{Credentials, Download, Simulator};
/// # let simulator = Simulator::new(Credentials::default());
/// simulator.pack("ahFzfnF1aWNr").documents(50).page_size(20).next_download(Download::Truncated);
/// ```
pub struct Script {
    simulator: Simulator,
    service: Service,
    id: String,
}

impl Simulator {
    /// The QuicklySign document pack with this key.
    pub fn pack(&self, key: &str) -> Script {
        self.script(Service::Quicklysign, key)
    }

    /// The Legalesign document with this id. Speaking of it puts it on the list of documents.
    pub fn document(&self, id: &str) -> Script {
        self.script(Service::Legalesign, id)
    }

    /// The SignEasy request or self-signed document with this id (of the two ids that a request has, the pending one).
    pub fn request(&self, id: &str) -> Script {
        self.script(Service::Signeasy, id)
    }

    fn script(&self, service: Service, id: &str) -> Script {
        let script = Script { simulator: self.clone(), service, id: id.to_owned() };
        script.set(|_| ());
        script
    }
}

impl Script {
    /// How far it has come.
    pub fn status(&self, status: Status) -> &Self {
        self.set(|subject| subject.status = status)
    }

    /// Whether the final PDF has been made, once the status is complete.
    pub fn ready(&self, ready: bool) -> &Self {
        self.set(|subject| subject.ready = ready)
    }

    /// What it is called.
    pub fn name(&self, name: &str) -> &Self {
        self.set(|subject| subject.name = Some(name.to_owned()))
    }

    /// The slug of the Legalesign group it belongs to.
    pub fn group(&self, slug: &str) -> &Self {
        self.set(|subject| subject.group = Some(slug.to_owned()))
    }

    /// How many documents a pack, or sources a SignEasy request, has.
    pub fn documents(&self, number: usize) -> &Self {
        self.set(|subject| subject.documents = Some(number))
    }

    /// A pack's documents come in pages of this many, each but the last with `pagination.next`.
    pub fn page_size(&self, documents: usize) -> &Self {
        self.set(|subject| subject.page_size = Some(documents.max(1)))
    }

    /// The service makes its files anew: other bytes, another version marker.
    pub fn regenerate(&self) -> &Self {
        self.set(|subject| subject.version += 1)
    }

    /// As [`Self::regenerate`], for the document at this position only.
    pub fn regenerate_document(&self, position: usize) -> &Self {
        self.set(|subject| *subject.document_versions.entry(position).or_default() += 1)
    }

    /// When its first version was made, to the second.
    pub fn modified(&self, time: Timestamp) -> &Self {
        self.set(|subject| subject.modified = Some(time))
    }

    /// Its signed PDFs are of exactly this many bytes, or as small as they can be.
    pub fn size(&self, bytes: u64) -> &Self {
        self.set(|subject| subject.size = Some(bytes))
    }

    /// What `hash_value` says.
    pub fn promise(&self, promise: Promise) -> &Self {
        self.set(|subject| subject.promise = promise)
    }

    /// What the API answers about it from now on.
    pub fn answer(&self, answer: Answer) -> &Self {
        self.set(|subject| subject.answer = Some(answer))
    }

    /// The API answers about it as documented again.
    pub fn recover(&self) -> &Self {
        self.set(|subject| subject.answer = None)
    }

    /// What the API answers about it once, before [`Self::answer`] holds again. Further calls queue up.
    pub fn next_answer(&self, answer: Answer) -> &Self {
        self.set(|subject| subject.next_answers.push_back(answer))
    }

    /// What comes of its signed documents from now on.
    pub fn download(&self, download: Download) -> &Self {
        self.set(|subject| subject.download = download)
    }

    /// As [`Self::download`], for this file only.
    pub fn download_of(&self, part: Part, download: Download) -> &Self {
        self.set(|subject| {
            subject.downloads.insert(part, download);
        })
    }

    /// What comes of the next signed document that is asked for, once. Further calls queue up.
    pub fn next_download(&self, download: Download) -> &Self {
        self.set(|subject| subject.next_downloads.push_back(download))
    }

    /// The `serve_pdf_url` of a pack's documents; `{n}` becomes the document's position.
    pub fn serve_pdf_url(&self, url: &str) -> &Self {
        self.set(|subject| subject.file_url = Some(url.to_owned()))
    }

    /// Where in `data` a pack's documents are: the fields that lead to the array. The default is the pack itself
    /// under `document_pack`, and its `documents`.
    pub fn nested_under(&self, fields: &[&str]) -> &Self {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self.set(|subject| subject.nesting = Some(fields))
    }

    /// Whether a pack's PDFs ask for the access token too.
    pub fn protected(&self, protected: bool) -> &Self {
        self.set(|subject| subject.protected = protected)
    }

    /// Whether Legalesign answers with the final PDF itself (200) instead of a short-lived location (302).
    pub fn inline(&self, inline: bool) -> &Self {
        self.set(|subject| subject.inline = inline)
    }

    /// The id of the signed file of a SignEasy request, if it is not the request's own.
    pub fn signed_as(&self, signed_id: &str) -> &Self {
        self.simulator.state().signed.insert(signed_id.to_owned(), self.id.clone());
        self.set(|subject| subject.signed_as = Some(signed_id.to_owned()))
    }

    fn set(&self, change: impl FnOnce(&mut Subject)) -> &Self {
        let mut state = self.simulator.state();
        change(state.subjects.entry((self.service, self.id.clone())).or_default());
        drop(state);
        self
    }
}
