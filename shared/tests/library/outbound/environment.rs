//! Proxies and trusted certificates, which depend on the process's environment.
//!
//! A process can't change its environment safely while it runs threads. So these tests start themselves again, in a
//! process with other variables; [`TARGET`] is the port that the second run connects to.

use super::certificate::Certificate;
use super::server::{Names, PATIENT, Server, client, fetch, fetch_code, reply};
use countersign::outbound::OutboundError;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};
use tokio_rustls::server::TlsStream;

const TARGET: &str = "OUTBOUND_TEST_TARGET_PORT";

/// The port that the second run connects to; `None` in the first run.
pub fn target_port() -> Option<u16> {
    std::env::var(TARGET).ok().map(|port| port.parse().unwrap())
}

async fn run_again(test: &str, port: u16, variables: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(TARGET, port.to_string())
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env_remove("SSL_CERT_DIR")
        .envs(variables.iter().copied())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// The same with this certificate as the only trusted one.
pub async fn run_again_trusting(certificate: &Certificate, test: &str, port: u16) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certificate.pem()).unwrap();
    run_again(test, port, &[("SSL_CERT_FILE", file.path().to_str().unwrap())]).await;
}

#[tokio::test]
async fn proxies_in_the_environment_are_not_used() {
    if let Some(port) = target_port() {
        let client = client(PATIENT, Names::default());
        assert_eq!(fetch_code(&client, &format!("http://files.example:{port}/")).await, "document");
        // The target doesn't speak TLS and closes the connection; a proxy in use would have received a CONNECT.
        assert_eq!(fetch_code(&client, &format!("https://files.example:{port}/")).await, "connect_failed");
        return;
    }
    let proxy = Server::that_sends(reply("200 OK", "", "from the proxy")).await;
    let target = Server::start(|_, mut stream| async move {
        let _ = stream.write_all(reply("200 OK", "", "direct").as_bytes()).await;
    })
    .await;
    let address = proxy.url("127.0.0.1", "");
    let variables = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let variables = variables.map(|variable| (variable, address.as_str()));
    run_again("outbound::environment::proxies_in_the_environment_are_not_used", target.port, &variables).await;
    assert_eq!(proxy.requests(), [] as [String; 0]);
    assert_eq!(target.requests().len(), 1);
}

/// A TLS server with this certificate that speaks `protocol` (an ALPN name).
pub async fn tls_server<F, S>(certificate: &Certificate, protocol: &str, serve: F) -> u16
where
    F: Fn(TlsStream<TcpStream>) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let chain = vec![CertificateDer::from(certificate.certificate.clone())];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certificate.key.clone()));
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(serve(stream));
            }
        }
    });
    port
}

#[tokio::test]
async fn certificates_must_be_trusted_and_match_the_host() {
    if let Some(port) = target_port() {
        // The certificate is trusted here, and is for files.example.
        let names = Names::default();
        let client = client(PATIENT, names);
        assert_eq!(fetch_code(&client, &format!("https://files.example:{port}/")).await, "document");
        assert_eq!(fetch_code(&client, &format!("https://a.store.example:{port}/")).await, "tls_failed");
        assert_eq!(fetch_code(&client, &format!("https://127.0.0.1:{port}/")).await, "tls_failed");
        return;
    }
    let certificate = Certificate::for_name("files.example");
    let port = tls_server(&certificate, "http/1.1", |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(reply("200 OK", "", "over TLS").as_bytes()).await;
        let _ = stream.shutdown().await;
    })
    .await;
    let error = fetch(&client(PATIENT, Names::default()), &format!("https://files.example:{port}/")).await.unwrap_err();
    let OutboundError::Tls { host, reason } = &error else {
        panic!("{error:?}");
    };
    assert_eq!((host.as_str(), reason.as_str()), ("files.example", "invalid peer certificate: UnknownIssuer"));
    assert!(error.is_transient());

    run_again_trusting(&certificate, "outbound::environment::certificates_must_be_trusted_and_match_the_host", port)
        .await;
}
