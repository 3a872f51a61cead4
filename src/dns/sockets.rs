//! The sockets that answers go out of: bound here, passed by systemd, or handed over.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::fd::OwnedFd,
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Inherited, Purpose};

pub(super) const TCP_BACKLOG: i32 = 1024;
/// How often a free UDP port may turn out to be taken for TCP, when any port will do.
const PORT_TRIES: usize = 16;

/// Why a socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system said no.
    #[error("cannot listen on {address}: {reason}{}", advice(.address, .reason))]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What it said.
        reason: io::Error,
    },
    /// A passed socket is neither UDP nor listening TCP, or is unusable.
    #[error("socket {index} passed by systemd cannot be used: {reason}")]
    Passed {
        /// Its position, from 0.
        index: usize,
        /// What is wrong.
        reason: io::Error,
    },
}

fn advice(address: &SocketAddr, reason: &io::Error) -> &'static str {
    match (reason.kind(), address.port()) {
        (io::ErrorKind::PermissionDenied, 1..1024) => {
            "; ports below 1024 need a privilege: use systemd/cutover.socket, or another port"
        }
        (io::ErrorKind::AddrInUse, _) => {
            "; another program, or another line of the settings, has it"
        }
        _ => "",
    }
}

/// A socket to answer on.
#[derive(Debug)]
pub enum Listener {
    /// Datagrams: sockets on one address, among which the system spreads the clients.
    Udp(Vec<UdpSocket>),
    /// Streams.
    Tcp(TcpListener),
}

impl Listener {
    /// UDP and TCP on one address, with a UDP socket for each of `workers`. With port 0 all get
    /// the same free port.
    pub fn bind(address: SocketAddr, workers: usize) -> Result<[Self; 2], BindError> {
        let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            match bind_pair(address, workers) {
                Err(error) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
                Err(reason) => return Err(BindError::Bind { address, reason }),
                Ok(pair) => return Ok(pair),
            }
        }
    }

    /// The sockets that systemd passed, if any (`sd_listen_fds(3)`).
    pub fn passed() -> Result<Vec<Self>, BindError> {
        let mut passed = ListenFd::from_env();
        (0..passed.len())
            .map(|index| {
                take(&mut passed, index).map_err(|reason| BindError::Passed { index, reason })
            })
            .collect()
    }

    /// The pair for an address that was handed over, if there is one; with port 0, one on any port.
    pub fn inherit(
        address: SocketAddr,
        inherited: &mut Inherited,
    ) -> Result<Option<[Self; 2]>, BindError> {
        let error = |reason| BindError::Bind { address, reason };
        let tcp = inherited.take_listener(Purpose::Dns, address).map_err(error)?;
        let Some(tcp) = tcp else { return Ok(None) };
        let udp = inherited.take_datagrams(Purpose::Dns, tcp.local_addr().map_err(error)?);
        // All of them are read, however many workers there are to be: one that nobody reads would
        // be sent its share of the questions all the same.
        Ok((!udp.is_empty()).then(|| [Self::Udp(udp), Self::Tcp(tcp)]))
    }

    /// Another hold on each of its sockets, to hand over.
    pub fn lend(&self) -> io::Result<Vec<OwnedFd>> {
        match self {
            Self::Udp(sockets) => {
                sockets.iter().map(|socket| Ok(socket.try_clone()?.into())).collect()
            }
            Self::Tcp(listener) => Ok(vec![listener.try_clone()?.into()]),
        }
    }

    /// Where it is bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(sockets) => {
                let none = || io::Error::from(io::ErrorKind::NotConnected);
                sockets.first().ok_or_else(none)?.local_addr()
            }
            Self::Tcp(listener) => listener.local_addr(),
        }
    }
}

fn bind_pair(address: SocketAddr, workers: usize) -> io::Result<[Listener; 2]> {
    // The first one is bound alone, so that an address which another program has, or this one has
    // already, is an error; only then may others join it.
    let first = bound(address, Type::DGRAM, Protocol::UDP)?;
    let address = first.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    first.set_reuse_port(true)?;
    let mut udp = vec![first.into()];
    for _ in 1..workers {
        let next = open(address, Type::DGRAM, Protocol::UDP)?;
        next.set_reuse_port(true)?;
        next.bind(&address.into())?;
        udp.push(next.into());
    }
    let tcp = bound(address, Type::STREAM, Protocol::TCP)?;
    tcp.listen(TCP_BACKLOG)?;
    Ok([Listener::Udp(udp), Listener::Tcp(tcp.into())])
}

/// A bound socket.
pub(super) fn bound(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = open(address, kind, protocol)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // Each family has its own socket, so that `[::]` and `0.0.0.0` can stand side by side.
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // A restart must not wait for the old connections' TIME_WAIT.
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<Listener> {
    if let Ok(Some(socket)) = passed.take_udp_socket(index) {
        return Ok(Listener::Udp(vec![socket]));
    }
    match passed.take_tcp_listener(index)? {
        Some(listener) => {
            listener.set_nonblocking(true)?;
            Ok(Listener::Tcp(listener))
        }
        None => Err(io::Error::other("it was not passed to this process")),
    }
}
