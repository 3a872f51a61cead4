//! The zone: services with four pools of one host each, two of them released together, and what is asked
//! of them.

use std::{
    fmt::Write,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;

use crate::chance::Chance;

/// Answers live for so long, and the clock of caches runs a second behind.
pub(crate) const SETTLES_FOR: Duration = Duration::from_secs(2);
/// As long as this, a daemon whose probes do not return takes nothing for down, nor any step.
pub(crate) const LEARNS_NOTHING_FOR: Duration = Duration::from_millis(450);
const POOLS: u8 = 4;
/// Each in a network of its own.
pub(crate) const CLIENTS: u8 = 8;

/// A service, and how it is released.
pub(crate) struct Town {
    pub(crate) name: &'static str,
    /// The steps before the last: percent, and milliseconds of bake.
    pub(crate) ramp: &'static [(u8, u64)],
    pub(crate) bake: Duration,
    /// With whom it is released; those have the same `lives`.
    pub(crate) group: Option<&'static str>,
    /// What may be asked for, as it stands in the file; the first answers at the beginning.
    lives: &'static [&'static str],
}

/// On a ramp; from split to split; at once; and two together.
pub(crate) const TOWNS: [Town; 5] = [
    Town {
        name: "ramped",
        ramp: &[(20, 150), (60, 100)],
        bake: Duration::from_millis(250),
        group: None,
        lives: &["\"v0\"", "\"v1\"", "\"v2\"", "\"v3\""],
    },
    Town {
        name: "split",
        ramp: &[(50, 150)],
        bake: Duration::from_millis(150),
        group: None,
        lives: &["{ v0 = 60, v1 = 40 }", "{ v0 = 30, v1 = 70 }", "\"v2\"", "{ v1 = 1, v3 = 1 }"],
    },
    Town {
        name: "swapped",
        ramp: &[],
        bake: Duration::from_millis(200),
        group: None,
        lives: &["\"v0\"", "\"v1\"", "\"v2\"", "\"v3\""],
    },
    Town { name: "left", ..PAIR },
    Town { name: "right", ..PAIR },
];

const PAIR: Town = Town {
    name: "",
    ramp: &[(40, 100)],
    bake: Duration::from_millis(200),
    group: Some("pair"),
    lives: &["\"v0\"", "\"v1\"", "\"v2\"", "\"v3\""],
};

/// The hosts of all of them.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let pools = || (0..POOLS).map(|pool| format!("v{pool}"));
    TOWNS.iter().flat_map(|town| pools().map(|pool| address(town.name, &pool))).collect()
}

/// The host of a pool.
pub(crate) fn address(service: &str, pool: &str) -> IpAddr {
    let place = TOWNS.iter().position(|town| town.name == service).expect("a service");
    let pool: u8 = pool.strip_prefix('v').and_then(|it| it.parse().ok()).expect("a pool");
    Ipv4Addr::new(127, 3, place as u8 + 1, pool + 1).into()
}

/// A folder with the files of a daemon.
pub(crate) struct Files {
    folder: TempDir,
    port: u16,
    /// What is asked of each service: its place in `lives`.
    wanted: [usize; TOWNS.len()],
}

impl Files {
    pub(crate) fn new(port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let files = Self { folder, port, wanted: [0; TOWNS.len()] };
        let text = "version = 1\nzone = \"zone.test\"\nnameservers = [\"ns.elsewhere.test\"]\n\
                    hostmaster = \"h@zone.test\"\n[listen]\nhttp = \"127.0.0.1:0\"\n\
                    dns = [\"127.0.0.1:0\"]\nworkers = 1\nadmin = \"admin.sock\"\n\
                    handover = \"handover.sock\"\n[rrl]\nenabled = false\n";
        fs::write(files.settings(), text).expect("writable");
        files.save();
        files
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.path().join("cutover.toml")
    }

    pub(crate) fn admin(&self) -> PathBuf {
        self.path().join("admin.sock")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state/state.redb")
    }

    fn release(&self) -> PathBuf {
        self.path().join("release.toml")
    }

    /// Asks for something else of one service, or of all of them.
    pub(crate) fn edit(&mut self, chance: &mut Chance) -> String {
        let one = TOWNS.get(chance.below(TOWNS.len() as u64 + 1) as usize);
        let is_chosen = |town: &Town| {
            one.is_none_or(|one| {
                one.name == town.name || town.group.is_some() && one.group == town.group
            })
        };
        for place in (0..TOWNS.len()).filter(|place| is_chosen(&TOWNS[*place])) {
            let others = TOWNS[place].lives.len() as u64 - 1;
            let further = 1 + chance.below(others) as usize;
            let with = |before: &usize| {
                TOWNS[place].group.is_some() && TOWNS[*before].group == TOWNS[place].group
            };
            self.wanted[place] = match (0..place).find(with) {
                Some(before) => self.wanted[before],
                None => (self.wanted[place] + further) % TOWNS[place].lives.len(),
            };
        }
        if chance.once_in(6) {
            self.tear(chance);
        } else {
            self.save();
        }
        let lives = TOWNS.iter().zip(self.wanted).map(|(town, wanted)| town.lives[wanted]);
        format!("the file asks for {}", lives.collect::<Vec<_>>().join(", "))
    }

    /// As editors and `cutover apply` do: a new file, renamed over the old one.
    pub(crate) fn save(&self) {
        let draft = self.path().join("draft");
        fs::write(&draft, self.text()).expect("writable");
        fs::rename(draft, self.release()).expect("renamed");
    }

    /// As a disk that is full does.
    fn tear(&self, chance: &mut Chance) {
        let text = self.text();
        let end = chance.below(text.len() as u64) as usize;
        fs::write(self.release(), &text[..end]).expect("writable");
    }

    /// There is no release file.
    pub(crate) fn remove(&self) {
        fs::remove_file(self.release()).expect("it is there");
    }

    fn text(&self) -> String {
        let mut text = "version = 1\n".to_owned();
        for (Town { name, ramp, bake, group, lives }, wanted) in TOWNS.iter().zip(self.wanted) {
            let steps: Vec<String> = ramp
                .iter()
                .map(|(share, bake)| format!("{{ share = \"{share}%\", bake = \"{bake}ms\" }}"))
                .collect();
            let (live, ramp, bake) = (lives[wanted], steps.join(", "), bake.as_millis());
            let mut more = group.map(|group| format!("group = \"{group}\"\n")).unwrap_or_default();
            if !steps.is_empty() {
                let _ = writeln!(more, "ramp = [{ramp}]");
            }
            let _ = write!(
                text,
                "[services.{name}]\nlive = {live}\nttl = \"1s\"\n\
                 probe = {{ http = {{ port = {} }}, interval = \"100ms\", rise = 1, fall = 5 }}\n\
                 [services.{name}.release]\n{more}bake = \"{bake}ms\"\n",
                self.port
            );
            for pool in (0..POOLS).map(|pool| format!("v{pool}")) {
                let host = address(name, &pool);
                let _ = writeln!(text, "[services.{name}.pools.{pool}]\nendpoints = [\"{host}\"]");
            }
        }
        text
    }
}
