//! One battery of tests that every kind of probe runs, IPv4 and IPv6. A new kind adds one entry
//! to [`subjects`] and a stub that passes it.
