//! Who takes part: every function, an empty one, and what a user would write instead.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::{events::Sort, function::Program, services::Services, tls::Terminator};

/// In what something is written.
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

/// Somebody who takes part.
pub struct Contestant {
    /// Its name in tables.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// Whether it reaches DynamoDB through TLS.
    pub tls: bool,
    /// Whether it is a callback, and not the worker, the schedule or the empty one.
    pub callback: bool,
    /// What it is called with.
    pub sort: Sort,
    /// What is started.
    pub program: Program,
}

/// Where the programs are.
pub struct Programs {
    root: PathBuf,
}

/// The functions, in the order of the tables, and what each is called with.
pub const FUNCTIONS: [(&str, Sort); 7] = [
    ("quicklysign-callback", Sort::Quicklysign),
    ("signeasy-callback", Sort::Signeasy),
    ("v1-realtime", Sort::Realtime),
    ("v1-batch", Sort::Batch(1)),
    ("final-document", Sort::NothingDue),
    ("reconcile", Sort::Sweep),
    ("quicklysign-subscribe", Sort::Subscribe),
];

/// How many of [`FUNCTIONS`] are callbacks.
const CALLBACKS: usize = 4;

/// The peer of the callbacks that aren't batches.
pub const CALLBACK_PEER: &str = "callback";

/// What the peers implement: the batch's receiver, and a callback that a path token proves.
const PEERS: [(&str, Sort); 2] = [("batch", Sort::Batch(1)), (CALLBACK_PEER, Sort::Quicklysign)];

impl Programs {
    /// Those of the repository at `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// A function's release binary.
    #[must_use]
    pub fn function(&self, name: &str) -> PathBuf {
        self.root.join("target/release").join(name)
    }

    /// `hello`, `bare` or `plain`, built as the functions are.
    #[must_use]
    pub fn own(&self, name: &str) -> PathBuf {
        self.root.join("bench/target/release").join(name)
    }

    /// The peers' interpreters and files.
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

    /// Everybody. The callbacks twice: in plain HTTP, as the peers are, and through TLS.
    ///
    /// # Errors
    /// When a program isn't there.
    pub fn contestants(&self, services: &Services, dynamodb: &str, tls: &Terminator) -> Result<Vec<Contestant>> {
        let plain = services.environment(dynamodb);
        let through_tls = services.environment_through(tls);
        let rust = |name: &str, file: PathBuf, sort, tls: bool, callback| {
            let environment = if tls { through_tls.clone() } else { plain.clone() };
            let program = Program { command: vec![file.into()], environment };
            Contestant { name: name.to_owned(), language: Language::Rust, tls, callback, sort, program }
        };
        let mut all = vec![rust("hello", self.own("hello"), Sort::Quicklysign, false, false)];
        for (position, (name, sort)) in FUNCTIONS.into_iter().enumerate() {
            let callback = position < CALLBACKS;
            all.push(rust(name, self.function(name), sort, false, callback));
            if callback {
                all.push(rust(name, self.function(name), sort, true, callback));
            }
        }
        for language in [Language::Python, Language::Node] {
            for (handler, sort) in PEERS {
                let program = Program { command: self.peer(language, handler), environment: plain.clone() };
                let name = format!("{}-{handler}", if language == Language::Python { "python" } else { "node" });
                all.push(Contestant { name, language, tls: false, callback: true, sort, program });
            }
        }
        for contestant in &all {
            for file in contestant.program.command.iter().map(Path::new).filter(|file| file.is_absolute()) {
                ensure!(file.exists(), "{} isn't there: `bash bench/run` builds it", file.display());
            }
        }
        Ok(all)
    }
}
