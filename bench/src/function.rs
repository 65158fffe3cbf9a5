//! A function as a process of its own, started as in Lambda: its start, invocations, measurements and end.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::process::{Child, Command};

use crate::runtime::Runtime;

/// A program with its arguments and its environment.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file and its arguments.
    pub command: Vec<OsString>,
    /// Its whole environment, except the variables that Lambda itself sets.
    pub environment: BTreeMap<String, String>,
}

/// A running function that waits for an event.
pub struct Function {
    runtime: Runtime,
    process: Child,
    pid: u32,
    log: PathBuf,
    /// Time from before the process was spawned to its first request for an event.
    pub started_in: Duration,
}

impl Function {
    /// Starts a function, and waits until it requests its first event. Its output goes to the file `log`.
    ///
    /// # Errors
    /// When it doesn't start. The error contains the end of its log.
    pub async fn start(program: &Program, log: &Path) -> Result<Self> {
        let mut runtime = Runtime::start().await?;
        let (file, arguments) = program.command.split_first().context("no program")?;
        let output = File::create(log)?;
        let mut command = Command::new(file);
        command
            .args(arguments)
            .env_clear()
            .envs(&program.environment)
            .env("AWS_LAMBDA_RUNTIME_API", &runtime.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        let start = Instant::now();
        let process = command.spawn().with_context(|| format!("{}", file.display()))?;
        let pid = process.id().context("the process has ended")?;
        let first_request = runtime.next_request().await.with_context(|| end_of(log))?;
        Ok(Self { runtime, process, pid, log: log.to_owned(), started_in: first_request - start })
    }

    /// Invokes the function, and waits until it requests the next event. Returns the time until the answer had arrived,
    /// and the answer.
    ///
    /// # Errors
    /// When the function fails. The error contains the end of its log.
    pub async fn call(&mut self, event: Bytes) -> Result<(Duration, Bytes)> {
        let answer = self.runtime.invoke(event).await.with_context(|| end_of(&self.log))?;
        self.runtime.next_request().await.with_context(|| end_of(&self.log))?;
        Ok(answer)
    }

    /// The processor time that the function has used so far: the sum over its live threads, from the kernel's
    /// scheduler, in nanoseconds. (`/proc/PID/stat` has a resolution of only 10 ms.)
    ///
    /// # Errors
    /// When the process has ended.
    pub fn cpu(&self) -> Result<Duration> {
        let mut total = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let times = fs::read_to_string(thread?.path().join("schedstat"))?;
            total += times.split_whitespace().next().context("schedstat")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// The function's peak memory in bytes (`VmHWM`).
    ///
    /// # Errors
    /// When the process has ended.
    pub fn peak_memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes * 1024)
    }

    /// Kills the process.
    ///
    /// # Errors
    /// When it can't be killed.
    pub async fn end(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}

fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("the end of its log:\n{}", lines[lines.len().saturating_sub(5)..].join("\n"))
}
