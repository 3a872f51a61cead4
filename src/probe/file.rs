//! The `file` probe: another system keeps a file on this host that says how the endpoint is.

use std::{
    fs::OpenOptions,
    io::{self, ErrorKind, Read},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use humantime::format_duration;
use tokio::task::spawn_blocking;

use super::{Failure, Means, Passed};
use crate::model::{FileProbe, first_line};

/// Files that are read at once, of all services.
pub(super) const AT_ONCE_MAX: usize = 64;

pub(super) async fn attempt(probe: &FileProbe, address: IpAddr, means: &Means) -> Passed {
    let path = probe.path_of(address);
    if let Some(refusal) = means.permit.refusal_of_file(&path) {
        return Err(Failure::Endpoint(refusal));
    }
    let Ok(turn) = means.files.clone().try_acquire_owned() else {
        return Err(Failure::Ours(format!("{AT_ONCE_MAX} files of probes are being read already")));
    };
    let (probe, folders) = (probe.clone(), means.permit.folders.clone());
    let read = spawn_blocking(move || {
        let result = judge(&probe, &path, &folders, SystemTime::now());
        drop(turn);
        result
    });
    let read = read.await;
    read.unwrap_or_else(|error| Err(Failure::Ours(error.to_string()))).map(|()| None)
}

fn judge(
    probe: &FileProbe,
    path: &Path,
    folders: &[PathBuf],
    now: SystemTime,
) -> Result<(), Failure> {
    let bad = |why: String| Err(Failure::Endpoint(format!("{} {why}", path.display())));
    let (octets, written_at) = match read(path, folders) {
        Ok(read) => read,
        // Whoever keeps it has not written it, or has taken it away.
        Err(error) if error.kind() == ErrorKind::NotFound => return bad("is not there".to_owned()),
        Err(error) => {
            return Err(Failure::Ours(format!("{} cannot be read: {error}", path.display())));
        }
    };
    let age = now.duration_since(written_at).unwrap_or_default();
    if let Some(age_max) = probe.age_max.filter(|age_max| age > *age_max) {
        let [age, age_max] = [Duration::from_secs(age.as_secs()), age_max].map(format_duration);
        return bad(format!("was written {age} ago, and may be {age_max} old"));
    }
    match octets.trim_ascii() {
        content if content == probe.content.as_bytes() => Ok(()),
        content => bad(format!("says {:?}, expected {:?}", first_line(content), probe.content)),
    }
}

/// Links lead to where the folders are, or nowhere.
fn read(path: &Path, folders: &[PathBuf]) -> io::Result<(Vec<u8>, SystemTime)> {
    let path = path.canonicalize()?;
    let is_within = |folder: &PathBuf| folder.canonicalize().is_ok_and(|it| path.starts_with(it));
    if !folders.iter().any(is_within) {
        return Err(io::Error::other("it leads out of `probes.folders`"));
    }
    // A pipe in place of the file does not stop us.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let known = file.metadata()?;
    if !known.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut octets = Vec::new();
    // With room for space around it.
    file.take(4 * FileProbe::CONTENT_LEN_MAX as u64).read_to_end(&mut octets)?;
    Ok((octets, known.modified()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_it_and_is_not_too_old() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("192.0.2.1");
        let probe = FileProbe {
            path: format!("{}/{{address}}", folder.path().display()),
            content: "up".to_owned(),
            age_max: Some(Duration::from_secs(30)),
        };
        assert_eq!(probe.path_of([192, 0, 2, 1].into()), path);
        let judged = |text: Option<&str>, later: u64| {
            if let Some(text) = text {
                std::fs::write(&path, text).expect("written");
            }
            let folders = [folder.path().to_owned()];
            judge(&probe, &path, &folders, SystemTime::now() + Duration::from_secs(later))
        };
        let why = |why: &str| Err(Failure::Endpoint(format!("{} {why}", path.display())));
        assert_eq!(judged(None, 0), why("is not there"));
        assert_eq!(judged(Some("up\n"), 0), Ok(()));
        assert_eq!(judged(None, 60), why("was written 1m ago, and may be 30s old"));
        assert_eq!(judged(Some("down \u{7}"), 0), why("says \"down\", expected \"up\""));
        std::fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink("/etc/passwd", &path).expect("a link");
        let Err(Failure::Ours(why)) = judged(None, 0) else { panic!("it leads elsewhere") };
        assert!(why.ends_with("it leads out of `probes.folders`"), "{why}");
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("made");
        assert!(matches!(judged(None, 0), Err(Failure::Ours(_))), "it is a folder");
    }
}
