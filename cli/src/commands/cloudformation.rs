//! The outputs and parameters of a deployed stack, as CloudFormation describes them.
//!
//! One call, signed by hand: the SDK's crate for CloudFormation would be the largest dependency of this workspace, for one
//! response with a few names in it.

use std::{collections::BTreeMap, time::SystemTime};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{Credentials, ProvideCredentials};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use countersign::outbound::{Client, Timeouts, UrlPolicy};
use http::{HeaderValue, Method, Request, header};
use quick_xml::{
    Reader,
    events::{BytesRef, Event},
};

use super::output::Failure;
use crate::deployment::Deployment;

/// Longest response that is read, in bytes. A stack's description has a few kilobytes.
const MAX_RESPONSE: usize = 1024 * 1024;

/// Describes the stack of this name.
///
/// # Errors
/// `no_credentials`, `no_answer`, `no_stack`, or `not_countersign` when it is another application's stack.
pub async fn describe(config: &SdkConfig, region: &str, stack: &str) -> Result<Deployment, Failure> {
    let no_credentials = |why: String| {
        let message = format!("no AWS credentials found ({why}): set AWS_PROFILE, or give --profile");
        Failure::new("no_credentials", message)
    };
    let provider = config.credentials_provider().ok_or_else(|| no_credentials("none are configured".to_owned()))?;
    let credentials = provider.provide_credentials().await.map_err(|problem| no_credentials(problem.to_string()))?;
    let override_url =
        ["AWS_ENDPOINT_URL_CLOUDFORMATION", "AWS_ENDPOINT_URL"].iter().find_map(|name| std::env::var(name).ok());
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let url = override_url.clone().unwrap_or_else(|| format!("https://cloudformation.{region}.{suffix}/"));
    let (policy, _) = UrlPolicy::only_host_of(&url, override_url.is_some())
        .map_err(|_| Failure::new("bad_url", format!("{url} is not the URL of an AWS endpoint")))?;
    let request = signed(&url, region, stack, credentials)?;
    let client = Client::new(policy, Timeouts::default());
    let response = client.call(request, MAX_RESPONSE).await.map_err(|error| {
        let message = format!("CloudFormation in {region} can't be reached: {error}; is that a region?");
        Failure::new("no_answer", message)
    })?;
    let text = String::from_utf8_lossy(response.body()).into_owned();
    if !response.status().is_success() {
        let field = |name| texts(&text, &[name]).next().map(|(_, text)| text);
        let code = field("Code").unwrap_or_else(|| response.status().to_string());
        let message = field("Message").unwrap_or_default();
        let message = format!(
            "CloudFormation in {region} can't describe stack {stack}: {code} {message} — check --stack, --region and \
             --profile, or give --table, --bucket and --temporary-bucket"
        );
        return Err(Failure::new("no_stack", message));
    }
    read(&text).ok_or_else(|| {
        let message = format!(
            "stack {stack} has no outputs TableName, ArchiveBucketName and TemporaryBucketName: is it a stack of Countersign? `aws \
             cloudformation list-stacks` lists all stacks"
        );
        Failure::new("not_countersign", message)
    })
}

fn signed(url: &str, region: &str, stack: &str, credentials: Credentials) -> Result<Request<Bytes>, Failure> {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", "DescribeStacks")
        .append_pair("Version", "2010-05-15")
        .append_pair("StackName", stack)
        .finish();
    let form = "application/x-www-form-urlencoded";
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("cloudformation")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = [(header::CONTENT_TYPE.as_str(), form)];
    let signable = SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::CONTENT_TYPE, HeaderValue::from_static(form))
        .body(Bytes::from(body))?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}

fn read(xml: &str) -> Option<Deployment> {
    Deployment::new(&pairs(xml, "OutputKey", "OutputValue"), &pairs(xml, "ParameterKey", "ParameterValue"))
}

/// The pairs of `key` and `value` elements. A key without a value is left out.
fn pairs(xml: &str, key: &str, value: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let mut last = None;
    for (name, text) in texts(xml, &[key, value]) {
        if name == key {
            last = Some(text);
        } else if let Some(key) = last.take() {
            pairs.insert(key, text);
        }
    }
    pairs
}

/// The names and texts of all elements with one of these names, in order. An empty element has an empty text.
fn texts<'a>(xml: &'a str, names: &'a [&'a str]) -> impl Iterator<Item = (&'a str, String)> {
    let mut reader = Reader::from_str(xml);
    let mut text: Option<(&str, String)> = None;
    let named = |element: &[u8]| names.iter().copied().find(|name| name.as_bytes() == element);
    std::iter::from_fn(move || {
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => text = named(start.local_name().as_ref()).map(|name| (name, String::new())),
                Event::Empty(start) => {
                    if let Some(name) = named(start.local_name().as_ref()) {
                        return Some((name, String::new()));
                    }
                }
                Event::Text(piece) => {
                    if let (Some((_, text)), Ok(piece)) = (&mut text, piece.decode()) {
                        text.push_str(&piece);
                    }
                }
                Event::GeneralRef(reference) => {
                    if let (Some((_, text)), Some(character)) = (&mut text, character(&reference)) {
                        text.push(character);
                    }
                }
                Event::End(_) => {
                    if let Some(text) = text.take() {
                        return Some(text);
                    }
                }
                Event::Eof => return None,
                _ => {}
            }
        }
    })
}

/// The character that an XML reference (`&amp;`, `&#38;`) stands for.
fn character(reference: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Some(character);
    }
    match reference.decode().ok()?.as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A response of DescribeStacks, abridged:
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html>
    const ANSWER: &str = "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">
        <DescribeStacksResult><Stacks><member><Outputs>
          <member><Description/><OutputKey>QuicklysignUrl</OutputKey><OutputValue>https://x/{token}</OutputValue></member>
          <member><OutputKey>TableName</OutputKey><OutputValue>prod-Table-1</OutputValue></member>
          <member><OutputKey>Empty</OutputKey><OutputValue/></member>
          <member><OutputKey>NoValue</OutputKey></member>
          <member><OutputKey>ArchiveBucketName</OutputKey><OutputValue>prod-archive</OutputValue></member>
          <member><OutputKey>TemporaryBucketName</OutputKey><OutputValue>prod-temporary</OutputValue></member>
        </Outputs><Parameters>
          <member><ParameterKey>DownloadHosts</ParameterKey><ParameterValue/></member>
          <member><ParameterKey>SigneasyTokenPolicy</ParameterKey><ParameterValue>if_present</ParameterValue></member>
          <member><ParameterKey>LegalesignApiUrl</ParameterKey><ParameterValue>https://a&amp;b&#47;</ParameterValue></member>
        </Parameters></member></Stacks></DescribeStacksResult></DescribeStacksResponse>";

    #[test]
    fn outputs_and_parameters_are_found_by_name() {
        let deployment = read(ANSWER).unwrap();
        assert_eq!((deployment.table.as_str(), deployment.bucket.as_str()), ("prod-Table-1", "prod-archive"));
        let expected = [
            ("ARCHIVE_BUCKET", "prod-archive"),
            ("LEGALESIGN_API_URL", "https://a&b/"),
            ("QUICKLYSIGN_CALLBACK_URL", "https://x/{token}"),
            ("SIGNEASY_TOKEN", "if_present"),
            ("TABLE_NAME", "prod-Table-1"),
            ("TEMPORARY_BUCKET", "prod-temporary"),
        ];
        assert!(deployment.environment().iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
        assert_eq!(read(&ANSWER.replace("TableName", "Tables")), None);
        assert_eq!(read("not xml"), None);
    }

    #[test]
    fn the_request_is_signed_and_names_the_stack() {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("session".to_owned()), None, "test");
        let url = "https://cloudformation.eu-west-1.amazonaws.com/";
        let Ok(request) = signed(url, "eu-west-1", "a&b", credentials) else { panic!("not signed") };
        assert_eq!(request.body(), "Action=DescribeStacks&Version=2010-05-15&StackName=a%26b");
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(authorization.contains("/eu-west-1/cloudformation/aws4_request"), "{authorization}");
        assert!(authorization.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token"));
        assert!(!authorization.contains("secret") && request.headers().contains_key("x-amz-security-token"));
    }
}
