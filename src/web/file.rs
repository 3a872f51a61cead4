//! Small files with what is secret: read for each request, so that another one counts without a restart.

use std::{fs::OpenOptions, io::Read, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

/// The largest file that is read, in octets.
const LEN_MAX: u64 = 4096;

/// What is made of the octets of a file; what is wrong is told without the path, and without what stands
/// there.
pub type Parse<T> = fn(&[u8]) -> Result<T, String>;

/// Reads one file again and again; never twice at once, for files may hang.
#[derive(Debug)]
pub struct FileReader<T>(Option<JoinHandle<Result<T, String>>>);

impl<T> Default for FileReader<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Send + 'static> FileReader<T> {
    /// What stands in the file now, or in one sentence why that is not known; `what` it is.
    pub async fn read(
        &mut self,
        what: &str,
        path: &Path,
        parse: Parse<T>,
        limit: Duration,
    ) -> Result<T, String> {
        let (shown, path) = (path.display(), path.to_owned());
        let begin = || spawn_blocking(move || read(&path).and_then(|octets| parse(&octets)));
        let reading = self.0.get_or_insert_with(begin);
        let read = timeout(limit, reading).await;
        let read = read.map_err(|_| format!("{what} in {shown} cannot be read in time"))?;
        self.0 = None;
        let parsed = read.map_err(|error| error.to_string()).flatten();
        parsed.map_err(|why| format!("{what} in {shown}: {why}"))
    }
}

/// The octets of a file. It may wait for a disk.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("the file cannot be read: {error}");
    // A pipe in place of the file does not stop us.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut octets = Vec::new();
    file.take(LEN_MAX + 1).read_to_end(&mut octets).map_err(unreadable)?;
    if octets.len() as u64 > LEN_MAX {
        return Err(format!("the file is larger than {LEN_MAX} octets"));
    }
    Ok(octets)
}
