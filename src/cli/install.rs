//! Puts a file in the place of another one, at once and for good: whoever reads the old name reads
//! all of the old text or all of the new one, after a crash too.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

/// For a file that was not there: who may read it is not up to us to restrict.
const MODE: u32 = 0o644;

/// Why a file was not installed; the old one stands.
#[derive(Debug, thiserror::Error)]
pub(super) enum InstallError {
    /// Renaming would put a file in place of the link.
    #[error("{0} is a link to {1}: change that one, by whatever manages the link")]
    Link(PathBuf, PathBuf),
    /// The kubelet would not know of it.
    #[error("{0} is in a volume that Kubernetes fills: change the ConfigMap or the Secret instead")]
    Volume(PathBuf),
    /// Something else has the name.
    #[error("{0} is not a file")]
    NotAFile(PathBuf),
    /// The daemon could not read it any more, or others could.
    #[error("{0} belongs to user {1}, and the new file cannot be given to them: {2}")]
    Owner(PathBuf, u32, io::Error),
    /// Anything else.
    #[error("cannot write {0}: {1}")]
    Io(PathBuf, io::Error),
}

/// Writes `text` to `path`. Mode and owner stay as they were.
pub(super) fn install(path: &Path, text: &str) -> Result<(), InstallError> {
    let failed = |error| InstallError::Io(path.to_path_buf(), error);
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if fs::symlink_metadata(folder.join("..data")).is_ok() {
        return Err(InstallError::Volume(path.to_path_buf()));
    }
    let before = match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {
            let to = fs::read_link(path).unwrap_or_default();
            return Err(InstallError::Link(path.to_path_buf(), to));
        }
        Ok(found) if !found.is_file() => return Err(InstallError::NotAFile(path.to_path_buf())),
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    // In the same folder, for only within a file system a rename is one step.
    let draft = tempfile::Builder::new().prefix(".release-").tempfile_in(folder);
    let mut draft = draft.map_err(failed)?;
    draft.write_all(text.as_bytes()).map_err(failed)?;
    let mode = before.as_ref().map_or(MODE, |before| before.mode() & 0o7777);
    if let Some(before) = &before {
        let (uid, gid) = (before.uid(), before.gid());
        let owner = |error| InstallError::Owner(path.to_path_buf(), uid, error);
        let own = draft.as_file().metadata().map_err(failed)?;
        if (own.uid(), own.gid()) != (uid, gid) {
            fchown(draft.as_file(), Some(uid), Some(gid)).map_err(owner)?;
        }
    }
    // After the owner: a change of that one takes bits away.
    draft.as_file().set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
    draft.as_file().sync_all().map_err(failed)?;
    draft.persist(path).map_err(|error| failed(error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("release.toml");
        (folder, path)
    }

    fn names(folder: &tempfile::TempDir) -> usize {
        fs::read_dir(folder.path()).expect("readable").count()
    }

    #[test]
    fn another_file_takes_its_place_and_keeps_its_mode() {
        let (folder, path) = folder();
        fs::write(&path, "old").expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
        let mut reader = File::open(&path).expect("readable");
        install(&path, "new").expect("installed");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "new");
        let metadata = fs::metadata(&path).expect("there");
        assert_eq!(metadata.mode() & 0o7777, 0o640);
        let mut held = String::new();
        io::Read::read_to_string(&mut reader, &mut held).expect("readable");
        assert_eq!(held, "old", "whoever had it open has all of the old one");
        assert_eq!(names(&folder), 1, "no draft is left");
    }

    #[test]
    fn a_first_file_can_be_read_by_the_daemon() {
        let (_folder, path) = folder();
        install(&path, "new").expect("installed");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, MODE);
    }

    #[test]
    fn links_volumes_and_other_things_are_left_alone() {
        let (folder, path) = folder();
        fs::write(folder.path().join("elsewhere"), "old").expect("writable");
        symlink("elsewhere", &path).expect("linked");
        let refused = install(&path, "new").expect_err("a link").to_string();
        assert!(refused.contains("is a link to elsewhere"), "{refused}");
        fs::remove_file(&path).expect("there");
        fs::create_dir(&path).expect("made");
        assert!(matches!(install(&path, "new"), Err(InstallError::NotAFile(_))));
        fs::remove_dir(&path).expect("there");
        symlink(".", folder.path().join("..data")).expect("linked");
        let refused = install(&path, "new").expect_err("a volume").to_string();
        assert!(refused.contains("Kubernetes"), "{refused}");
        assert_eq!(names(&folder), 2, "no draft is left");
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let (folder, _) = folder();
        let path = folder.path().join("gone/release.toml");
        let error = install(&path, "new").expect_err("nowhere").to_string();
        assert!(error.starts_with(&format!("cannot write {}", path.display())), "{error}");
    }
}
