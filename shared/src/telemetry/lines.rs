//! Writes `tracing` events as JSON lines.

use std::{
    fmt::Debug,
    sync::atomic::{AtomicBool, Ordering},
};

use serde::{Serialize, Serializer};
use serde_json::Value;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, Scope},
};

use super::metrics;
use crate::time;

const MESSAGE: &str = "message";
const REQUEST_ID: &str = "function_request_id";
const COLD_START: &str = "cold_start";

/// Field names and the keys they are written as. The first two are from the runtime's span around each invocation.
const RENAMED: [(&str, &str); 3] =
    [("requestId", REQUEST_ID), ("xrayTraceId", "xray_trace_id"), ("delivery", "correlation_id")];

/// Prefix of fields that are metrics.
const METRIC: &str = "metric.";

/// The Lambda function that writes the lines.
pub struct Function {
    /// Its name.
    pub name: String,
    /// The version of it that runs, as Lambda counts them: a number, or `$LATEST`.
    pub version: String,
}

/// A layer that writes each event as one JSON line, together with the fields of the enclosing spans.
pub struct JsonLines<W> {
    service: String,
    function: Option<Function>,
    warm: AtomicBool,
    write: W,
}

impl<W: Fn(&str)> JsonLines<W> {
    /// A layer for this service and function. `write` receives one line per call, including the line break.
    pub const fn new(service: String, function: Option<Function>, write: W) -> Self {
        Self { service, function, warm: AtomicBool::new(false), write }
    }

    fn line<S>(&self, event: &Event<'_>, spans: Option<Scope<'_, S>>) -> Members
    where
        S: for<'a> LookupSpan<'a>,
    {
        let now = jiff::Timestamp::now();
        let mut line = Members::default();
        line.set("level", event.metadata().level().as_str());
        line.set("timestamp", time::format(now));
        line.set(MESSAGE, event.metadata().name());
        line.set("location", event.metadata().target());
        line.set(metrics::SERVICE, self.service.as_str());
        if let Some(function) = &self.function {
            line.set("function_name", function.name.as_str());
            line.set("function_version", function.version.as_str());
        }
        line.set("version", super::VERSION);
        if let Some(commit) = super::COMMIT {
            line.set("commit", commit);
        }
        // For lines outside an invocation: until the first one, they belong to the cold start. Inside an invocation,
        // the span's value replaces this one.
        line.set(COLD_START, !self.warm.load(Ordering::Relaxed));
        for span in spans.into_iter().flat_map(Scope::from_root) {
            if let Some(members) = span.extensions().get::<Members>() {
                members.0.iter().for_each(|(key, value)| line.set(key, value.clone()));
            }
        }
        let mut own = Members::default();
        event.record(&mut own);
        // Our own events have a code, which becomes the message; other crates write a text.
        let code = own.take("event");
        if let Some(code) = code {
            line.set(MESSAGE, code);
        }
        own.0.into_iter().for_each(|(key, value)| line.set(&key, value));
        line.embed_metrics(now);
        line
    }
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&str) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut members = Members::default();
        attributes.record(&mut members);
        if members.get(REQUEST_ID).is_some() {
            members.set(COLD_START, !self.warm.swap(true, Ordering::Relaxed));
        }
        span.extensions_mut().insert(members);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(members) = span.extensions_mut().get_mut::<Members>() {
            values.record(members);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if let Ok(mut line) = serde_json::to_string(&self.line(event, context.event_scope(event))) {
            line.push('\n');
            (self.write)(&line);
        }
    }
}

/// The members of a JSON object in the order in which they were first set, so that all lines have the same order.
#[derive(Default)]
struct Members(Vec<(String, Value)>);

impl Members {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find_map(|(known, value)| (known == key).then_some(value))
    }

    fn set(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        let position = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.remove(position).1)
    }

    /// Renames fields `metric.<Name>` to `<Name>` and adds the `_aws` member from which CloudWatch extracts metrics.
    fn embed_metrics(&mut self, now: jiff::Timestamp) {
        let mut names = Vec::new();
        for (key, value) in &mut self.0 {
            if let Some(name) = key.strip_prefix(METRIC).map(str::to_owned) {
                if value.is_number() {
                    names.push(name.clone());
                }
                *key = name;
            }
        }
        let has_provider = self.0.iter().any(|(key, value)| metrics::names_provider(key, value));
        if let Some((key, directive)) = metrics::directive(names.iter().map(String::as_str), has_provider, now) {
            self.set(key, directive);
        }
    }

    fn record(&mut self, field: &Field, value: impl Into<Value>) {
        let name = field.name();
        let key = RENAMED.iter().find_map(|(from, to)| (*from == name).then_some(*to)).unwrap_or(name);
        self.set(key, value);
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // `Root=1-…;Parent=…;Sampled=1`: the root is the trace id.
        let trace = || value.split(';').find_map(|part| part.trim().strip_prefix("Root="));
        let value = if field.name() == "xrayTraceId" { trace().unwrap_or(value) } else { value };
        self.record(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, value);
    }
}
