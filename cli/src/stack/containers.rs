//! A way into the stack for functions that run in containers, as `sam local` runs them.
//!
//! The loopback address of a container isn't this machine's, so a container reaches DynamoDB, S3, the event bus and the
//! simulated services only at another address. Connections to that address are forwarded to loopback. There is no way to the
//! gateway: it serves the console, and no function calls it.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{Stack, environment::secret_variables};

/// Pause after a failed `accept`, which mostly means that the process has no file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// How a container reaches this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A private address of this machine, such as that of Docker's bridge on Linux. The stack listens on it as well.
    Address(Ipv4Addr),
    /// A name that the container engine resolves, and leads to this machine's loopback address: Docker Desktop's
    /// `host.docker.internal`. Nothing more has to listen.
    Name(String),
}

impl Host {
    /// Docker's own default: the address of its bridge on Linux, and Docker Desktop's name for this machine elsewhere.
    pub const DEFAULT: &str = if cfg!(target_os = "linux") { "172.17.0.1" } else { "host.docker.internal" };
}

impl FromStr for Host {
    type Err = String;

    /// Takes a private or loopback IPv4 address, or a name that ends with `.internal`. `0.0.0.0` and public addresses
    /// are errors, because what is served isn't encrypted, and the simulated services answer everyone. So are link-local and IPv6 addresses: the
    /// functions call no API there, whatever `ALLOW_INSECURE_DOWNLOADS` says.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<Ipv4Addr>() {
            Ok(address) if address.is_private() || address.is_loopback() => Ok(Self::Address(address)),
            Ok(_) => {
                Err("not a private address: DynamoDB, S3, the event bus and the simulated services would be open to a network"
                    .to_owned())
            }
            Err(_) if is_internal_name(text) => Ok(Self::Name(text.to_owned())),
            Err(_) => Err("neither an IPv4 address nor a name like host.docker.internal".to_owned()),
        }
    }
}

fn is_internal_name(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    is_plain && text.strip_suffix(".internal").is_some_and(|name| !name.is_empty())
}

/// The way in. It is closed when this is dropped.
#[derive(Debug)]
pub struct Containers {
    /// A file for `sam local … --env-vars`. The stack removes it when it ends.
    pub env_file: PathBuf,
    _forwards: JoinSet<()>,
}

impl Stack {
    /// Lets functions in containers reach the stack, and writes the environment that they need. `with_secrets` is for
    /// throw-away secrets only: they are written too, and their proofs accept the events of `events/` as well.
    ///
    /// # Errors
    /// When the address can't be listened on, or the file can't be written.
    pub async fn admit_containers(&self, host: &Host, with_secrets: bool) -> Result<Containers> {
        let mut forwards = JoinSet::new();
        let dynamodb = admit(host, &self.endpoints.dynamodb, &mut forwards).await?;
        let s3 = admit(host, &self.endpoints.s3, &mut forwards).await?;
        let eventbridge = admit(host, &self.endpoints.eventbridge, &mut forwards).await?;
        let simulator = admit(host, &self.endpoints.simulator, &mut forwards).await?;
        let mut variables = self.settings_for(&simulator);
        variables.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), dynamodb);
        variables.insert("AWS_ENDPOINT_URL_S3".to_owned(), s3);
        variables.insert("AWS_ENDPOINT_URL_EVENTBRIDGE".to_owned(), eventbridge);
        if with_secrets {
            variables.extend(self.secrets_and_events()?);
        }
        // SAM passes each function those of `Parameters` that the template names for it.
        let env_file = self.folder.announce_to_sam(&json!({"Parameters": variables}))?;
        Ok(Containers { env_file, _forwards: forwards })
    }

    /// The functions' settings, with the simulated services at another URL than on loopback.
    fn settings_for(&self, simulator: &str) -> BTreeMap<String, String> {
        let endpoints = &self.endpoints;
        // A callback URL stays on loopback: the simulated service calls it, and doesn't run in a container.
        let moved = |value: &String| match value.strip_prefix(endpoints.simulator.as_str()) {
            Some(path) if path.starts_with('/') => format!("{simulator}{path}"),
            _ => value.clone(),
        };
        let own = endpoints.environment.iter().map(|(name, value)| (name.clone(), moved(value)));
        let mut variables: BTreeMap<String, String> = own.collect();
        let mut set = |name: &str, value: &str| variables.insert(name.to_owned(), value.to_owned());
        set("TABLE_NAME", &endpoints.table);
        set("ARCHIVE_BUCKET", &endpoints.bucket);
        set("TEMPORARY_BUCKET", &endpoints.temporary_bucket);
        set("AWS_S3_FORCE_PATH_STYLE", "true");
        set("ALLOW_INSECURE_DOWNLOADS", "private");
        variables
    }

    /// The secrets as variables. Proofs accept what proves the stack's own callbacks, and what proves `events/`.
    fn secrets_and_events(&self) -> Result<BTreeMap<String, String>> {
        Ok(secret_variables(&self.secrets.clone().accepting_events()?).collect())
    }
}

/// Makes a service on loopback reachable through `host`, and returns its URL there.
async fn admit(host: &Host, url: &str, forwards: &mut JoinSet<()>) -> Result<String> {
    let service = url.strip_prefix("http://").and_then(|address| address.parse::<SocketAddr>().ok());
    let service = service.with_context(|| format!("{url} is not on loopback"))?;
    match host {
        Host::Name(name) => Ok(format!("http://{name}:{}", service.port())),
        Host::Address(address) => {
            let listener = listen(*address, service.port()).await.with_context(|| {
                format!(
                    "listening on {address} for containers: is Docker running? On Linux, `docker network inspect \
                     bridge` names its address; Docker Desktop needs --containers host.docker.internal"
                )
            })?;
            let url = format!("http://{}", listener.local_addr()?);
            forwards.spawn(forward(listener, service));
            Ok(url)
        }
    }
}

/// Listens on the port that the service has on loopback, or on a free one if another process has it.
async fn listen(address: Ipv4Addr, port: u16) -> std::io::Result<TcpListener> {
    match TcpListener::bind((address, port)).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse => TcpListener::bind((address, 0)).await,
        other => other,
    }
}

/// Forwards connections until it is dropped, which ends them.
async fn forward(listener: TcpListener, service: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((container, _)) => drop(connections.spawn(connect(container, service))),
                Err(problem) => {
                    tracing::warn!(event = "container_not_accepted", %problem);
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Forwards one connection. An error of either side ends it, as it would without a forwarder between them.
async fn connect(mut container: TcpStream, service: SocketAddr) {
    let Ok(mut service) = TcpStream::connect(service).await else { return };
    // Requests and responses are small: none may wait for more to be sent with it.
    if container.set_nodelay(true).and_then(|()| service.set_nodelay(true)).is_ok() {
        drop(copy_bidirectional(&mut container, &mut service).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_addresses_and_internal_names_are_hosts() {
        for text in ["172.17.0.1", "10.1.2.3", "192.168.65.254", "127.0.0.2"] {
            assert_eq!(text.parse(), Ok(Host::Address(text.parse().unwrap())), "{text}");
        }
        for text in ["host.docker.internal", "host.lima.internal"] {
            assert_eq!(text.parse(), Ok(Host::Name(text.to_owned())), "{text}");
        }
        assert!(Host::DEFAULT.parse::<Host>().is_ok());
        let refused = ["0.0.0.0", "8.8.8.8", "172.32.0.1", "100.64.0.1", "169.254.1.2", "255.255.255.255"];
        let nonsense =
            ["", "::1", "localhost", "example.com", ".internal", "a b.internal", "a/.internal", "10.0.0.1:80"];
        for text in refused.into_iter().chain(nonsense) {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }
}
