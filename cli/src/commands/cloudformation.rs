//! What a deployed stack is made of, from its CloudFormation outputs.
//!
//! One call, signed by hand. The SDK's crate for CloudFormation is the largest thing that this workspace would compile,
//! for the sake of one answer with two names in it.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{Credentials, ProvideCredentials};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use countersign::outbound::{Client, Timeouts, UrlPolicy};
use http::{HeaderValue, Method, Request, header};
use quick_xml::{Reader, events::Event};

use super::output::Failure;

/// A stack's description is a few kilobytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// The outputs of `template.yaml` that reading a stack needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Outputs {
    /// `TableName`
    pub table: String,
    /// `ArchiveBucketName`
    pub bucket: String,
}

/// Asks CloudFormation for a stack's outputs.
pub async fn outputs(config: &SdkConfig, region: &str, stack: &str) -> Result<Outputs, Failure> {
    let no_credentials = |why: String| {
        let message = format!("no AWS credentials are to be had ({why}): set AWS_PROFILE, or give --profile");
        Failure::new("no_credentials", message)
    };
    let provider = config.credentials_provider().ok_or_else(|| no_credentials("none are configured".to_owned()))?;
    let credentials = provider.provide_credentials().await.map_err(|problem| no_credentials(problem.to_string()))?;
    let instead =
        ["AWS_ENDPOINT_URL_CLOUDFORMATION", "AWS_ENDPOINT_URL"].iter().find_map(|name| std::env::var(name).ok());
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let url = instead.clone().unwrap_or_else(|| format!("https://cloudformation.{region}.{suffix}/"));
    let (policy, _) = UrlPolicy::only_host_of(&url, instead.is_some())
        .map_err(|_| Failure::new("bad_url", format!("{url} is not the URL of an AWS endpoint")))?;
    let request = signed(&url, region, stack, credentials)?;
    let client = Client::new(policy, Timeouts::default());
    let response = client.call(request, MAX_ANSWER).await.map_err(|error| {
        let message = format!("CloudFormation in {region} can't be asked: {error}; is that a region?");
        Failure::new("no_answer", message)
    })?;
    let text = String::from_utf8_lossy(response.body()).into_owned();
    if !response.status().is_success() {
        let code = texts(&text, "Code").next().unwrap_or_else(|| response.status().to_string());
        let message = texts(&text, "Message").next().unwrap_or_default();
        let message = format!(
            "CloudFormation in {region} doesn't tell of stack {stack}: {code} {message} — check --stack, --region and \
             --profile, or give --table and --bucket"
        );
        return Err(Failure::new("no_stack", message));
    }
    read(&text).ok_or_else(|| {
        Failure::new("not_countersign", format!("stack {stack} has no outputs TableName and ArchiveBucketName"))
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

fn read(xml: &str) -> Option<Outputs> {
    let outputs: Vec<(String, String)> = texts(xml, "OutputKey").zip(texts(xml, "OutputValue")).collect();
    let value = |name: &str| outputs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    Some(Outputs { table: value("TableName")?, bucket: value("ArchiveBucketName")? })
}

/// The texts of all elements of a name, in order. An element without text counts, as an empty one.
fn texts<'a>(xml: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let mut reader = Reader::from_str(xml);
    let mut text: Option<String> = None;
    std::iter::from_fn(move || {
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) if start.local_name().as_ref() == name.as_bytes() => text = Some(String::new()),
                Event::Empty(start) if start.local_name().as_ref() == name.as_bytes() => return Some(String::new()),
                Event::Text(piece) => {
                    if let (Some(text), Ok(piece)) = (&mut text, piece.decode()) {
                        text.push_str(&piece);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As DescribeStacks answers, abridged:
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html>
    const ANSWER: &str = "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">
        <DescribeStacksResult><Stacks><member><Outputs>
          <member><Description/><OutputKey>QuicklysignUrl</OutputKey><OutputValue>https://x/{token}</OutputValue></member>
          <member><OutputKey>TableName</OutputKey><OutputValue>prod-Table-1</OutputValue></member>
          <member><OutputKey>Empty</OutputKey><OutputValue/></member>
          <member><OutputKey>ArchiveBucketName</OutputKey><OutputValue>prod-archive</OutputValue></member>
        </Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>";

    #[test]
    fn outputs_are_found_by_name() {
        let outputs = Outputs { table: "prod-Table-1".to_owned(), bucket: "prod-archive".to_owned() };
        assert_eq!(read(ANSWER), Some(outputs));
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
