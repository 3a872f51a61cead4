//! Asks whether a step may be taken.

use serde::Serialize;

use super::{
    Client,
    file::FileReader,
    signature::{Secret, post},
};
use crate::model::{Confirmer, first_line};

/// What is asked: may this step be taken?
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Question {
    /// The zone.
    pub zone: String,
    /// The service.
    pub service: String,
    /// The number of the release.
    pub release: u64,
    /// What answers, or answers the rest.
    pub from: String,
    /// What is to answer.
    pub to: String,
    /// How many percent of the clients it has.
    pub share: u8,
    /// How many it is to have.
    pub next_share: u8,
}

/// Whether they say yes, or in a few words why not; with the beginning of what they say.
pub async fn ask(
    client: &Client,
    hook: &Confirmer,
    reading: &mut FileReader<Secret>,
    question: &Question,
) -> (Result<(), String>, String) {
    match send(client, hook, reading, question).await {
        Ok((status @ 200..300, said)) => (Ok(()), format!("status {status}: {said}")),
        Ok((status, said)) => (Err(format!("status {status}")), said),
        Err(why) => (Err(why), String::new()),
    }
}

async fn send(
    client: &Client,
    hook: &Confirmer,
    reading: &mut FileReader<Secret>,
    question: &Question,
) -> Result<(u16, String), String> {
    let body = serde_json::to_vec(question).map_err(|error| error.to_string())?;
    let Question { service, release, share, .. } = question;
    let id = format!("{service}-{release}-{share}-{:016x}", rand::random::<u64>());
    let secret = match &hook.secret_file {
        Some(path) => Some(reading.read("the secret", path, Secret::parse, hook.timeout).await?),
        None => None,
    };
    let request = post(&hook.url, "application/json", &id, secret.as_ref(), body)?;
    let reply = client.send(request, hook.timeout).await?;
    Ok((reply.status, first_line(&reply.body)))
}
