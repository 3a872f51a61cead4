//! What answers over HTTP, put together: who may ask, and the files of tokens, which are read anew for
//! each use, so that another token counts without a restart.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::{FutureExt, join_all};
use prometheus::{IntGauge, Registry};
use tokio::sync::{Mutex, watch};

use crate::{
    admin::{
        Inquiry, Site,
        access::{Counters, Door, ReadTokens},
        plan::Drafts,
        stream::{HEARTBEAT, STREAMS_MAX, Streams},
        token::Token,
        told::ToldEvents,
    },
    model::{HttpAccess, Label},
    web::file::FileReader,
};

/// How long one file may take.
const READ_LIMIT: Duration = Duration::from_secs(2);

/// What is known of the daemon.
pub(super) struct Facts {
    pub(super) inquiry: Inquiry,
    pub(super) drafts: Drafts,
    pub(super) told: Arc<ToldEvents>,
}

/// All of it; streams end when it is over.
pub(super) fn site(
    access: HttpAccess,
    Facts { inquiry, drafts, told }: Facts,
    registry: Registry,
    over: watch::Receiver<bool>,
) -> Result<Site, prometheus::Error> {
    let open = IntGauge::new("cutover_http_streams", "Streams that are open over HTTP.")?;
    registry.register(Box::new(open.clone()))?;
    let counters = Counters::register(&registry)?;
    let streams = Streams::new(STREAMS_MAX, HEARTBEAT, over, open);
    let tokens = tokens(&access);
    let door = Arc::new(Door::new(access, tokens, counters));
    Ok(Site { inquiry, registry, drafts, told, streams, door })
}

/// The file of one token.
struct TokenFile {
    name: Label,
    path: PathBuf,
    reading: Mutex<FileReader<Token>>,
}

fn tokens(access: &HttpAccess) -> ReadTokens {
    let file = |(name, path): (&Label, &PathBuf)| TokenFile {
        name: name.clone(),
        path: path.clone(),
        reading: Mutex::default(),
    };
    let files: Arc<[TokenFile]> = access.tokens.iter().map(file).collect();
    Arc::new(move || {
        let files = files.clone();
        async move { join_all(files.iter().map(TokenFile::read)).await }.boxed()
    })
}

impl TokenFile {
    async fn read(&self) -> (Label, Result<Token, String>) {
        let mut reading = self.reading.lock().await;
        let read = reading.read("the token", &self.path, Token::parse, READ_LIMIT).await;
        (self.name.clone(), read)
    }
}
