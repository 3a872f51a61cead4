//! The sockets that answers go out of: bound here, or passed by systemd.

use std::{io, net::SocketAddr};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

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
    /// Datagrams.
    Udp(UdpSocket),
    /// Streams.
    Tcp(TcpListener),
}

impl Listener {
    /// UDP and TCP on one address. With port 0 both get the same free port.
    pub fn bind(address: SocketAddr) -> Result<[Self; 2], BindError> {
        let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            match bind_pair(address) {
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

    /// Where it is bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp(listener) => listener.local_addr(),
        }
    }
}

fn bind_pair(address: SocketAddr) -> io::Result<[Listener; 2]> {
    let udp = open(address, Type::DGRAM, Protocol::UDP)?;
    let udp = UdpSocket::from_std(udp.into())?;
    let tcp = open(udp.local_addr()?, Type::STREAM, Protocol::TCP)?;
    tcp.listen(TCP_BACKLOG)?;
    Ok([Listener::Udp(udp), Listener::Tcp(TcpListener::from_std(tcp.into())?)])
}

pub(super) fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
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
    socket.bind(&address.into())?;
    Ok(socket)
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<Listener> {
    if let Ok(Some(socket)) = passed.take_udp_socket(index) {
        socket.set_nonblocking(true)?;
        return Ok(Listener::Udp(UdpSocket::from_std(socket)?));
    }
    match passed.take_tcp_listener(index)? {
        Some(listener) => {
            listener.set_nonblocking(true)?;
            Ok(Listener::Tcp(TcpListener::from_std(listener)?))
        }
        None => Err(io::Error::other("it was not passed to this process")),
    }
}
