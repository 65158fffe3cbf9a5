//! Scripts, by which a test controls what the API reports about a pack, document or request.

use countersign::domain::Provider;
use jiff::Timestamp;

use super::Simulator;
use super::behaviour::{Answer, Download, Part, Promise, Status, Subject};

/// Controls one subject. Every change applies from the next request on.
///
/// ```no_run
/// # use countersign_cli::simulator::{Credentials, Download, Simulator};
/// # let simulator = Simulator::new(Credentials::default());
/// simulator.pack("ahFzfnF1aWNr").documents(50).page_size(20).next_download(Download::Truncated);
/// ```
pub struct Script {
    simulator: Simulator,
    service: Provider,
    id: String,
}

impl Simulator {
    /// Scripts the subject of a service with this id.
    pub(super) fn script(&self, service: Provider, id: &str) -> Script {
        let script = Script { simulator: self.clone(), service, id: id.to_owned() };
        script.set(|_| ());
        script
    }
}

impl Script {
    /// Sets its status.
    pub fn status(&self, status: Status) -> &Self {
        self.set(|subject| subject.status = status)
    }

    /// Sets whether the final PDF exists once the status is complete.
    pub fn ready(&self, ready: bool) -> &Self {
        self.set(|subject| subject.ready = ready)
    }

    /// Sets its name.
    pub fn name(&self, name: &str) -> &Self {
        self.set(|subject| subject.name = Some(name.to_owned()))
    }

    /// Sets the slug of its Legalesign group.
    pub fn group(&self, slug: &str) -> &Self {
        self.set(|subject| subject.group = Some(slug.to_owned()))
    }

    /// Sets the number of a pack's documents, or of a SignEasy request's sources.
    pub fn documents(&self, number: usize) -> &Self {
        self.set(|subject| subject.documents = Some(number))
    }

    /// Splits a pack's documents into pages of this size. All pages but the last have `pagination.next`.
    pub fn page_size(&self, documents: usize) -> &Self {
        self.set(|subject| subject.page_size = Some(documents.max(1)))
    }

    /// Regenerates its files, with other bytes and another version marker.
    pub fn regenerate(&self) -> &Self {
        self.set(|subject| subject.version += 1)
    }

    /// Like [`Self::regenerate`], but only for the document at this position.
    pub fn regenerate_document(&self, position: usize) -> &Self {
        self.set(|subject| *subject.document_versions.entry(position).or_default() += 1)
    }

    /// Sets the time of its first version, in whole seconds.
    pub fn modified(&self, time: Timestamp) -> &Self {
        self.set(|subject| subject.modified = Some(time))
    }

    /// Pads its signed PDFs to exactly this size in bytes, or to the smallest possible size if that is larger.
    pub fn size(&self, bytes: u64) -> &Self {
        self.set(|subject| subject.size = Some(bytes))
    }

    /// Sets the correctness of `hash_value`.
    pub fn promise(&self, promise: Promise) -> &Self {
        self.set(|subject| subject.promise = promise)
    }

    /// Makes the API respond like this to all requests about it.
    pub fn answer(&self, answer: Answer) -> &Self {
        self.set(|subject| subject.answer = Some(answer))
    }

    /// Ends [`Self::answer`]: the API responds as documented again.
    pub fn recover(&self) -> &Self {
        self.set(|subject| subject.answer = None)
    }

    /// Makes the API respond like this to one request about it. Several calls apply to as many requests, in order.
    pub fn next_answer(&self, answer: Answer) -> &Self {
        self.set(|subject| subject.next_answers.push_back(answer))
    }

    /// Sets the behaviour of all downloads of its signed documents.
    pub fn download(&self, download: Download) -> &Self {
        self.set(|subject| subject.download = download)
    }

    /// Like [`Self::download`], but only for this file.
    pub fn download_of(&self, part: Part, download: Download) -> &Self {
        self.set(|subject| {
            subject.downloads.insert(part, download);
        })
    }

    /// Sets the behaviour of one download of a signed document. Several calls apply to as many downloads, in order.
    pub fn next_download(&self, download: Download) -> &Self {
        self.set(|subject| subject.next_downloads.push_back(download))
    }

    /// Sets the `serve_pdf_url` of a pack's documents. `{n}` is replaced with the document's position.
    pub fn serve_pdf_url(&self, url: &str) -> &Self {
        self.set(|subject| subject.file_url = Some(url.to_owned()))
    }

    /// Sets the path of fields in `data` that leads to a pack's array of documents. The default is `document_pack`
    /// (with the pack's own fields), `documents`.
    pub fn nested_under(&self, fields: &[&str]) -> &Self {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self.set(|subject| subject.nesting = Some(fields))
    }

    /// Sets whether downloading a pack's PDFs needs the access token.
    pub fn protected(&self, protected: bool) -> &Self {
        self.set(|subject| subject.protected = protected)
    }

    /// Sets whether Legalesign responds with the final PDF itself (200) instead of a short-lived location (302).
    pub fn inline(&self, inline: bool) -> &Self {
        self.set(|subject| subject.inline = inline)
    }

    /// Gives the signed file of a SignEasy request an id of its own.
    pub fn signed_as(&self, signed_id: &str) -> &Self {
        self.simulator.state().other_ids.insert((self.service, signed_id.to_owned()), self.id.clone());
        self.set(|subject| subject.signed_as = Some(signed_id.to_owned()))
    }

    fn set(&self, change: impl FnOnce(&mut Subject)) -> &Self {
        let mut state = self.simulator.state();
        change(state.subjects.entry((self.service, self.id.clone())).or_default());
        drop(state);
        self
    }
}
