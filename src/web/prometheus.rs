//! Instant queries of Prometheus's HTTP API: one value, or why there is none.

use std::fmt::Write;

use http_body_util::Full;
use hyper::{
    Method,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Client, Reply, file::FileReader, request};
use crate::model::{Prometheus, Timestamp, Url, first_line};

/// Asks for the one value of a query, now or as it was at an instant. It may be NaN or infinite.
pub async fn query(
    client: &Client,
    prometheus: &Prometheus,
    reading: &mut FileReader<String>,
    text: &str,
    at: Option<Timestamp>,
) -> Result<f64, String> {
    let unasked = |why: String| format!("Prometheus cannot be asked: {why}");
    let url = endpoint(&prometheus.url).map_err(unasked)?;
    let mut request = request(&url)
        .method(Method::POST)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(path) = &prometheus.token_file {
        let token =
            reading.read("the token", path, token, prometheus.timeout).await.map_err(unasked)?;
        let mut bearer = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes())
            .map_err(|error| unasked(error.to_string()))?;
        bearer.set_sensitive(true);
        request = request.header(AUTHORIZATION, bearer);
    }
    let request = request.body(Full::new(Bytes::from(form(text, at))));
    let request = request.map_err(|error| unasked(error.to_string()))?;
    let reply = client.send(request, prometheus.timeout).await.map_err(unasked)?;
    value(&reply)
}

/// A bearer token: visible ASCII without blanks (RFC 6750 §2.1), but for those around it.
pub fn token(octets: &[u8]) -> Result<String, String> {
    let text = str::from_utf8(octets.trim_ascii()).ok();
    let text = text.filter(|text| !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic()));
    text.map(str::to_owned).ok_or_else(|| "a token is visible ASCII without blanks".to_owned())
}

fn endpoint(base: &Url) -> Result<Url, String> {
    let path = base.target().split('?').next().unwrap_or_default().trim_end_matches('/');
    let url = format!("{}{path}/api/v1/query", base.origin());
    url.parse().map_err(|error| format!("{error}"))
}

fn form(text: &str, at: Option<Timestamp>) -> String {
    let mut form = "query=".to_owned();
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => form.push(octet.into()),
            // It is written to memory.
            octet => drop(write!(form, "%{octet:02X}")),
        }
    }
    if let Some(at) = at {
        let micros = at.unix_micros();
        let _ = write!(form, "&time={}.{:03}", micros / 1_000_000, micros / 1_000 % 1_000);
    }
    form
}

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Document {
    Success { data: Data },
    Error { error: String },
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

fn value(reply: &Reply) -> Result<f64, String> {
    if reply.is_cut {
        return Err("the query gives more than can be read, and must give one series".to_owned());
    }
    let document: Document = serde_json::from_slice(&reply.body).map_err(|_| {
        format!("what is asked does not answer as Prometheus does (status {})", reply.status)
    })?;
    let data = match document {
        Document::Success { data } => data,
        Document::Error { error } => {
            return Err(format!("Prometheus says: {}", first_line(error.as_bytes())));
        }
    };
    let what = match (data.kind.as_str(), &data.result) {
        ("scalar", point) => return number(point),
        ("vector", Value::Array(series)) => match series.as_slice() {
            [] => return Err("there is no data".to_owned()),
            [one] => return number(&one["value"]),
            many => format!("{} series", many.len()),
        },
        ("matrix", _) => "values over a time".to_owned(),
        _ => "something else".to_owned(),
    };
    Err(format!("the query gives {what}, and must give one series with one value"))
}

/// Of when and what.
fn number(point: &Value) -> Result<f64, String> {
    let number = point[1].as_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| "its value is no number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<f64, String> {
        value(&Reply { status: 200, body: body.as_bytes().to_vec(), is_cut: false })
    }

    fn of(kind: &str, result: &str) -> Result<f64, String> {
        let data = format!(r#"{{"resultType":"{kind}","result":{result}}}"#);
        read(&format!(r#"{{"status":"success","data":{data}}}"#))
    }

    #[test]
    fn one_series_or_a_scalar_is_a_value() {
        let one = r#"[{"metric":{"pool":"v2"},"value":[1700000000.123,"0.25"]}]"#;
        assert_eq!(of("vector", one), Ok(0.25));
        assert_eq!(of("scalar", r#"[1700000000,"3"]"#), Ok(3.0));
        assert_eq!(of("scalar", r#"[1700000000,"+Inf"]"#), Ok(f64::INFINITY));
        assert!(of("scalar", r#"[1700000000,"NaN"]"#).expect("a value").is_nan());
    }

    #[test]
    fn everything_else_is_said_to_be_none() {
        assert_eq!(of("vector", "[]"), Err("there is no data".to_owned()));
        let two = r#"[{"metric":{},"value":[1,"1"]},{"metric":{},"value":[1,"2"]}]"#;
        let needs = "and must give one series with one value";
        assert_eq!(of("vector", two), Err(format!("the query gives 2 series, {needs}")));
        assert_eq!(of("matrix", "[]"), Err(format!("the query gives values over a time, {needs}")));
        assert_eq!(
            of("string", "[1,\"x\"]"),
            Err(format!("the query gives something else, {needs}"))
        );
        let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error at 3"}"#;
        assert_eq!(read(refused), Err("Prometheus says: parse error at 3".to_owned()));
        for other in ["", "<html>", "{}", r#"{"status":"success"}"#] {
            assert!(read(other).expect_err("no value").contains("does not answer as"), "{other}");
        }
    }

    #[test]
    fn a_query_is_sent_whole_below_the_path_of_the_server() {
        let base: Url = "https://metrics.example.com/prom/".parse().expect("a URL");
        let url = endpoint(&base).expect("a URL").to_string();
        assert_eq!(url, "https://metrics.example.com/prom/api/v1/query");
        assert_eq!(form("a{b=\"c d\"}", None), "query=a%7Bb%3D%22c%20d%22%7D");
        let at = Timestamp::from_unix_micros(1_700_000_000_050_000);
        assert_eq!(form("a", Some(at)), "query=a&time=1700000000.050");
    }
}
