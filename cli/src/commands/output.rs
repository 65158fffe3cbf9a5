//! The result of a command: JSON for programs, tables for people, errors with a stable code.

use std::{fmt, io::Write, process::ExitCode};

use comfy_table::{ContentArrangement, Table, presets};
use countersign::domain::LedgerError;
use serde::Serialize;
use serde_json::{Value, json};

use crate::simulator::callbacks::CallbackError;

/// A command's result, in both forms.
pub struct Output {
    json: Value,
    text: String,
    ok: bool,
}

impl Output {
    /// A JSON document, and the same as text for people.
    pub fn new(json: &impl Serialize, text: impl Into<String>) -> Result<Self, Failure> {
        Ok(Self { json: serde_json::to_value(json)?, text: harmless(&text.into()), ok: true })
    }

    /// A text for another program, printed as it is even with `--json`.
    pub fn text(text: String) -> Self {
        Self { json: Value::Null, text, ok: true }
    }

    /// No output at all.
    pub const fn none() -> Self {
        Self { json: Value::Null, text: String::new(), ok: true }
    }

    /// Makes the command end with exit code 1 unless `ok`: it ran, and found something wrong.
    pub fn failed_unless(self, ok: bool) -> Self {
        Self { ok, ..self }
    }

    /// Prints it to standard output, and returns the exit code.
    pub fn print(self, json: bool) -> ExitCode {
        if json && !self.json.is_null() {
            write_out(&format!("{:#}\n", self.json));
        } else {
            write_out(&self.text);
        }
        if self.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Text from a service, such as an event's name, goes to a terminal. Replaces the characters that could move the cursor,
/// change colours or reverse the direction of the text that follows.
pub fn harmless(text: &str) -> String {
    let steers = |c: char| match c {
        '\n' => false,
        // Embeddings, overrides and isolates of the Unicode bidirectional algorithm.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    };
    text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn write_out(text: &str) {
    // A reader that has closed the pipe (`| head`) isn't an error.
    drop(std::io::stdout().write_all(text.as_bytes()));
}

/// Prints something that people should know although the command goes on.
pub fn warn(message: &str) {
    drop(writeln!(std::io::stderr(), "warning: {}", harmless(message)));
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    code: String,
    message: String,
    exit: u8,
}

impl Failure {
    /// A failure, exit code 1. `code` is stable.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), exit: 1 }
    }

    /// Something doesn't exist: exit code 3.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { code: "not_found".to_owned(), message: message.into(), exit: 3 }
    }

    /// The command line is wrong: exit code 2.
    pub fn usage(error: &impl fmt::Display) -> Self {
        Self { code: "usage".to_owned(), message: error.to_string().trim_end().to_owned(), exit: 2 }
    }

    /// Prints it, and returns the exit code.
    pub fn print(self, json: bool) -> ExitCode {
        if json {
            write_out(&format!("{:#}\n", json!({"error": {"code": self.code, "message": self.message}})));
        } else {
            drop(writeln!(std::io::stderr(), "error: {} ({})", harmless(&self.message), self.code));
        }
        ExitCode::from(self.exit)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        if let Some(problem) = error.downcast_ref::<LedgerError>() {
            return Self::new(problem.code(), format!("{error:#}{}", next_step(problem)));
        }
        if let Some(problem) = error.downcast_ref::<CallbackError>() {
            return Self::new(problem.code(), problem.to_string());
        }
        Self::new("failed", format!("{error:#}"))
    }
}

/// What to do about a table or bucket that can't be used.
fn next_step(problem: &LedgerError) -> &'static str {
    let LedgerError::Unavailable { code, .. } = problem else { return "" };
    match code.as_str() {
        "AccessDenied" | "AccessDeniedException" => {
            ": the credentials don't allow it; docs/deploy.md lists the permissions of an operator's role"
        }
        "ExpiredToken" | "ExpiredTokenException" | "UnrecognizedClientException" | "InvalidClientTokenId" => {
            ": the credentials have expired or are wrong; log in again"
        }
        "ResourceNotFoundException" | "NoSuchBucket" => {
            ": there is no such table or bucket; check the names and the region"
        }
        _ => ": try again; what has been done so far is kept",
    }
}

/// A table for people, fitted to the terminal's width.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table.add_rows(rows);
    format!("{table}\n")
}

/// A table's cell: the value, or a dash.
pub fn or_dash(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: &str) -> Failure {
        LedgerError::Unavailable { operation: "Query", code: code.to_owned() }.into()
    }

    #[test]
    fn an_error_of_aws_comes_with_the_next_step() {
        for (code, next) in [
            ("AccessDeniedException", "docs/deploy.md"),
            ("ExpiredTokenException", "log in again"),
            ("ResourceNotFoundException", "check the names"),
            ("timeout", "try again"),
        ] {
            let failure = failure(code);
            assert_eq!((failure.code.as_str(), failure.exit), ("unavailable", 1));
            assert!(failure.message.contains(code) && failure.message.contains(next), "{}", failure.message);
        }
        // A context around an error doesn't hide its code.
        let wrapped = anyhow::Error::from(LedgerError::Busy).context("while forgetting");
        assert_eq!(Failure::from(wrapped).code, "busy");
        assert_eq!(Failure::from(anyhow::anyhow!("else")).code, "failed");
    }
}
