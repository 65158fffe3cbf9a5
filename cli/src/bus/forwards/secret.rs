//! The secret that signs forwarded events: generated once, and stored in the data folder.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_STANDARD};
use standardwebhooks::Webhook;

/// The secret's file in the data folder.
const FILE: &str = "webhook-secret";

/// Length of a generated secret in bytes. Standard Webhooks asks for 24 to 64.
const LENGTH: usize = 32;

/// A secret of the form `whsec_<Base64>`. It has no `Debug`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Reads the data folder's secret, or generates it if there is none. Returns it, and whether it was generated.
    ///
    /// # Errors
    /// When the file can't be read or written, or holds no secret.
    pub fn of_data_folder(data: &Path) -> Result<(Self, bool)> {
        let file = Self::file(data);
        let (text, is_new) = match fs::read_to_string(&file) {
            Ok(text) => (text, false),
            Err(error) if error.kind() == ErrorKind::NotFound => (generate(data, &file)?, true),
            Err(error) => return Err(error).context(file.display().to_string()),
        };
        let secret = Self(text.trim().to_owned());
        secret.webhook().with_context(|| file.display().to_string())?;
        Ok((secret, is_new))
    }

    /// Where the data folder's secret is.
    #[must_use]
    pub fn file(data: &Path) -> PathBuf {
        data.join(FILE)
    }

    /// The secret's text, for the owner of the data folder.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The signer with this secret.
    pub(super) fn webhook(&self) -> Result<Webhook> {
        // The error of the crate could repeat a part of the secret.
        Webhook::new(&self.0).map_err(|_| anyhow!("not a webhook secret: whsec_ and Base64"))
    }
}

/// Writes a new secret to `file`. Only the owner can read it: a temporary file is private, also after it is renamed.
fn generate(folder: &Path, file: &Path) -> Result<String> {
    let mut bytes = [0; LENGTH];
    rand::fill(&mut bytes).map_err(|_| anyhow!("the operating system provides no random numbers"))?;
    let text = format!("whsec_{}", BASE64_STANDARD.encode(bytes));
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(temporary, "{text}")?;
    temporary.persist(file).context("the webhook secret")?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_generated_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let (first, is_new) = Secret::of_data_folder(folder.path()).unwrap();
        assert!(is_new && first.reveal().starts_with("whsec_"));
        let (second, is_new) = Secret::of_data_folder(folder.path()).unwrap();
        assert!(!is_new);
        assert_eq!(first.reveal(), second.reveal());
        #[cfg(unix)]
        {
            let metadata = fs::metadata(Secret::file(folder.path())).unwrap();
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_without_a_secret_is_an_error_that_does_not_repeat_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(Secret::file(folder.path()), "whsec_not*base64").unwrap();
        let problem = Secret::of_data_folder(folder.path()).err().unwrap();
        assert!(!format!("{problem:#}").contains("not*base64"), "{problem:#}");
    }
}
