//! A daemon with two pools of real hosts, and clients that ask it all the time.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use cutover::config::Settings;
use tokio::task::JoinHandle;

use super::common::{Client, House, pools::Pools};

/// Client networks, of which the first ones ask more often.
const NETWORKS: u8 = 60;

pub(super) const TOKEN: &str = "a-token-that-nobody-guesses-0001";

pub(super) struct Scene {
    pub(super) house: House,
    pub(super) pools: Pools,
    pub(super) socket: PathBuf,
    asking: JoinHandle<()>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

impl Scene {
    /// v1 is live, v2 is up; `more` is how a release goes.
    pub(super) async fn open(more: &str) -> Self {
        Self::open_with(more, |_| {}).await
    }

    /// The same with settings that `edit` has changed.
    pub(super) async fn open_with(more: &str, edit: impl FnOnce(&mut Settings)) -> Self {
        let pools = Pools::start().await;
        let mut socket = PathBuf::new();
        let edit = |settings: &mut Settings| {
            socket = settings.release_file.with_file_name("admin.sock");
            settings.admin = Some(socket.clone());
            edit(settings);
        };
        let house = House::start_with("127.0.0.1", &file(&pools, "v1", more), edit).await;
        house.until_pool_is("v2", "up").await;
        let server = house.daemon.dns()[0];
        let asking = tokio::spawn(async move {
            loop {
                for number in 0..NETWORKS {
                    for _ in 0..(NETWORKS / (number + 8)) {
                        let network = IpAddr::from([127, 9, number, 1]);
                        Client::from(server, network).ask("api.zone.test", "A").await;
                    }
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        Self { house, pools, socket, asking }
    }

    pub(super) fn save(&self, live: &str, more: &str) {
        self.house.save(&self.file(live, more));
    }

    /// The same with a token, by which things can be done from the page.
    pub(super) async fn open_to_act(more: &str) -> Self {
        Self::open_with(more, |settings| {
            let file = settings.release_file.with_file_name("oncall.token");
            std::fs::write(&file, TOKEN).expect("writable");
            settings.access.tokens = [("oncall".parse().expect("a name"), file)].into();
        })
        .await
    }

    /// A release file.
    pub(super) fn file(&self, live: &str, more: &str) -> String {
        file(&self.pools, live, more)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.house.daemon.http())
    }
}

/// A release file with a TTL that can be watched.
fn file(pools: &Pools, live: &str, more: &str) -> String {
    pools.file(live, more).replace("ttl = \"1s\"", "ttl = \"6s\"")
}
