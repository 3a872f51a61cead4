//! Asking for memory before it is read.

/// Brings the line of an octet near, in the background: what is read of it a little later needs no
/// wait. A read would wait, in the end, for it and for all before it.
#[inline(always)]
pub fn near(octet: &u8) {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: it is a hint, which reads and changes nothing that a program can see, whatever the
        // address; and every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(octet).cast()) }
    }
    // There is no such hint in stable Rust for others.
    #[cfg(not(target_arch = "x86_64"))]
    std::hint::black_box(*octet);
}
