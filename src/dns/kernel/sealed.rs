//! What other programs never get of us.

/// Has every descriptor that is open, but for the standard ones, closed when a program is run:
/// whoever started us may have left some that would not be.
pub fn seal_descriptors() {
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code)]
    {
        const FIRST: libc::c_uint = 3;
        // SAFETY: it sets a flag of descriptors, which concerns nothing but programs that are run
        // later; no memory is handed over, and none of the descriptors is closed.
        // Before Linux 5.11 it does nothing; all that we open ourselves has the flag anyway.
        unsafe {
            libc::syscall(
                libc::SYS_close_range,
                FIRST,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            )
        };
    }
}
