//! The OpenAPI document: what can be asked, made from the same list as the router; what is said and
//! answered, made from the types.

use std::sync::LazyLock;

use schemars::{
    SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};

use super::{Operation, ROOT, operations};
use crate::admin::{cloud::CloudEvent, orders::Undone, told::Gap};

/// What says of everything that it is not done: another host, another's page, nobody answers.
const ANY: [(u16, &str); 3] = [
    (403, "It is not for whoever asks."),
    (421, "Another host is asked."),
    (503, "The control plane does not answer, or there is too much to do."),
];

/// The document.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        serde_json::to_string_pretty(&document()).expect("invariant: a value is JSON") + "\n"
    });
    &TEXT
}

fn generator(contract: Contract) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.contract = contract;
        settings.meta_schema = None;
    });
    settings.into_generator()
}

fn document() -> Value {
    let (mut said, mut told) = (generator(Contract::Deserialize), generator(Contract::Serialize));
    let undone = told.subschema_for::<Undone>().to_value();
    // What a stream says is not the schema of its body.
    let _ = (told.subschema_for::<CloudEvent<'_>>(), told.subschema_for::<Gap>());
    let mut paths = Map::new();
    for operation in operations(0) {
        let (path, method) = (operation.path, operation.method);
        let described = describe(&operation, &undone, &mut said, &mut told);
        let path = paths.entry(path).or_insert_with(|| json!({}));
        path[method] = described;
    }
    let mut schemas = told.take_definitions(true);
    schemas.extend(said.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "cutover",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "An authoritative DNS server that releases software.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": ROOT }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "A token whose file `cutover.toml` names under `http.tokens`.",
            } },
        },
    })
}

fn describe(
    operation: &Operation,
    undone: &Value,
    said: &mut SchemaGenerator,
    told: &mut SchemaGenerator,
) -> Value {
    let Operation { path, id, about, is_change, query, body, .. } = operation;
    let mut parameters: Vec<Value> = Vec::new();
    if path.contains("{service}") {
        let about = if *is_change { "Its name, or that of a group." } else { "Its name." };
        parameters.push(json!({
            "name": "service", "in": "path", "required": true, "description": about,
            "schema": { "type": "string", "minLength": 1 },
        }));
    }
    parameters.extend(query.iter().map(|(name, about)| {
        json!({
            "name": name, "in": "query", "description": about,
            "schema": { "type": "string" },
        })
    }));
    if *id == "events" {
        parameters.push(json!({
            "name": "Last-Event-ID", "in": "header",
            "description": "The id of the last event that was heard.",
            "schema": { "type": "string" },
        }));
    }
    let free = if *is_change { json!([]) } else { json!([{}]) };
    let mut security = free.as_array().cloned().unwrap_or_default();
    security.push(json!({ "token": [] }));
    let mut described = json!({
        "operationId": id,
        "summary": about,
        "parameters": parameters,
        "security": security,
        "responses": responses(operation, undone, told),
    });
    if let Some(body) = body {
        let schema = body(said).to_value();
        let is_required = schema_is_required(said, &schema);
        described["requestBody"] = json!({
            "required": is_required,
            "content": { "application/json": { "schema": schema } },
        });
    }
    described
}

/// Whether a body has something that must be said.
fn schema_is_required(generator: &SchemaGenerator, schema: &Value) -> bool {
    let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let definition = name.and_then(|name| generator.definitions().get(name));
    definition.is_some_and(|definition| definition.get("required").is_some())
}

fn responses(operation: &Operation, undone: &Value, told: &mut SchemaGenerator) -> Value {
    let Operation { answers, kind, .. } = operation;
    let mut schemas: Vec<Value> = answers.iter().map(|answer| answer(told).to_value()).collect();
    let schema = match (schemas.len(), *kind) {
        (0, "application/json") => json!({ "type": "object" }),
        (0, _) => json!({ "type": "string" }),
        (1, _) => schemas.remove(0),
        _ => json!({ "oneOf": schemas }),
    };
    let mut responses = Map::new();
    let done = json!({ "description": "Done.", "content": { *kind: { "schema": schema } } });
    responses.insert("200".to_owned(), done);
    let own = operation.undone.iter().map(|code| (*code, about(*code)));
    for (code, about) in ANY.into_iter().chain([(401, about(401))]).chain(own) {
        let undone = json!({
            "description": about,
            "content": { "application/json": { "schema": undone } },
        });
        responses.insert(code.to_string(), undone);
    }
    Value::Object(responses)
}

/// What a status code says.
fn about(code: u16) -> &'static str {
    match code {
        400 => "It is not understood.",
        401 => "It takes a token.",
        404 => "There is no such service, or group.",
        409 => "It makes no sense now, or a rule stands in the way; nothing has changed.",
        413 => "The body is too long.",
        415 => "The body does not say that it is JSON.",
        422 => "The file has mistakes.",
        _ => "It is not done.",
    }
}
