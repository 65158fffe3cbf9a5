//! TLS in front of an embedded service: a throw-away authority, a certificate for loopback, and a pipe.
//!
//! The functions have to find the authority among those that they trust. Their SDK reads the operating system's file of
//! certificates, or the one that `SSL_CERT_FILE` names; that file is the system's with one more certificate, so that
//! reading some 140 of them is measured, as it happens in Lambda.

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

/// Where distributions keep the certificates that they trust, in one file: Debian, and Amazon Linux.
pub const SYSTEM: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// A way through TLS.
pub struct Terminator {
    /// `https://…`
    pub url: String,
    /// The system's certificates and the throw-away authority's, in PEM, for `SSL_CERT_FILE`.
    pub certificates: PathBuf,
}

impl Terminator {
    /// Listens on a free port, and passes on to `to`, an `http://…` URL.
    ///
    /// # Errors
    /// When a certificate can't be made, or a port can't be had.
    pub async fn start(to: &str, folder: &Path, parts: &mut JoinSet<()>) -> Result<Self> {
        let mut authority = CertificateParams::new([])?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;

        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let mut config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key)?;
        // DynamoDB speaks no HTTP/2.
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
                connections.spawn(pass_on(stream, acceptor.clone(), to.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { url, certificates })
    }
}

/// Ends when either side does.
async fn pass_on(stream: TcpStream, acceptor: TlsAcceptor, to: String) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let Ok(mut behind) = TcpStream::connect(to).await else { return };
    drop(behind.set_nodelay(true));
    drop(copy_bidirectional(&mut stream, &mut behind).await);
}
