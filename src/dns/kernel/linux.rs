//! Batches by recvmmsg and sendmmsg: two system calls for up to 32 questions and their replies.
//!
//! The only unsafe code of the program: these calls, `setsockopt`, and memory that both the kernel
//! and we write. All of it is allocated and laid out once; of each message only what the last
//! batch changed is set again.
#![allow(
    unsafe_code,
    reason = "std and socket2 have no recvmmsg and sendmmsg, which most of our speed comes from"
)]

use std::{
    io, mem,
    net::{Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    ptr::{self, NonNull},
};

use libc::{c_int, iovec, mmsghdr};
use socket2::SockRef;

use super::{
    Sent, Slot,
    beside::{Control, Name, client, reply_from_asked},
    nothing_came, prepare_any,
};

/// Options for a socket that answers: replies leave from the address that was asked, and nothing
/// on the path can make us split them or believe in a smaller path.
pub(in crate::dns) fn prepare(socket: &UdpSocket) -> io::Result<()> {
    let address = socket.local_addr()?;
    // Bound to one address, replies leave from there without being told.
    let wildcard = c_int::from(address.ip().to_canonical().is_unspecified());
    let only_v6 = address.is_ipv6() && SockRef::from(socket).only_v6()?;
    if address.is_ipv6() {
        // Tells of IPv4 packets too, as mapped addresses.
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, wildcard)?;
        let omit = libc::IPV6_PMTUDISC_OMIT;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, omit)?;
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, wildcard)?;
    }
    if !only_v6 {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)?;
    }
    prepare_any(socket)
}

fn set_option(socket: &UdpSocket, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let len = mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel reads `len` octets, those of `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams received and answered together; all memory is allocated once.
pub(in crate::dns) struct Batch {
    /// From `Box::leak`, and owned. A `Box` would claim to be the only way to its content, but
    /// the messages point to their slots; every one of these pointers comes from this one.
    memory: NonNull<Memory>,
    /// How many slots the last `receive` filled.
    received: usize,
}

/// A message of each array points to the slot and the envelope with the same index.
struct Memory {
    slots: [Octets; Batch::DATAGRAMS_MAX],
    envelopes: [Envelope; Batch::DATAGRAMS_MAX],
    questions: [mmsghdr; Batch::DATAGRAMS_MAX],
    /// The replies to send, without gaps: message and slot need not have the same index.
    replies: [mmsghdr; Batch::DATAGRAMS_MAX],
}

#[repr(align(64))]
struct Octets([u8; Batch::QUERY_MAX]);

#[repr(align(64))]
struct Envelope {
    client: Name,
    /// The whole slot, for the question; then its first octets, as many as the reply has.
    parts: [iovec; 2],
    control: Control,
}

// SAFETY: `memory` is owned like a box's, and what it points to points nowhere else. All of it is
// plain data that no thread is bound to.
unsafe impl Send for Batch {}

impl Batch {
    /// The most datagrams of one batch.
    pub(in crate::dns) const DATAGRAMS_MAX: usize = super::DATAGRAMS_MAX;
    /// The longest question that is kept, and the room for its reply.
    pub(in crate::dns) const QUERY_MAX: usize = super::QUERY_MAX;

    /// Allocates the memory of a worker.
    pub(in crate::dns) fn new() -> Self {
        // SAFETY: `Memory` is integers and raw pointers, all of which may be zero.
        let memory: Box<Memory> = Box::new(unsafe { mem::zeroed() });
        let memory = NonNull::from(Box::leak(memory));
        for index in 0..Self::DATAGRAMS_MAX {
            lay_out(memory, index);
        }
        Self { memory, received: 0 }
    }

    /// Waits until at least one datagram is there or the socket's read timeout has passed; takes
    /// as many as there are and says how many. What is left of the last batch is forgotten.
    pub(in crate::dns) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.forget();
        // SAFETY: the messages and all that they point to live as long as `self`, are laid out by
        // `lay_out` with the sizes that they have, and are not otherwise used during the call.
        // Without the last argument there is no time limit but the socket's.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                (&raw mut (*self.memory.as_ptr()).questions).cast(),
                Self::DATAGRAMS_MAX as _,
                // The first is waited for, not the others.
                libc::MSG_WAITFORONE as _,
                ptr::null_mut(),
            )
        };
        match usize::try_from(count) {
            Ok(count) => {
                self.received = count.min(Self::DATAGRAMS_MAX);
                Ok(self.received)
            }
            Err(_) => match io::Error::last_os_error() {
                error if nothing_came(&error) => Ok(0),
                error => Err(error),
            },
        }
    }

    /// The received datagrams: the question, if it was kept whole, and who sent it: address and
    /// port; an IPv4 client as a mapped address.
    #[inline]
    pub(in crate::dns) fn received(
        &self,
    ) -> impl Iterator<Item = (Option<&[u8]>, (Ipv6Addr, u16))> + use<'_> {
        let Memory { slots, envelopes, questions, .. } = self.memory();
        let all = questions.iter().zip(slots).zip(envelopes).take(self.received);
        all.map(|((question, slot), envelope)| {
            let cut = question.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let octets = slot.0.get(..question.msg_len as usize).filter(|_| !cut);
            (octets, client_of(question, envelope))
        })
    }

    /// A received datagram.
    #[inline]
    pub(in crate::dns) fn slot(&mut self, index: usize) -> Slot<'_> {
        assert!(index < self.received, "invariant: only received datagrams are looked at");
        let memory = self.memory_mut();
        let question = &memory.questions[index];
        let (address, port) = client_of(question, &memory.envelopes[index]);
        let client = SocketAddr::new(address.to_canonical(), port);
        let len = (question.msg_len as usize).min(Self::QUERY_MAX);
        Slot { buffer: &mut memory.slots[index].0, len, client }
    }

    /// The place of a datagram and of its reply, as in [`Self::slot`].
    #[inline]
    pub(in crate::dns) fn buffer(&mut self, index: usize) -> &mut [u8] {
        assert!(index < self.received, "invariant: only received datagrams are looked at");
        &mut self.memory_mut().slots[index].0
    }

    /// Says how many octets of a slot are to be sent back to where it came from. None, as after
    /// `receive`: there is no reply.
    #[inline]
    pub(in crate::dns) fn reply(&mut self, index: usize, len: usize) {
        assert!(index < self.received, "invariant: only received datagrams are answered");
        assert!(len <= Self::QUERY_MAX, "invariant: a reply is written into its slot");
        self.memory_mut().envelopes[index].parts[1].iov_len = len;
    }

    /// Sends all replies, each from the address that was asked; the batch is empty afterwards.
    /// Never waits: a reply that the kernel refuses, for want of room or for its destination, is
    /// skipped.
    pub(in crate::dns) fn send(&mut self, socket: &UdpSocket) -> Sent {
        let count = self.gather_replies();
        let mut result = Sent::default();
        let mut next = 0;
        while next < count {
            // SAFETY: `next < count <= DATAGRAMS_MAX`, so the `count - next` messages from `next`
            // on are in the array. `gather_replies` has made each of them point to a slot and its
            // envelope, which live as long as `self`, with lengths not above theirs.
            let sent = unsafe {
                let replies: *mut mmsghdr = (&raw mut (*self.memory.as_ptr()).replies).cast();
                let replies = replies.add(next);
                let flags = libc::MSG_DONTWAIT;
                libc::sendmmsg(socket.as_raw_fd(), replies, (count - next) as _, flags as _)
            };
            // It stops before a message that fails, and says why only when that is the first.
            match usize::try_from(sent) {
                Ok(sent @ 1..) => {
                    result.sent += sent;
                    next += sent;
                }
                Ok(0) | Err(_) => {
                    result.failed += 1;
                    next += 1;
                }
            }
        }
        self.forget();
        result
    }

    /// Empties the batch: sets what the kernel and `reply` have changed since `receive`.
    fn forget(&mut self) {
        let received = mem::take(&mut self.received);
        let Memory { envelopes, questions, .. } = self.memory_mut();
        for (envelope, question) in envelopes[..received].iter_mut().zip(questions) {
            set_room(question);
            envelope.parts[1].iov_len = 0;
        }
    }

    /// Lines up the messages of the replies, and says how many there are.
    fn gather_replies(&mut self) -> usize {
        let received = self.received;
        let Memory { envelopes, questions, replies, .. } = self.memory_mut();
        let mut count = 0;
        for (envelope, question) in envelopes[..received].iter_mut().zip(questions) {
            if envelope.parts[1].iov_len == 0 {
                continue;
            }
            let question = &question.msg_hdr;
            let asked = reply_from_asked(&mut envelope.control, question.msg_controllen as _);
            let message = &mut replies[count].msg_hdr;
            message.msg_name = question.msg_name;
            message.msg_namelen = question.msg_namelen.min(mem::size_of::<Name>() as _);
            let control = question.msg_control.cast::<u8>();
            message.msg_control = control.wrapping_add(asked.start).cast();
            message.msg_controllen = asked.len() as _;
            message.msg_iov = question.msg_iov.wrapping_add(1);
            count += 1;
        }
        count
    }

    fn memory(&self) -> &Memory {
        // SAFETY: `memory` is owned and valid until `drop`. The kernel writes to it only during
        // calls that borrow `self` alone, and through no pointer is it changed meanwhile.
        unsafe { self.memory.as_ref() }
    }

    fn memory_mut(&mut self) -> &mut Memory {
        // SAFETY: as for `memory`; `self` is borrowed alone.
        unsafe { self.memory.as_mut() }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: `memory` was a box's, and nothing uses it after this.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

/// Points the messages with this index to their slot and envelope. Only the replies' parts and
/// sizes change later.
fn lay_out(memory: NonNull<Memory>, index: usize) {
    let memory = memory.as_ptr();
    // SAFETY: `memory` is valid and used by nobody else yet; indices are checked against the
    // arrays. All pointers are made from the given one, not from references: they stay valid
    // whatever references to the same memory are made and given up later.
    unsafe {
        let slot = &raw mut (*memory).slots[index].0;
        let envelope = &raw mut (*memory).envelopes[index];
        let part = |iov_len| iovec { iov_base: slot.cast(), iov_len };
        (*envelope).parts = [part(Batch::QUERY_MAX), part(0)];

        let question = &raw mut (*memory).questions[index];
        (*question).msg_hdr.msg_name = (&raw mut (*envelope).client).cast();
        (*question).msg_hdr.msg_control = (&raw mut (*envelope).control).cast();
        (*question).msg_hdr.msg_iov = (&raw mut (*envelope).parts).cast();
        (*question).msg_hdr.msg_iovlen = 1;
        set_room(&mut *question);
        (*memory).replies[index].msg_hdr.msg_iovlen = 1;
    }
}

#[inline]
fn client_of(question: &mmsghdr, envelope: &Envelope) -> (Ipv6Addr, u16) {
    client(&envelope.client, question.msg_hdr.msg_namelen as usize)
}

/// Says how much room the kernel has beside the datagram; it overwrites this with what it used.
fn set_room(question: &mut mmsghdr) {
    question.msg_hdr.msg_namelen = mem::size_of::<Name>() as _;
    question.msg_hdr.msg_controllen = mem::size_of::<Control>() as _;
}

#[cfg(test)]
#[path = "battery.rs"]
#[allow(clippy::duplicate_mod, reason = "both kinds pass the same battery")]
mod battery;

#[cfg(test)]
const ANSWERS_FROM_ASKED: bool = true;

#[cfg(test)]
impl Batch {
    /// Makes the reply one that cannot be sent.
    fn misdirect(&mut self, index: usize) {
        // Where the port stands, in either family.
        self.memory_mut().envelopes[index].client.0[2..4].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(socket: &UdpSocket, level: c_int, name: c_int) -> c_int {
        let mut value: c_int = -1;
        let mut len = mem::size_of_val(&value) as libc::socklen_t;
        let fd = socket.as_raw_fd();
        // SAFETY: the kernel writes at most `len` octets, those of `value`, and the length.
        let result =
            unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut len) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        value
    }

    #[test]
    fn a_socket_on_all_addresses_learns_which_was_asked_and_one_on_a_single_address_does_not() {
        for (address, wildcard) in [("0.0.0.0:0", 1), ("127.0.0.1:0", 0)] {
            let socket = UdpSocket::bind(address).expect("a free port");
            prepare(&socket).expect("prepared");
            assert_eq!(option(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO), wildcard);
            let discover = option(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER);
            assert_eq!(discover, libc::IP_PMTUDISC_OMIT);
        }
        for (address, wildcard) in [("[::]:0", 1), ("[::1]:0", 0)] {
            let Some(socket) = battery::bind_v6(address, true) else { return };
            prepare(&socket).expect("prepared");
            assert_eq!(option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO), wildcard);
            let discover = option(&socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER);
            assert_eq!(discover, libc::IPV6_PMTUDISC_OMIT);
        }
    }

    #[test]
    fn a_socket_for_both_families_splits_the_packets_of_neither() {
        let Some(socket) = battery::bind_v6("[::]:0", false) else { return };
        prepare(&socket).expect("prepared");
        let v6 = option(&socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER);
        let v4 = option(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER);
        assert_eq!((v6, v4), (libc::IPV6_PMTUDISC_OMIT, libc::IP_PMTUDISC_OMIT));
    }

    #[test]
    fn control_data_that_others_asked_for_does_not_hide_which_address_was_asked() {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a free port");
        set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMP, 1).expect("set");
        set_option(&socket, libc::IPPROTO_IP, libc::IP_RECVTTL, 1).expect("set");
        prepare(&socket).expect("prepared");
        battery::echoes_from_asked(&socket, &["127.0.0.1", "127.0.0.2"]);
    }

    #[test]
    fn many_datagrams_take_few_calls() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        prepare(&socket).expect("prepared");
        let client = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("bound");
        for _ in 0..Batch::DATAGRAMS_MAX {
            client.send_to(b"question", address).expect("sent");
        }
        let mut batch = Batch::new();
        let (mut calls, mut received) = (0, 0);
        while received < Batch::DATAGRAMS_MAX {
            received += batch.receive(&socket).expect("no fault");
            calls += 1;
        }
        assert!(calls < Batch::DATAGRAMS_MAX / 2, "{calls} calls");
    }

    #[test]
    fn slots_start_in_different_sets_of_the_first_level_cache() {
        // 64 sets of lines of 64 octets: 32 KiB in 8 places, or 48 KiB in 12.
        let sets =
            (0..Batch::DATAGRAMS_MAX).map(|index| index * mem::size_of::<Octets>() / 64 % 64);
        let different: std::collections::BTreeSet<usize> = sets.collect();
        assert_eq!(different.len(), Batch::DATAGRAMS_MAX);
    }
}
