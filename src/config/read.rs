//! Gets the text of a file that may be anything: missing, huge, binary, a pipe, a directory.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

/// The largest file that is read, in octets.
pub const FILE_LEN_MAX: u64 = 64 << 20;

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing stands at the path.
    #[error("the file does not exist")]
    Missing,
    /// It is not for us.
    #[error("the file may not be read by this user")]
    Permission,
    /// A directory, a pipe, a device.
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    /// More than [`FILE_LEN_MAX`].
    #[error("the file is larger than {} MiB", FILE_LEN_MAX >> 20)]
    TooLarge,
    /// Not text.
    #[error("the file is not UTF-8 text: the octet at offset {0} belongs to no character")]
    NotText(usize),
    /// Anything else.
    #[error("the file cannot be read: {0}")]
    Io(io::Error),
}

impl ReadError {
    pub(super) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing => "create it, or name another one with --config",
            Self::Permission => "give this user the right to read it (chmod, chown)",
            Self::NotText(_) => "TOML files are UTF-8 text (https://toml.io)",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// The whole text of a regular file.
pub fn text(path: &Path) -> Result<String, ReadError> {
    text_and_mode(path).map(|(text, _)| text)
}

/// The same, and who may do what with the file: its permission bits.
pub(super) fn text_and_mode(path: &Path) -> Result<(String, u32), ReadError> {
    let file = open(path)?;
    let metadata = file.metadata().map_err(ReadError::Io)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile(kind_of(&metadata.file_type())));
    }
    let mut octets = Vec::new();
    // The length may change while we read; the limit holds whatever it was.
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut octets).map_err(ReadError::Io)?;
    if octets.len() as u64 > FILE_LEN_MAX {
        return Err(ReadError::TooLarge);
    }
    match String::from_utf8(octets) {
        Ok(text) => Ok((text, metadata.mode() & 0o7777)),
        Err(error) => Err(ReadError::NotText(error.utf8_error().valid_up_to())),
    }
}

/// Opens without waiting for the other end of a pipe.
fn open(path: &Path) -> Result<File, ReadError> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ReadError::Missing,
        io::ErrorKind::PermissionDenied => ReadError::Permission,
        _ => ReadError::Io(error),
    })
}

fn kind_of(kind: &std::fs::FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
