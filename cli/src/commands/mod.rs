//! The commands. Each returns one output, printed as JSON or as text; logs go to standard error.

mod archive;
mod cloudformation;
mod completions;
mod console;
mod deliveries;
mod demo;
mod deployed;
mod documents;
mod events;
mod forget;
mod output;
mod pdf_signatures;
mod probe;
mod progress;
mod quarantine;
mod reconcile;
mod replay;
mod serve;
mod stack_version;
mod storage;
mod timeline;
mod trigger;
mod verify;
mod webhooks;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use countersign::domain::Provider;

use output::Failure;
use tracing_subscriber::{field::MakeExt, fmt::format};

/// Receives, verifies, records and archives the callbacks of e-signature services
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    globals: Globals,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Globals {
    /// Data folder of the local stack [default: ./.countersign]
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
    /// Run the local stack until it is interrupted (the default command)
    Serve(serve::Serve),
    /// Run the whole workflow once on a fresh local stack: send callbacks, archive the PDFs
    Demo,
    /// Send a callback as the service would, with valid proof
    Trigger(trigger::Trigger),
    /// List a day's deliveries (received callbacks)
    Deliveries(deliveries::Deliveries),
    /// List documents and document packs with their status
    Documents(documents::Documents),
    /// Show the events, signers and PDFs of one document, pack or signer
    Timeline(timeline::Timeline),
    /// List or follow the events that the local stack published
    Events(events::Events),
    /// Verify the signatures of stored deliveries again, offline
    Verify(verify::Verify),
    /// List and retry archive jobs
    #[command(subcommand)]
    Archive(archive::Archive),
    /// Inspect rejected requests
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    /// Verify and record stored or quarantined deliveries again
    Replay(replay::Replay),
    /// Find the form of a proof that a service documents only in part, from stored deliveries
    Probe(probe::Probe),
    /// Erase the personal data of a document, pack or signer (GDPR)
    Forget(forget::Forget),
    /// Finish interrupted work and query the services for missed callbacks
    ///
    /// Works on the data folder only. A deployed stack does this on the schedule of its function Reconcile. To run it there
    /// at once, invoke that function: docs/deploy.md has the command.
    Reconcile(reconcile::Reconcile),
    /// Manage QuicklySign's webhooks on document packs
    #[command(subcommand)]
    Webhooks(webhooks::Webhooks),
    /// Serve a web page that shows a deployed stack or the data folder
    Console(console::Console),
    /// Show which version a deployed stack runs
    Deployed(stack_version::StackVersion),
    /// Print a shell completion script
    Completions(completions::Completions),
}

/// Runs the process's command. Exit codes: 0 done, 1 failed, 2 usage, 3 not found.
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
        Command::Events(events) => events.run(globals).await,
        Command::Verify(verify) => verify.run(globals).await,
        Command::Archive(archive) => archive.run(globals).await,
        Command::Quarantine(quarantine) => quarantine.run(globals).await,
        Command::Replay(replay) => replay.run(globals).await,
        Command::Probe(probe) => probe.run(globals).await,
        Command::Forget(forget) => forget.run(globals).await,
        Command::Reconcile(reconcile) => reconcile.run(globals).await,
        Command::Webhooks(webhooks) => webhooks.run(data).await,
        Command::Deliveries(deliveries) => deliveries.run(globals).await,
        Command::Console(console) => console.run(globals).await,
        Command::Deployed(deployed) => deployed.run(globals).await,
        Command::Completions(completions) => Ok(completions.run()),
    };
    match result {
        Ok(output) => output.print(json),
        Err(failure) => failure.print(json),
    }
}

/// Logs to standard error: from INFO while serving, errors only otherwise.
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
    // Metrics are for CloudWatch only.
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

/// Parses a provider's name on the command line. Help texts and completions list the names.
fn provider() -> impl TypedValueParser<Value = Provider> {
    PossibleValuesParser::new(Provider::ALL.map(Provider::as_str)).try_map(|name| name.parse::<Provider>())
}
