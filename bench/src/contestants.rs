//! The compared programs: every function, an empty one, and peers as a user might write them in Python and Node.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::{events::EventKind, function::Program, services::Services, tls::Terminator};

/// The language of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// A release binary.
    Rust,
    /// Python's peer.
    Python,
    /// Node's peer.
    Node,
}

/// One of the compared programs.
pub struct Contestant {
    /// Its name in tables.
    pub name: String,
    /// Its language.
    pub language: Language,
    /// Whether it reaches DynamoDB through TLS.
    pub tls: bool,
    /// Whether it receives callbacks, unlike the worker, the scheduled function and the empty one.
    pub callback: bool,
    /// The kind of its events.
    pub kind: EventKind,
    /// The program to start.
    pub program: Program,
}

/// The locations of the programs.
pub struct Programs {
    root: PathBuf,
}

/// The functions in the order of the tables, and the kinds of their events.
pub const FUNCTIONS: [(&str, EventKind); 7] = [
    ("quicklysign-callback", EventKind::Quicklysign),
    ("signeasy-callback", EventKind::Signeasy),
    ("v1-realtime", EventKind::Realtime),
    ("v1-batch", EventKind::Batch(1)),
    ("final-document", EventKind::NothingDue),
    ("reconcile", EventKind::Sweep),
    ("quicklysign-subscribe", EventKind::Subscribe),
];

/// The first functions of [`FUNCTIONS`], up to this number, receive callbacks.
const CALLBACKS: usize = 4;

/// The peer of the callbacks other than batches.
pub const CALLBACK_PEER: &str = "callback";

/// The peers: a receiver of batches, and one of callbacks with only a path token as proof, in each language; and in Python
/// also one of callbacks with the guarantees of `quicklysign-callback`.
const PEERS: [(Language, &str, EventKind); 5] = [
    (Language::Python, "batch", EventKind::Batch(1)),
    (Language::Python, CALLBACK_PEER, EventKind::Quicklysign),
    (Language::Python, "guaranteed", EventKind::Quicklysign),
    (Language::Node, "batch", EventKind::Batch(1)),
    (Language::Node, CALLBACK_PEER, EventKind::Quicklysign),
];

impl Programs {
    /// The programs of the repository at `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// A function's release binary.
    #[must_use]
    pub fn function(&self, name: &str) -> PathBuf {
        self.root.join("target/release").join(name)
    }

    /// The binary of `hello`, `bare` or `plain`, built like the functions.
    #[must_use]
    pub fn own(&self, name: &str) -> PathBuf {
        self.root.join("bench/target/release").join(name)
    }

    /// A peer's command: its interpreter and its file.
    #[must_use]
    pub fn peer(&self, language: Language, handler: &str) -> Vec<OsString> {
        let peers = self.root.join("bench/peers");
        let built = self.root.join("bench/target/peers");
        match language {
            Language::Python => {
                vec![built.join("python/bin/python").into(), peers.join("python").join(format!("{handler}.py")).into()]
            }
            Language::Node => vec!["node".into(), built.join("node").join(format!("{handler}.mjs")).into()],
            Language::Rust => Vec::new(),
        }
    }

    /// All compared programs. The callback functions occur twice: with plain HTTP like the peers, and with TLS.
    ///
    /// # Errors
    /// When a program is missing.
    pub fn contestants(&self, services: &Services, dynamodb: &str, tls: &Terminator) -> Result<Vec<Contestant>> {
        let plain = services.environment(dynamodb);
        let through_tls = services.environment_through(tls);
        let rust = |name: &str, file: PathBuf, kind, tls: bool, callback| {
            let environment = if tls { through_tls.clone() } else { plain.clone() };
            let program = Program { command: vec![file.into()], environment };
            Contestant { name: name.to_owned(), language: Language::Rust, tls, callback, kind, program }
        };
        let mut all = vec![rust("hello", self.own("hello"), EventKind::Quicklysign, false, false)];
        for (position, (name, kind)) in FUNCTIONS.into_iter().enumerate() {
            let callback = position < CALLBACKS;
            all.push(rust(name, self.function(name), kind, false, callback));
            if callback {
                all.push(rust(name, self.function(name), kind, true, callback));
            }
        }
        for (language, handler, kind) in PEERS {
            let program = Program { command: self.peer(language, handler), environment: plain.clone() };
            let name = format!("{}-{handler}", if language == Language::Python { "python" } else { "node" });
            all.push(Contestant { name, language, tls: false, callback: true, kind, program });
        }
        for contestant in &all {
            for file in contestant.program.command.iter().map(Path::new).filter(|file| file.is_absolute()) {
                ensure!(file.exists(), "{} is missing: `bash bench/run` builds it", file.display());
            }
        }
        Ok(all)
    }
}
