//! The local stack's secrets: given in a folder, or throw-away ones that are generated at the first start.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use countersign::domain::Provider;
use serde_json::{Value, json};

use crate::simulator::{Credentials, callbacks::Proof, signing::SigningKey};

/// For each service, the secrets that verify its callbacks (`proof`) and its API credentials (`api`).
#[derive(Clone)]
pub struct Secrets {
    secrets: [Value; Provider::ALL.len()],
    folder: PathBuf,
}

impl Secrets {
    /// Reads `<provider>.json` = `{"proof": {…}, "api": {…}}` for each provider from `folder`. A provider without a file
    /// isn't configured.
    ///
    /// # Errors
    /// When the folder or a file can't be read.
    pub fn read(folder: &Path) -> Result<Self> {
        ensure!(folder.is_dir(), "there is no secrets folder {}", folder.display());
        let mut secrets = [const { Value::Null }; Provider::ALL.len()];
        for (provider, secret) in Provider::ALL.into_iter().zip(&mut secrets) {
            let file = folder.join(format!("{provider}.json"));
            if file.exists() {
                let text = fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
                // The parser's own message could repeat a secret.
                *secret = serde_json::from_str(&text)
                    .map_err(|error| anyhow::anyhow!("{}: not JSON at line {}", file.display(), error.line()))?;
            }
        }
        Ok(Self { secrets, folder: folder.canonicalize()? })
    }

    /// Reads the secrets under the data folder; generates them first if there are none.
    ///
    /// # Errors
    /// When the folder can't be read or written.
    pub fn of_data_folder(data: &Path) -> Result<Self> {
        let folder = data.join("secrets");
        if !folder.is_dir() {
            // All files appear at once: an interrupted start leaves none, and the next one generates them anew.
            let made = tempfile::tempdir_in(data)?;
            let secrets = Self::throw_away()?;
            for (provider, secret) in Provider::ALL.into_iter().zip(&secrets.secrets) {
                write_private(&made.path().join(format!("{provider}.json")), &serde_json::to_string_pretty(secret)?)?;
            }
            fs::rename(made.keep(), &folder).context("the secrets folder")?;
        }
        Self::read(&folder)
    }

    /// Generates throw-away secrets.
    ///
    /// # Errors
    /// When the operating system provides no random numbers.
    pub fn throw_away() -> Result<Self> {
        let signing_key = SigningKey::generate()?;
        let secrets = [
            json!({
                "proof": {"url_tokens": [random()?], "certificates": [signing_key.certificate()]},
                "api": {"username": "local", "secret": random()?},
                "signing_key": signing_key.to_pem(),
            }),
            json!({
                "proof": {"url_tokens": [random()?]},
                "api": {"client_id": "local", "client_secret": random()?, "api_key": random()?},
            }),
            json!({
                "proof": {"url_tokens": [random()?], "tokens": [random()?]},
                "api": {"access_token": random()?},
            }),
        ];
        Ok(Self { secrets, folder: PathBuf::new() })
    }

    /// The folder that they were read from; empty if they were generated.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A provider's proof and API secrets, `null` if it isn't configured.
    #[must_use]
    pub fn of(&self, provider: Provider) -> (&Value, &Value) {
        let secret = &self.secrets[provider as usize];
        (&secret["proof"], &secret["api"])
    }

    /// Replaces a provider's proof secret.
    pub fn set_proof(&mut self, provider: Provider, proof: Value) {
        if let Value::Object(secret) = &mut self.secrets[provider as usize] {
            secret.insert("proof".to_owned(), proof);
        }
    }

    /// A provider's first path token.
    ///
    /// # Errors
    /// When there is none.
    pub fn url_token(&self, provider: Provider) -> Result<String> {
        let token = self.of(provider).0["url_tokens"][0].as_str();
        Ok(token.with_context(|| format!("{provider} has no path token"))?.to_owned())
    }

    /// The key that the simulated Legalesign signs with.
    ///
    /// # Errors
    /// When the secrets are not throw-away ones: only Legalesign has its real key.
    pub fn signing_key(&self) -> Result<SigningKey> {
        let pem = self.secrets[Provider::Legalesign as usize]["signing_key"].as_str();
        SigningKey::from_pem(pem.context("these secrets have no key to sign as Legalesign with")?)
    }

    /// Replaces the key that the simulated Legalesign signs with, and the certificate that verifies it.
    pub fn set_signing_key(&mut self, key: &SigningKey) {
        let legalesign = &mut self.secrets[Provider::Legalesign as usize];
        legalesign["proof"]["certificates"] = json!([key.certificate()]);
        legalesign["signing_key"] = key.to_pem().into();
    }

    /// The proof of the callbacks that the simulator sends, as far as these secrets have it.
    #[must_use]
    pub fn callback_proof(&self) -> Proof {
        let token = self.of(Provider::Signeasy).0["tokens"][0].as_str();
        Proof { signing_key: self.signing_key().ok(), signeasy_token: token.map(str::to_owned) }
    }

    /// The API credentials that the simulator accepts.
    pub(crate) fn api_credentials(&self) -> Result<Credentials> {
        let apis: serde_json::Map<_, _> = Provider::ALL
            .into_iter()
            .map(|provider| (provider.to_string(), self.of(provider).1.clone()))
            .filter(|(_, api)| !api.is_null())
            .collect();
        serde_json::from_value(apis.into()).map_err(|_| anyhow::anyhow!("an API secret is not of the expected shape"))
    }
}

/// 128 random bits as URL-safe text.
fn random() -> Result<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the operating system provides no random numbers"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn write_private(file: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(file)?, text.as_bytes())?;
    Ok(())
}
