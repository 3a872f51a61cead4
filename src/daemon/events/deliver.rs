//! One hook and its pace: one event at a time, in order, until it is taken or given up.

use std::{sync::Arc, time::Instant};

use tokio::time::sleep;
use tracing::{error, info, warn};

use super::{
    Queue,
    backoff::{TRIED_MAX, pause},
};
use crate::{
    admin::cloud,
    dns::Clock,
    model::{DnsName, Hook, HookKind, TransitionEvent, Url},
    probe::{Command, run_command},
    web::{
        Client,
        file::FileReader,
        signature::{Secret, post},
    },
};

/// The longest reason that stands in an environment, in characters; the input has all of it.
const WHY_MAX: usize = 4_096;

pub(super) struct Delivery {
    hook: Hook,
    zone: DnsName,
    queue: Arc<Queue>,
    client: Client,
    clock: Clock,
    /// The file of the secret.
    reading: FileReader<Secret>,
}

/// The event that is being tried.
struct Trying {
    number: u64,
    tries: u32,
    since: Instant,
}

impl Delivery {
    pub(super) fn new(
        hook: Hook,
        zone: DnsName,
        queue: Arc<Queue>,
        client: Client,
        clock: Clock,
    ) -> Self {
        Self { hook, zone, queue, client, clock, reading: FileReader::default() }
    }

    /// Tells what there is to be told, for ever.
    pub(super) async fn run(mut self) {
        self.look_at_secret().await;
        let mut trying: Option<Trying> = None;
        loop {
            let event = self.queue.next(&self.hook.name).await;
            let fresh = Trying { number: event.sequence, tries: 0, since: Instant::now() };
            // The one that was being tried may have been dropped meanwhile.
            let mut current =
                trying.take().filter(|it| it.number == event.sequence).unwrap_or(fresh);
            match self.attempt(&event).await {
                Ok(()) => self.has_taken(&event),
                Err(why) => {
                    current.tries = current.tries.saturating_add(1);
                    trying = self.has_failed(&event, &why, current).await;
                }
            }
        }
    }

    /// What is wrong with it is told at the start already, and not with the first event.
    async fn look_at_secret(&mut self) {
        let HookKind::Web { secret_file: Some(path), .. } = self.hook.kind.clone() else { return };
        if let Err(why) =
            self.reading.read("the secret", &path, Secret::parse, self.hook.timeout).await
        {
            error!(hook = %self.hook.name, why, "events are not sent until they can be signed");
        }
    }

    fn has_taken(&self, event: &TransitionEvent) {
        if self.queue.delivered(&self.hook.name, event.sequence) {
            info!(hook = %self.hook.name, event = event.id(), "the hook takes events again");
        }
    }

    /// Waits until it is worth another try; `None` if it is given up.
    async fn has_failed(
        &self,
        event: &TransitionEvent,
        why: &str,
        trying: Trying,
    ) -> Option<Trying> {
        let (hook, id) = (&self.hook.name, event.id());
        if self.queue.failed(hook, self.clock.now(), why) {
            warn!(%hook, event = id, why, "the hook has not taken an event: it is tried again");
        }
        let Some(pause) = pause(trying.tries, trying.since.elapsed(), rand::random()) else {
            let hours = TRIED_MAX.as_secs() / 3_600;
            error!(%hook, event = id, why, hours, "an event is given up: the hook did not take it");
            self.queue.give_up(hook, event.sequence);
            return None;
        };
        sleep(pause).await;
        Some(trying)
    }

    async fn attempt(&mut self, event: &TransitionEvent) -> Result<(), String> {
        let (body, limit) = (cloud::text(event, &self.zone).into_bytes(), self.hook.timeout);
        match &self.hook.kind {
            HookKind::Web { url, secret_file } => {
                let (url, secret_file) = (url.clone(), secret_file.clone());
                let secret = match secret_file {
                    Some(path) => {
                        Some(self.reading.read("the secret", &path, Secret::parse, limit).await?)
                    }
                    None => None,
                };
                self.send(&url, secret.as_ref(), event, body).await
            }
            HookKind::Command { command, arguments } => {
                let (path, arguments) = (command.clone(), arguments.clone());
                let environment = environment(event);
                run_command(Command { path, arguments, environment, input: body }, limit).await
            }
        }
    }

    async fn send(
        &self,
        url: &Url,
        secret: Option<&Secret>,
        event: &TransitionEvent,
        body: Vec<u8>,
    ) -> Result<(), String> {
        let request = post(url, cloud::CONTENT_TYPE, &event.id(), secret, body)?;
        match self.client.status(request, self.hook.timeout).await? {
            200..=299 => Ok(()),
            status => Err(format!("status {status}")),
        }
    }
}

fn environment(event: &TransitionEvent) -> Vec<(&'static str, String)> {
    let why = event.why.chars().filter(|c| *c != '\0').take(WHY_MAX).collect();
    vec![
        ("CUTOVER_SERVICE", event.service.to_string()),
        ("CUTOVER_FROM", event.from.clone()),
        ("CUTOVER_TO", event.to.clone()),
        ("CUTOVER_WHY", why),
        ("CUTOVER_SEQUENCE", event.sequence.to_string()),
    ]
}
