//! Random text for throw-away secrets.

use anyhow::Result;
use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// 128 random bits as URL-safe text.
///
/// # Errors
/// When the operating system provides no random numbers.
pub(super) fn random() -> Result<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the operating system provides no random numbers"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
