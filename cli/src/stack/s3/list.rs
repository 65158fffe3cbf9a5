//! ListObjectsV2 and ListObjectVersions: sorts, groups by delimiter and cuts into pages.
//!
//! A listing is a sequence of items, each a key or a common prefix, in the order of their UTF-8 bytes. A page's continuation
//! token is its last item, so a listing continues correctly whatever is put or deleted between two pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    ChecksumAlgorithm, CommonPrefix, ETag, EncodingType, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass, ObjectVersion, Timestamp,
};
use s3s::{S3Result, s3_error};

use super::object::Properties;

/// S3's own limit.
const MAX_KEYS: i32 = 1000;

/// The characters that `encoding-type=url` doesn't encode.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

enum Item {
    Key(Properties),
    Prefix(String),
}

impl Item {
    fn name(&self) -> &str {
        match self {
            Self::Key(properties) => &properties.key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// One page of `objects`, all of which begin with the requested prefix.
///
/// # Errors
/// `InvalidArgument` for a continuation token that isn't ours, or a negative `max-keys`.
pub(super) fn page(objects: Vec<Properties>, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let requested = input.max_keys.unwrap_or(MAX_KEYS);
    let limit = usize::try_from(requested.min(MAX_KEYS))
        .map_err(|_| s3_error!(InvalidArgument, "max-keys can't be negative."))?;
    let after = input.continuation_token.as_deref().map(read_token).transpose()?;
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());

    let mut items = items(objects, prefix, delimiter, input.start_after.as_deref());
    if let Some(after) = after {
        items.retain(|item| item.name() > after.as_str());
    }
    // As in S3, a page with `max-keys` of zero is the end of the list.
    let truncated = limit > 0 && items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| truncated).map(|item| write_token(item.name()));

    let url = input.encoding_type.as_ref().map(EncodingType::as_str) == Some(EncodingType::URL);
    let encode = |text: String| match url {
        true => utf8_percent_encode(&text, &PLAIN).to_string(),
        false => text,
    };
    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Key(properties) => contents.push(entry(properties, encode)),
            Item::Prefix(prefix) => prefixes.push(CommonPrefix { prefix: Some(encode(prefix)) }),
        }
    }
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        max_keys: Some(requested),
        key_count: i32::try_from(contents.len() + prefixes.len()).ok(),
        is_truncated: Some(truncated),
        contents: Some(contents),
        common_prefixes: Some(prefixes),
        continuation_token: input.continuation_token,
        next_continuation_token: next,
        prefix: input.prefix.map(encode),
        delimiter: input.delimiter.map(encode),
        start_after: input.start_after.map(encode),
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}

/// One page of the versions of `objects`, all of which begin with the requested prefix. Each has one version, `null`.
pub(super) fn versions(mut objects: Vec<Properties>, input: ListObjectVersionsInput) -> ListObjectVersionsOutput {
    objects.sort_by(|one, other| one.key.cmp(&other.key));
    let limit = usize::try_from(input.max_keys.unwrap_or(MAX_KEYS).clamp(1, MAX_KEYS)).unwrap_or(1);
    if let Some(marker) = input.key_marker.as_deref() {
        objects.retain(|object| object.key.as_str() > marker);
    }
    let truncated = objects.len() > limit;
    objects.truncate(limit);
    let next = objects.last().filter(|_| truncated).map(|object| object.key.clone());
    let version = |properties: Properties| ObjectVersion {
        key: Some(properties.key),
        size: i64::try_from(properties.size).ok(),
        version_id: Some("null".to_owned()),
        is_latest: Some(true),
        ..Default::default()
    };
    ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: input.prefix,
        key_marker: input.key_marker,
        is_truncated: Some(truncated),
        next_version_id_marker: next.as_ref().map(|_| "null".to_owned()),
        next_key_marker: next,
        versions: Some(objects.into_iter().map(version).collect()),
        ..Default::default()
    }
}

fn items(mut objects: Vec<Properties>, prefix: &str, delimiter: Option<&str>, start_after: Option<&str>) -> Vec<Item> {
    objects.sort_by(|one, other| one.key.cmp(&other.key));
    let mut items: Vec<Item> = Vec::new();
    for properties in objects {
        if start_after.is_some_and(|start| properties.key.as_str() <= start) {
            continue;
        }
        match delimiter.and_then(|delimiter| common_prefix(&properties.key, prefix, delimiter)) {
            None => items.push(Item::Key(properties)),
            // Keys with the same common prefix are adjacent.
            Some(common) if items.last().is_some_and(|last| last.name() == common) => {}
            Some(common) => items.push(Item::Prefix(common.to_owned())),
        }
    }
    items
}

/// The part of `key` up to and including the first `delimiter` after `prefix`.
fn common_prefix<'key>(key: &'key str, prefix: &str, delimiter: &str) -> Option<&'key str> {
    let rest = key.strip_prefix(prefix)?;
    let end = prefix.len() + rest.find(delimiter)? + delimiter.len();
    key.get(..end)
}

fn entry(properties: Properties, encode: impl Fn(String) -> String) -> Object {
    let algorithms =
        properties.checksums.keys().map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())).collect();
    Object {
        key: Some(encode(properties.key)),
        size: i64::try_from(properties.size).ok(),
        e_tag: Some(ETag::Strong(properties.etag)),
        last_modified: Some(Timestamp::from(std::time::SystemTime::from(properties.last_modified))),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        checksum_algorithm: Some(algorithms),
        ..Default::default()
    }
}

fn write_token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

fn read_token(token: &str) -> S3Result<String> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token is not one of ours."))
}
