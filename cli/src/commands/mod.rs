//! The commands. Each gives one [`Output`], which is printed as JSON or for people; logs go to standard error.

mod archive;
mod cloudformation;
mod completions;
mod console;
mod deliveries;
mod demo;
mod deployed;
mod documents;
mod forget;
mod output;
mod progress;
mod quarantine;
mod reconcile;
mod replay;
mod serve;
mod storage;
mod timeline;
pub mod trigger;
mod verify;
mod webhooks;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use countersign::provider::Provider;

use output::Failure;
use tracing_subscriber::{field::MakeExt, fmt::format};

/// Receives, verifies, records and archives what e-signature services call back.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    globals: Globals,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Globals {
    /// The local stack's data folder [default: ./.countersign]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Print one JSON document instead of tables
    #[arg(long, global = true)]
    json: bool,
}

impl Globals {
    fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new("./.countersign"))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the local stack until it is told to end (this is what happens without a command)
    Serve(serve::Serve),
    /// Run the whole main job once on a fresh local stack: callbacks in, PDFs in the archive
    Demo,
    /// Send a documented callback, properly proven
    Trigger(trigger::Trigger),
    /// List the deliveries of a day
    Deliveries(deliveries::Deliveries),
    /// List documents and packs
    Documents(documents::Documents),
    /// Show everything that is known of one document, pack or signer
    Timeline(timeline::Timeline),
    /// Prove stored, signed deliveries again, offline
    Verify(verify::Verify),
    /// See archive orders, and have them done again
    #[command(subcommand)]
    Archive(archive::Archive),
    /// See what was refused
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    /// Take stored deliveries, or refused ones, through proof and recording again
    Replay(replay::Replay),
    /// Erase a subject's personal data where the law asks for it
    Forget(forget::Forget),
    /// Finish what was left and ask the services for what their callbacks didn't tell
    ///
    /// For the data folder. A deployed stack does it by itself, by the schedule of its function Reconcile; there is no
    /// --stack here. To have it done now, invoke that function: its name is in the stack's resources, and docs/deploy.md
    /// has the command.
    Reconcile(reconcile::Reconcile),
    /// Have QuicklySign's packs tell Countersign of their changes
    #[command(subcommand)]
    Webhooks(webhooks::Webhooks),
    /// Show what is stored on a web page: of a deployed stack, or of the data folder
    Console(console::Console),
    /// Print a script that completes commands in a shell
    Completions(completions::Completions),
}

/// Runs the process's command and says how it ended: 0 done, 1 failed, 2 usage, 3 not found.
pub async fn run() -> ExitCode {
    let given: Vec<OsString> = std::env::args_os().collect();
    let json = given.iter().any(|argument| argument == "--json");
    let arguments = match Arguments::try_parse_from(&given) {
        Ok(arguments) => arguments,
        Err(error) if json && error.use_stderr() => return Failure::usage(&error).print(true),
        Err(error) => {
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let command = arguments.command.unwrap_or_else(|| Command::Serve(serve::Serve::default()));
    start_logging(&command);
    let globals = &arguments.globals;
    let data = globals.data();
    let result = match command {
        Command::Serve(serve) => serve.run(data).await,
        Command::Demo => demo::run(data, json).await,
        Command::Trigger(trigger) => trigger.run(data).await,
        Command::Documents(documents) => documents.run(globals).await,
        Command::Timeline(timeline) => timeline.run(globals).await,
        Command::Verify(verify) => verify.run(globals).await,
        Command::Archive(archive) => archive.run(globals).await,
        Command::Quarantine(quarantine) => quarantine.run(globals).await,
        Command::Replay(replay) => replay.run(globals).await,
        Command::Forget(forget) => forget.run(globals).await,
        Command::Reconcile(reconcile) => reconcile.run(globals).await,
        Command::Webhooks(webhooks) => webhooks.run(data).await,
        Command::Deliveries(deliveries) => deliveries.run(globals).await,
        Command::Console(console) => console.run(globals).await,
        Command::Completions(completions) => Ok(completions.run()),
    };
    match result {
        Ok(output) => output.print(json),
        Err(failure) => failure.print(json),
    }
}

/// Logs go to standard error: everything that happens while serving, else only what is wrong.
fn start_logging(command: &Command) {
    let ours = match command {
        Command::Serve(_) => "info",
        Command::Demo => "off",
        _ => "error",
    };
    let others = if matches!(command, Command::Demo) { "off" } else { "warn" };
    let directives = format!(
        "{others},countersign={ours},countersign_cli={ours},final_document={ours},{}",
        crate::stack::s3::LOG_DIRECTIVE
    );
    // Metrics are for CloudWatch; a person reads the rest of the line.
    let fields = format::debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if name.starts_with("metric.") => Ok(()),
        name => write!(writer, "{name}={value:?}"),
    });
    tracing_subscriber::fmt()
        .fmt_fields(fields.delimited(" "))
        .with_env_filter(tracing_subscriber::EnvFilter::new(directives))
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}

/// Reads a provider's name from the command line.
fn provider(name: &str) -> Result<Provider, String> {
    name.parse().map_err(|error: countersign::provider::UnknownProvider| error.to_string())
}
