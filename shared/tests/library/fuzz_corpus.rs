//! Runs the fuzz targets on their corpus (`fuzz/corpus`), so that earlier findings stay fixed and the targets keep
//! compiling. How to fuzz: `fuzz/README.md`.

#[expect(clippy::type_complexity, reason = "a list of names and functions")]
#[path = "../../../fuzz/targets.rs"]
mod targets;

use std::{fs, path::Path};

#[test]
fn every_fuzz_target_passes_on_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in targets::ALL {
        let folder = fs::read_dir(corpus.join(name)).expect("a folder for each target");
        let mut inputs = 0;
        for file in folder {
            let path = file.expect("an entry").path();
            let input = fs::read(&path).expect("a file");
            // So that the output of a failure names its input.
            eprintln!("{}", path.display());
            target(&input);
            // Also cut off at each byte: parsers often fail at the end of a body.
            (0..input.len().min(512)).for_each(|end| target(&input[..end]));
            inputs += 1;
        }
        assert!(inputs > 0, "{name}: the corpus is empty");
    }
}
