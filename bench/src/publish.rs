//! Writes the last results into the documents: between marks in `docs/numbers.md` and `docs/deploy.md`, and as a picture.
//! The ratios in README are copied from them by hand.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{costs::Prices, plot, report::Report, tables};

/// Writes all published results.
///
/// # Errors
/// When a file can't be written, or lacks a mark.
pub fn all(root: &Path, report: &Report, prices: &Prices) -> Result<()> {
    let of = format!("Measured {} on {}, shared with others and busy.", report.date, report.machine);
    between(&root.join("docs/deploy.md"), "costs", &tables::costs(report, prices))?;
    if let Some(load) = &report.load {
        let caption = format!("p50 and p99 of the response time · {} · {}", report.date, report.machine);
        fs::write(root.join("docs/load.svg"), plot::svg(load, &caption)).context("docs/load.svg")?;
    }
    for (name, table) in [
        ("goals", tables::goals(report)),
        ("starts", tables::starts(report)),
        ("overheads", tables::overheads(report)),
        ("batches", tables::batches(report)),
        ("document", tables::document(report)),
        ("load", tables::load(report)),
        ("of", of + "\n"),
    ] {
        between(&root.join("docs/numbers.md"), name, &table)?;
    }
    Ok(())
}

/// Replaces the text between `<!-- bench: name -->` and `<!-- /bench -->`.
fn between(file: &Path, name: &str, text: &str) -> Result<()> {
    let before = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    let after = replaced(&before, name, text).with_context(|| format!("{}: no marks for {name}", file.display()))?;
    if after != before {
        fs::write(file, after)?;
    }
    Ok(())
}

fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let start = format!("<!-- bench: {name} -->\n");
    let (head, rest) = document.split_once(&start)?;
    let (_, tail) = rest.split_once("<!-- /bench -->")?;
    Some(format!("{head}{start}\n{}\n\n<!-- /bench -->{tail}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_marks_is_replaced() {
        let document = "a\n<!-- bench: x -->\nold\n<!-- /bench -->\nb\n<!-- bench: y -->\n<!-- /bench -->\n";
        let after = replaced(document, "x", "new\n").unwrap();
        let expected = "a\n<!-- bench: x -->\n\nnew\n\n<!-- /bench -->\nb\n<!-- bench: y -->\n<!-- /bench -->\n";
        assert_eq!(after, expected);
        assert_eq!(replaced(&after, "x", "new").unwrap(), after);
        assert!(replaced(document, "z", "new").is_none());
    }
}
