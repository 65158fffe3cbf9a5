//! Events of each caller: their shapes are those of AWS's documentation, with a callback's path, query, headers and body.

use std::cell::Cell;

use lambda_http::http::{Response, StatusCode};
use serde_json::{Value, json};

use super::*;

const PATH: &str = "/callbacks/legalesign/realtime/a-path-token";

fn http_api() -> Value {
    json!({
        "version": "2.0",
        "routeKey": "POST /callbacks/legalesign/realtime/{token}",
        "rawPath": PATH,
        "rawQueryString": "event=signed&b=%2F+c",
        "cookies": ["cookie1", "cookie2"],
        "headers": {"content-type": "text/plain", "x-signed": "one,two"},
        "queryStringParameters": {"event": "signed", "b": "/ c"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "authentication": {"clientCert": {"clientCertPem": "CERT_CONTENT", "validity": {"notBefore": "May 28 12:30:02 2019 GMT"}}},
            "authorizer": {"jwt": {"claims": {"claim1": "value1"}, "scopes": ["scope1"]}},
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "id",
            "http": {"method": "POST", "path": PATH, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "agent"},
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1_583_348_638_390_u64,
        },
        "body": "b\u{f6}dy",
        "pathParameters": {"token": "a-path-token"},
        "isBase64Encoded": false,
        "stageVariables": {"stageVariable1": "value1"},
    })
}

fn function_url() -> Value {
    let mut event = http_api();
    event["routeKey"] = "$default".into();
    event["pathParameters"] = Value::Null;
    event["stageVariables"] = Value::Null;
    event["requestContext"]["authentication"] = Value::Null;
    event["requestContext"]["domainName"] = "<url-id>.lambda-url.us-west-2.on.aws".into();
    event
}

fn rest_api() -> Value {
    json!({
        "resource": "/callbacks/{proxy+}",
        "path": PATH,
        "httpMethod": "POST",
        "headers": {"Content-Type": "text/plain", "X-Signed": "two"},
        "multiValueHeaders": {"Content-Type": ["text/plain"], "X-Signed": ["one", "two"]},
        "queryStringParameters": {"event": "signed", "b": "/ c"},
        "multiValueQueryStringParameters": {"event": ["signed"], "b": ["/ c"]},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "id",
            "authorizer": {"claims": null, "scopes": null},
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "extendedRequestId": "request-id",
            "httpMethod": "POST",
            "identity": {"accessKey": null, "sourceIp": "192.0.2.1", "clientCert": {"clientCertPem": "CERT_CONTENT"}},
            "path": PATH,
            "protocol": "HTTP/1.1",
            "requestTimeEpoch": 1_583_349_317_135_u64,
            "resourceId": null,
            "resourcePath": "/callbacks/{proxy+}",
            "stage": "prod",
        },
        "pathParameters": null,
        "stageVariables": null,
        "body": "b\u{f6}dy",
        "isBase64Encoded": false,
    })
}

fn load_balancer() -> Value {
    json!({
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-target-group/6d0ecf831eec9f09"}},
        "httpMethod": "POST",
        "path": PATH,
        "queryStringParameters": {"event": "signed", "b": "%2F+c"},
        "headers": {
            "content-type": "text/plain",
            "x-signed": "one,two",
            "x-amzn-trace-id": "Root=1-5bdb40ca-556d8b0c50dc66f0511bf520",
            "x-forwarded-proto": "https",
        },
        "body": "b\u{f6}dy",
        "isBase64Encoded": false,
    })
}

fn load_balancer_with_lists() -> Value {
    let mut event = load_balancer();
    let fields = event.as_object_mut().unwrap();
    fields.remove("headers");
    fields.remove("queryStringParameters");
    event["multiValueHeaders"] = json!({"content-type": ["text/plain"], "x-signed": ["one", "two"]});
    event["multiValueQueryStringParameters"] = json!({"event": ["signed"], "b": ["%2F+c"]});
    event
}

fn all() -> [(Value, Caller); 5] {
    [
        (http_api(), Caller::Other),
        (function_url(), Caller::Other),
        (rest_api(), Caller::Other),
        (load_balancer(), Caller::LoadBalancer),
        (load_balancer_with_lists(), Caller::LoadBalancerWithLists),
    ]
}

#[test]
fn every_caller_passes_on_the_same_request() {
    for (event, caller) in all() {
        let (request, from) = request(&event.to_string()).unwrap();
        assert_eq!((from, request.method().as_str(), request.uri().path()), (caller, "POST", PATH));
        let query = url::form_urlencoded::parse(request.uri().query().unwrap().as_bytes());
        let mut query: Vec<(String, String)> = query.into_owned().collect();
        query.sort_unstable();
        assert_eq!(query, [("b", "/ c"), ("event", "signed")].map(|(name, value)| (name.into(), value.into())));
        assert_eq!(request.headers()["x-signed"], "one,two", "{event}");
        assert_eq!(request.headers()["content-type"], "text/plain");
        assert_eq!(request.body(), "b\u{f6}dy".as_bytes());
    }
}

#[test]
fn a_body_in_base64_is_decoded_and_one_that_is_not_base64_is_a_broken_event() {
    for (mut event, _) in all() {
        event["isBase64Encoded"] = true.into();
        event["body"] = "AP+A".into();
        assert_eq!(request(&event.to_string()).unwrap().0.body(), &[0, 0xff, 0x80][..]);
        event["body"] = "*".into();
        assert_eq!(request(&event.to_string()).unwrap_err(), BrokenEvent::Body);
        event.as_object_mut().unwrap().remove("body");
        assert!(request(&event.to_string()).unwrap().0.body().is_empty());
    }
}

#[test]
fn a_query_may_have_characters_that_a_url_cannot_have() {
    let query = "event=signed&a=\"<b> c\"`{}|\\^#\u{e4}\u{0}&%&%zz";
    let mut event = http_api();
    event["rawQueryString"] = query.into();
    let (request, _) = request(&event.to_string()).unwrap();
    let parsed = url::form_urlencoded::parse(request.uri().query().unwrap().as_bytes());
    assert!(parsed.eq(url::form_urlencoded::parse(query.as_bytes())));
}

#[test]
fn a_header_that_is_not_valid_is_empty_and_not_missing() {
    for (mut event, caller) in all() {
        let name = if caller == Caller::LoadBalancer || event.get("multiValueHeaders").is_none() {
            "headers"
        } else {
            "multiValueHeaders"
        };
        event[name] = json!({"x-signed": "a\nb", "not a name": "x", "x-number": 1});
        let (request, _) = request(&event.to_string()).unwrap();
        assert_eq!(request.headers().len(), 1, "{event}");
        assert_eq!(request.headers()["x-signed"], "");
    }
}

#[tokio::test]
async fn an_event_that_is_not_a_request_is_answered_400() {
    let mut broken = vec![json!(null), json!([]), json!("text"), json!({}), json!({"Records": []})];
    for (event, _) in all() {
        for field in ["requestContext", "httpMethod", "path", "rawPath"] {
            for value in [json!(""), json!(1), json!([])] {
                let mut event = event.clone();
                if event.get(field).is_some() {
                    event[field] = value;
                    broken.push(event);
                }
            }
        }
        for path in ["relative", "*", ""] {
            let mut event = event.clone();
            let field = if event.get("rawPath").is_some() { "rawPath" } else { "path" };
            event[field] = path.into();
            broken.push(event);
        }
    }
    for event in broken {
        let called = Cell::new(false);
        let answer = answer(request(&event.to_string()), async |_| {
            called.set(true);
            Response::new(String::new())
        })
        .await;
        assert_eq!((&answer["statusCode"], called.get()), (&json!(400), false), "{event}");
        assert!(answer["body"].as_str().unwrap().contains("malformed"));
    }
}

#[tokio::test]
async fn the_answer_has_the_form_that_its_caller_expects() {
    for (event, caller) in all() {
        let answer = answer(request(&event.to_string()), async |_| {
            let mut response = Response::new("{}".to_owned());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert("retry-after", 30.into());
            response
        })
        .await;
        let mut expected = json!({"statusCode": 503, "body": "{}", "isBase64Encoded": false});
        match caller {
            Caller::LoadBalancerWithLists => expected["multiValueHeaders"] = json!({"retry-after": ["30"]}),
            Caller::LoadBalancer | Caller::Other => expected["headers"] = json!({"retry-after": "30"}),
        }
        if caller != Caller::Other {
            expected["statusDescription"] = "503 Service Unavailable".into();
        }
        assert_eq!(answer, expected);
    }
}
