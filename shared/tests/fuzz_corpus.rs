//! Runs the fuzz targets over their corpus (`fuzz/corpus`): what fuzzing found once stays found, and the targets keep
//! compiling. How to fuzz: `fuzz/README.md`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::type_complexity,
    reason = "a test says what went wrong by panicking"
)]

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::{fs, path::Path};

#[test]
fn every_target_holds_over_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in targets::ALL {
        let folder = fs::read_dir(corpus.join(name)).expect("a folder for each target");
        let mut inputs = 0;
        for file in folder {
            let path = file.expect("an entry").path();
            let input = fs::read(&path).expect("a file");
            // So that a failure names its input.
            eprintln!("{}", path.display());
            target(&input);
            // Cut off, too: the end of a body is where parsers go wrong.
            (0..input.len().min(512)).for_each(|end| target(&input[..end]));
            inputs += 1;
        }
        assert!(inputs > 0, "{name}: the corpus is empty");
    }
}
