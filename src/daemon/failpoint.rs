//! Labelled places at which a daemon under test ends as in a power cut: by SIGKILL, at its own hand.
//! It stands still there for a moment before, so that whatever is visible at that place is seen.
//!
//! `CUTOVER_KILL_AT=PLACE:N` names the place, and which time it is passed. That is read once at the
//! start, which says so loudly. Builds without debug assertions, which is what `--release` makes, have
//! neither the places nor the variable: nothing in the environment can end a daemon in production. (A
//! cargo feature would do that too, and have everything built twice for the tests.)

/// The variable.
pub const VARIABLE: &str = "CUTOVER_KILL_AT";

/// A place, in the order in which a change comes to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// What was kept has been taken up; nothing is answered yet.
    Restored,
    /// The release file has been read, and is about to be carried out.
    FileRead,
    /// The state is open, and nothing has been written to it yet.
    StateOpened,
    /// Decided, and not written yet.
    BeforeTransaction,
    /// Written.
    AfterTransaction,
    /// Written, and the table that shows it is made but not stored.
    BeforeStore,
    /// Stored: it is being answered from.
    AfterStore,
    /// A person is about to be told that what they asked for is done.
    BeforeReply,
    /// A predecessor has stopped to decide.
    Suspended,
    /// A successor answers, and decides from now on.
    TakingOver,
    /// The state has been given up.
    Closed,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Restored,
        Self::FileRead,
        Self::StateOpened,
        Self::BeforeTransaction,
        Self::AfterTransaction,
        Self::BeforeStore,
        Self::AfterStore,
        Self::BeforeReply,
        Self::Suspended,
        Self::TakingOver,
        Self::Closed,
    ];

    /// Its label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::FileRead => "file-read",
            Self::StateOpened => "state-opened",
            Self::BeforeTransaction => "before-transaction",
            Self::AfterTransaction => "after-transaction",
            Self::BeforeStore => "before-store",
            Self::AfterStore => "after-store",
            Self::BeforeReply => "before-reply",
            Self::Suspended => "suspended",
            Self::TakingOver => "taking-over",
            Self::Closed => "closed",
        }
    }
}

pub(crate) use places::{arm, pass};

#[cfg(not(debug_assertions))]
mod places {
    use super::Place;

    pub(crate) fn arm() {}

    pub(crate) fn pass(_: Place) {}
}

#[cfg(debug_assertions)]
mod places {
    use std::{
        env,
        sync::{
            OnceLock,
            atomic::{AtomicU64, Ordering::Relaxed},
        },
        thread,
        time::Duration,
    };

    use rustix::process::{Signal, getpid, kill_process};
    use tracing::{error, warn};

    use super::{Place, VARIABLE};

    /// Where this process ends, and how many times it still gets by. It is the process that ends, so
    /// it is a matter of the process.
    static END: OnceLock<(Place, AtomicU64)> = OnceLock::new();

    const MOMENT: Duration = Duration::from_millis(40);

    /// Reads the variable.
    pub(crate) fn arm() {
        let Some(text) = env::var_os(VARIABLE) else { return };
        let Some(end) = text.to_str().and_then(read) else {
            error!(?text, "{VARIABLE} is not PLACE:N: it is ignored");
            return;
        };
        warn!(place = end.0.name(), time = ?end.1, "{VARIABLE}: this daemon will kill itself");
        let _ = END.set(end);
    }

    fn read(text: &str) -> Option<(Place, AtomicU64)> {
        let (name, time) = text.split_once(':')?;
        let place = Place::ALL.into_iter().find(|place| place.name() == name)?;
        let time = time.parse().ok().filter(|time| *time > 0)?;
        Some((place, AtomicU64::new(time)))
    }

    /// Goes by a place, or does not.
    pub(crate) fn pass(here: Place) {
        let Some((place, times)) = END.get() else { return };
        if *place != here || times.fetch_sub(1, Relaxed) != 1 {
            return;
        }
        warn!(place = here.name(), "{VARIABLE}: this is the place");
        thread::sleep(MOMENT);
        let _ = kill_process(getpid(), Signal::KILL);
        loop {
            thread::park();
        }
    }
}
