//! How many connections the process's limit of descriptors allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Asked for if the soft limit is lower and the hard one allows it: what the systemd unit gives.
const WANTED: u64 = 65_536;
/// For all but DNS connections: 256 probes at once, files, pages, listeners, epoll.
const RESERVED: u64 = 384;
/// Fewer would be of no use, even when descriptors are that short.
const CONNECTIONS_MIN: u64 = 16;

/// `wanted` connections, or as many as there are descriptors for. Raises the soft limit first.
///
/// Raising it harms only programs that wait with `select`, which takes descriptors below 1,024;
/// here everything waits with epoll or kqueue. Processes started later inherit the limit.
pub(super) fn connections_max(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is "without limit".
    let (soft, hard) = (current.unwrap_or(u64::MAX), maximum.unwrap_or(u64::MAX));
    let raised = soft.max(hard.min(WANTED));
    let limit = Rlimit { current: Some(raised), maximum };
    // Where it is forbidden, the soft limit stays what it is.
    let is_raised = raised > soft && setrlimit(Resource::Nofile, limit).is_ok();
    allowed(wanted, if is_raised { raised } else { soft })
}

fn allowed(wanted: usize, descriptors: u64) -> usize {
    let room = descriptors.saturating_sub(RESERVED).max(CONNECTIONS_MIN);
    wanted.min(usize::try_from(room).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_files_and_pages_keep_their_descriptors() {
        assert_eq!(allowed(1024, 65_536), 1024);
        assert_eq!(allowed(1024, u64::MAX), 1024);
        assert_eq!(allowed(1024, 1024), 640);
        assert_eq!(allowed(1024, 400), 16);
        assert_eq!(allowed(1024, 0), 16);
        assert_eq!(allowed(8, 1024), 8);
    }

    #[test]
    fn the_limit_of_this_process_leaves_room_for_a_few() {
        assert!(connections_max(1024) >= 16);
        assert_eq!(connections_max(3), 3);
    }
}
