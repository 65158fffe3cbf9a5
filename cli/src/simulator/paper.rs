//! A service's file before rendering: its pages, its size, and whether all downloads have the same bytes.

use aws_lc_rs::digest;
use bytes::Bytes;
use jiff::Timestamp;

use super::Simulator;
use super::pdf::{self, Bulk, Rendering, Seal, Sheet};
use super::zip;

/// A file of a subject, not yet rendered.
#[derive(Debug, Clone)]
pub(super) struct Paper {
    pub sheets: Vec<Sheet>,
    /// Its exact size in bytes, if scripted.
    pub size: Option<u64>,
    /// How it is signed.
    pub seal: Seal,
    /// Whether it is rendered once per version instead of once per download.
    pub stable: bool,
    /// Whether it is a zip with each page as a PDF of its own.
    pub split: bool,
}

/// A rendered file.
pub(super) struct File {
    /// In bytes.
    pub size: u64,
    pub pieces: Box<dyn Iterator<Item = Bytes> + Send>,
    pub content_type: &'static str,
}

impl Paper {
    /// An unsigned PDF with these pages, rendered once per download.
    pub fn new(sheets: Vec<Sheet>) -> Self {
        Self { sheets, size: None, seal: Seal::None, stable: false, split: false }
    }

    /// Renders it for one download.
    pub fn render(&self, simulator: &Simulator) -> File {
        let number = simulator.state().next_rendering();
        let rendering = Rendering { number, at: Timestamp::now() };
        self.file((!self.stable).then_some(rendering))
    }

    /// The SHA-256 of a stable file, in lower-case hex.
    pub fn sha256(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        for piece in self.file(None).pieces {
            context.update(&piece);
        }
        hex(context.finish().as_ref())
    }

    fn file(&self, rendering: Option<Rendering>) -> File {
        if self.split {
            let member = |(index, sheet): (usize, &Sheet)| {
                let name = format!("{} {}.pdf", index + 1, sheet.title.replace(['/', '\\', ':'], " "));
                (name, pdf::render(std::slice::from_ref(sheet), self.seal, rendering))
            };
            let members: Vec<zip::Member> = self.sheets.iter().enumerate().map(member).collect();
            return whole(zip::archive(&members), "application/zip");
        }
        let file = pdf::render(&self.sheets, self.seal, rendering);
        match self.size {
            None => whole(file, "application/pdf"),
            Some(size) => {
                let bulk = Bulk::new(file, size);
                File { size: bulk.size(), pieces: Box::new(bulk.pieces()), content_type: "application/pdf" }
            }
        }
    }
}

fn whole(bytes: Vec<u8>, content_type: &'static str) -> File {
    let size = bytes.len() as u64;
    File { size, pieces: Box::new(std::iter::once(Bytes::from(bytes))), content_type }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
