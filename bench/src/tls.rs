//! TLS in front of an embedded service: a throw-away certificate authority, a certificate for loopback, and a proxy.
//!
//! The functions must trust the authority. Their SDK reads the trusted certificates from the operating system's file,
//! or from the file in `SSL_CERT_FILE`. The bench sets it to a copy of the system's file with one more certificate, so
//! that reading about 140 certificates is measured, as it happens in Lambda.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

/// Files with all certificates that the system trusts: on Debian, and on Amazon Linux.
pub const SYSTEM: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// A TLS endpoint in front of a plain HTTP service.
pub struct Terminator {
    /// `https://…`
    pub url: String,
    /// The file for `SSL_CERT_FILE`: the system's certificates and the throw-away authority's, in PEM.
    pub certificates: PathBuf,
}

impl Terminator {
    /// Listens on a free port, and forwards all connections to `to`, an `http://…` URL.
    ///
    /// # Errors
    /// When a certificate can't be generated, or no port is free.
    pub async fn start(to: &str, folder: &Path, parts: &mut JoinSet<()>) -> Result<Self> {
        let mut authority = CertificateParams::new([])?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;

        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let mut config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key)?;
        // DynamoDB doesn't support HTTP/2.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let system = SYSTEM.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let certificates = folder.join("certificates.pem");
        fs::write(&certificates, system + "\n" + &authority.pem())?;

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://{}", listener.local_addr()?);
        let to = to.strip_prefix("http://").context("an http URL")?.to_owned();
        parts.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream.set_nodelay(true));
                connections.spawn(forward(stream, acceptor.clone(), to.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { url, certificates })
    }
}

/// Forwards one connection in both directions until either side closes it.
async fn forward(stream: TcpStream, acceptor: TlsAcceptor, to: String) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let Ok(mut behind) = TcpStream::connect(to).await else { return };
    drop(behind.set_nodelay(true));
    drop(copy_bidirectional(&mut stream, &mut behind).await);
}
