//! The local stack's secrets: given in a folder, or throw-away ones that are generated at the first start.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use countersign::domain::Provider;
use serde_json::{Value, json};

use crate::simulator::{Credentials, SERVICES, legalesign, signing::SigningKey};

/// The secrets that prove the events of `events/`, by the logical id of the function that they are for.
const EVENTS: &str = include_str!("../../events/env.json");

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
        let mut secrets = [const { Value::Null }; Provider::ALL.len()];
        for (service, secret) in SERVICES.iter().zip(&mut secrets) {
            *secret = service.throw_away_secret()?;
        }
        Ok(Self { secrets, folder: PathBuf::new() })
    }

    /// The folder that they were read from; empty if they were generated.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All that is kept for a provider: `{"proof": {…}, "api": {…}}`, and what only its simulated service needs. `null` if it
    /// isn't configured.
    #[must_use]
    pub const fn secret(&self, provider: Provider) -> &Value {
        &self.secrets[provider as usize]
    }

    /// A provider's proof and API secrets, `null` if it isn't configured.
    #[must_use]
    pub fn of(&self, provider: Provider) -> (&Value, &Value) {
        let secret = self.secret(provider);
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
        legalesign::signing_key(self.secret(Provider::Legalesign))
    }

    /// Replaces the key that the simulated Legalesign signs with, and the certificate that verifies it.
    pub fn set_signing_key(&mut self, key: &SigningKey) {
        let legalesign = &mut self.secrets[Provider::Legalesign as usize];
        legalesign["proof"]["certificates"] = json!([key.certificate()]);
        legalesign["signing_key"] = key.to_pem().into();
    }

    /// The same secrets, whose proofs accept what proves the events of `events/` as well.
    ///
    /// # Errors
    /// When `events/env.json` lacks a proof.
    pub fn accepting_events(mut self) -> Result<Self> {
        let functions: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_str(EVENTS).context("events/env.json")?;
        for provider in Provider::ALL {
            let variable = provider.variable("PROOF");
            let of_events = functions.values().find_map(|function| function.get(&variable));
            let of_events = of_events.with_context(|| format!("events/env.json has no {variable}"))?;
            let (own, _) = self.of(provider);
            let both = with(own, &serde_json::from_str(of_events).context("events/env.json")?);
            self.set_proof(provider, both);
        }
        Ok(self)
    }

    /// The API credentials that the simulator accepts.
    pub(crate) fn api_credentials(&self) -> Result<Credentials> {
        let apis = Provider::ALL.map(|provider| (provider, self.of(provider).1.clone()));
        Ok(Credentials::new(apis)?)
    }
}

/// A proof whose lists hold `more` as well.
fn with(proof: &Value, more: &Value) -> Value {
    let mut both = proof.clone();
    for (key, values) in more.as_object().into_iter().flatten() {
        let lists = [&proof[key], values].into_iter().filter_map(Value::as_array);
        both[key] = lists.flatten().cloned().collect();
    }
    both
}

fn write_private(file: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(file)?, text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_a_proof_are_joined_and_nothing_else_changes() {
        let own = json!({"url_tokens": ["own"], "groups": ["g"]});
        let both = with(&own, &json!({"url_tokens": ["events"], "certificates": ["c"]}));
        assert_eq!(both, json!({"url_tokens": ["own", "events"], "groups": ["g"], "certificates": ["c"]}));
    }
}
