//! The binary `countersign`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    countersign_cli::commands::run().await
}
