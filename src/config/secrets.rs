//! The file with the secrets of DNS cookies, which all name servers of a zone share: reading it,
//! and reading it again when it has changed.
//!
//! Nothing here waits or watches: whoever holds a [`SecretsFile`] calls [`SecretsFile::poll`] now
//! and then, and [`SecretsFile::reload`] when a person asks.

use std::path::{Path, PathBuf};

use super::{
    Rejected,
    read::{self, ReadError},
};
use crate::model::{CookieSecrets, SecretsError};

/// What a good file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The secrets.
    pub secrets: CookieSecrets,
    /// Who can read or write the file; worth a warning when it is everyone.
    pub open_to: OpenTo,
}

/// Who can read or write a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpenTo {
    /// Its owner alone.
    Owner,
    /// Its group too, as when root owns it and the daemon's group reads it.
    Group,
    /// Every user of the machine.
    Everyone,
}

impl OpenTo {
    const fn from_mode(mode: u32) -> Self {
        if mode & 0o006 != 0 {
            Self::Everyone
        } else if mode & 0o060 != 0 {
            Self::Group
        } else {
            Self::Owner
        }
    }
}

/// Why a file gives no secrets.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ReadError,
    },
    /// It holds something else.
    #[error("{}: {error}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: SecretsError,
    },
}

/// Reads a file of secrets.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let read = read::text_and_mode(path);
    let (text, mode) = read.map_err(|error| LoadError::Read { path: path.to_owned(), error })?;
    let parsed = CookieSecrets::parse(&text);
    let secrets = parsed.map_err(|error| LoadError::Content { path: path.to_owned(), error })?;
    Ok(Loaded { secrets, open_to: OpenTo::from_mode(mode) })
}

/// Whether a file of secrets is good; what it holds is not shown.
pub fn check(path: &Path) -> Result<(), Rejected> {
    match load(path) {
        Ok(_) => Ok(()),
        Err(LoadError::Read { path, error }) => Err(Rejected::unreadable(&path, &error)),
        Err(LoadError::Content { path, error }) => {
            Err(Rejected::hidden(&path, error.place(), error.to_string()))
        }
    }
}

/// One file of secrets, and what it said last. A caller keeps the last good secrets when it says
/// that the file is wrong.
#[derive(Debug)]
pub struct SecretsFile {
    path: PathBuf,
    told: Option<Seen>,
    seen: Option<Seen>,
}

/// What the file said, in a form that can be compared.
type Seen = Result<Loaded, String>;

impl SecretsFile {
    /// The file at `path`, not yet looked at.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, told: None, seen: None }
    }

    /// Reads the file now, and says in any case what it says.
    pub fn reload(&mut self) -> Result<Loaded, LoadError> {
        let loaded = load(&self.path);
        self.told = Some(seen(&loaded));
        self.seen.clone_from(&self.told);
        loaded
    }

    /// Reads the file, and says what it says if that has changed. A change counts once two calls
    /// in a row have read the same, for the first may have read half of what is being written.
    pub fn poll(&mut self) -> Option<Result<Loaded, LoadError>> {
        let loaded = load(&self.path);
        let now = Some(seen(&loaded));
        let quiet = self.seen == now;
        if quiet && self.told != now {
            self.told = now;
            return Some(loaded);
        }
        self.seen = now;
        None
    }
}

fn seen(loaded: &Result<Loaded, LoadError>) -> Seen {
    loaded.as_ref().cloned().map_err(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
    };

    use super::*;

    const ONE: &str = "000102030405060708090a0b0c0d0e0f\n";
    const TWO: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff\n";

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("cookie.secret");
        (folder, path)
    }

    fn first_octet(loaded: &Result<Loaded, LoadError>) -> u8 {
        loaded.as_ref().expect("good").secrets.current()[0]
    }

    #[test]
    fn who_can_read_it_is_told() {
        let (_folder, path) = scratch();
        fs::write(&path, ONE).expect("writable");
        for (mode, open_to) in [
            (0o600, OpenTo::Owner),
            (0o400, OpenTo::Owner),
            (0o640, OpenTo::Group),
            (0o620, OpenTo::Group),
            (0o644, OpenTo::Everyone),
            (0o602, OpenTo::Everyone),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
            assert_eq!(load(&path).expect("good").open_to, open_to, "{mode:o}");
        }
    }

    #[test]
    fn an_error_names_the_file_and_the_line() {
        let (folder, path) = scratch();
        let error = |path: &Path| {
            let error = load(path).expect_err("refused").to_string();
            error.replace(&folder.path().display().to_string(), "FOLDER")
        };
        assert_eq!(error(&path), "FOLDER/cookie.secret: the file does not exist");
        fs::write(&path, format!("# shared\n{}", &ONE[2..])).expect("writable");
        assert_eq!(
            error(&path),
            "FOLDER/cookie.secret: line 2: a secret is 32 hexadecimal digits, here are 30"
        );
        fs::write(&path, [0xff, 0xfe]).expect("writable");
        assert!(error(&path).contains("not UTF-8"));
        assert_eq!(error(folder.path()), "FOLDER: it is a directory, not a file");
    }

    #[test]
    fn a_change_is_told_once_and_only_when_it_has_settled() {
        let (_folder, path) = scratch();
        fs::write(&path, ONE).expect("writable");
        let mut file = SecretsFile::new(path.clone());
        assert_eq!(first_octet(&file.reload()), 0);
        assert!(file.poll().is_none(), "nothing has changed");

        // Half of the second line, then all of it.
        fs::write(&path, format!("{TWO}{}", &ONE[..9])).expect("writable");
        assert!(file.poll().is_none());
        fs::write(&path, format!("{TWO}{ONE}")).expect("writable");
        assert!(file.poll().is_none());
        let told = file.poll().expect("a change");
        assert_eq!(first_octet(&told), 0xf0);
        assert!(told.expect("good").secrets.other().is_some());
        assert!(file.poll().is_none());

        fs::remove_file(&path).expect("there");
        assert!(file.poll().is_none());
        assert!(file.poll().expect("a change").is_err());
        assert!(file.poll().is_none());
        assert!(file.reload().is_err(), "who asks is told");

        // There and back between two looks is no change.
        fs::write(&path, ONE).expect("writable");
        assert!(file.poll().is_none());
        fs::remove_file(&path).expect("there");
        assert!(file.poll().is_none());
        assert!(file.poll().is_none());
    }
}
