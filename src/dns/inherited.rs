//! Sockets that a predecessor has handed over: checked when they come, taken by address.
//!
//! What a socket is bound to is asked of the socket itself, so that nobody can be wrong about it.
//! How they come is left out: see the daemon's handover.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::fd::OwnedFd,
};

use socket2::{Socket, Type};

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Questions by UDP and TCP.
    Dns,
    /// Questions by TLS.
    Tls,
    /// Questions by QUIC.
    Quic,
    /// Questions by HTTPS.
    Https,
    /// Metrics and status.
    Pages,
}

impl Purpose {
    /// All of them; the position of each is its number in a handover, so new ones come last.
    pub const ALL: [Self; 5] = [Self::Dns, Self::Tls, Self::Quic, Self::Https, Self::Pages];

    /// Whether a socket of this type can serve it.
    fn can_use(self, kind: Type) -> bool {
        match self {
            Self::Dns => kind == Type::DGRAM || kind == Type::STREAM,
            Self::Quic => kind == Type::DGRAM,
            Self::Tls | Self::Https | Self::Pages => kind == Type::STREAM,
        }
    }
}

/// Sockets to take over; those that nobody takes are closed with it.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Item>);

#[derive(Debug)]
struct Item {
    purpose: Purpose,
    kind: Type,
    address: SocketAddr,
    socket: Socket,
}

impl Inherited {
    /// Adds a socket, if it is what it is said to be.
    pub fn add(&mut self, purpose: Purpose, descriptor: OwnedFd) -> io::Result<()> {
        let socket = Socket::from(descriptor);
        let kind = socket.r#type()?;
        if !purpose.can_use(kind) {
            return Err(io::Error::other("a socket of the wrong type"));
        }
        #[cfg(target_os = "linux")]
        if kind == Type::STREAM && !socket.is_listener()? {
            return Err(io::Error::other("a stream socket that does not listen"));
        }
        let address = socket.local_addr()?.as_socket();
        let address = address.ok_or_else(|| io::Error::other("not a socket of the Internet"))?;
        self.0.push(Item { purpose, kind, address, socket });
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All datagram sockets on one address; with port 0, on any port of it.
    pub fn take_datagrams(&mut self, purpose: Purpose, asked: SocketAddr) -> Vec<UdpSocket> {
        let Some(address) = self.find(purpose, Type::DGRAM, asked) else { return Vec::new() };
        let is_wanted = |item: &mut Item| {
            item.purpose == purpose && item.kind == Type::DGRAM && item.address == address
        };
        self.0.extract_if(.., is_wanted).map(|item| item.socket.into()).collect()
    }

    /// The listener on an address; with port 0, on any port of it. Never waits in `accept`.
    pub fn take_listener(
        &mut self,
        purpose: Purpose,
        asked: SocketAddr,
    ) -> io::Result<Option<TcpListener>> {
        let Some(address) = self.find(purpose, Type::STREAM, asked) else { return Ok(None) };
        let is_wanted = |item: &Item| {
            item.purpose == purpose && item.kind == Type::STREAM && item.address == address
        };
        let Some(index) = self.0.iter().position(is_wanted) else { return Ok(None) };
        let socket = self.0.remove(index).socket;
        socket.set_nonblocking(true)?;
        Ok(Some(socket.into()))
    }

    fn find(&self, purpose: Purpose, kind: Type, asked: SocketAddr) -> Option<SocketAddr> {
        let candidates = self.0.iter().filter(|item| item.purpose == purpose && item.kind == kind);
        candidates.map(|item| item.address).find(|address| suits(asked, *address))
    }
}

/// Whether a socket that is bound to `bound` is what the settings ask for by `asked`.
fn suits(asked: SocketAddr, bound: SocketAddr) -> bool {
    let mut asked = asked;
    if asked.port() == 0 {
        asked.set_port(bound.port());
    }
    asked == bound
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn any_port() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    fn udp() -> (SocketAddr, OwnedFd) {
        let socket = UdpSocket::bind(any_port()).expect("a free port");
        (socket.local_addr().expect("bound"), socket.into())
    }

    fn tcp() -> (SocketAddr, OwnedFd) {
        let listener = TcpListener::bind(any_port()).expect("a free port");
        (listener.local_addr().expect("bound"), listener.into())
    }

    #[test]
    fn sockets_are_taken_by_address_and_purpose_and_once() {
        let mut inherited = Inherited::default();
        let ((first, one), (second, other)) = (udp(), udp());
        let twin = one.try_clone().expect("a descriptor");
        let (page, listener) = tcp();
        for descriptor in [one, other, twin] {
            inherited.add(Purpose::Dns, descriptor).expect("a datagram socket");
        }
        inherited.add(Purpose::Pages, listener).expect("a listener");

        let elsewhere = ([127, 0, 0, 2], first.port()).into();
        assert!(inherited.take_datagrams(Purpose::Dns, elsewhere).is_empty());
        assert!(inherited.take_datagrams(Purpose::Quic, first).is_empty());
        assert!(inherited.take_listener(Purpose::Dns, page).expect("usable").is_none());
        assert_eq!(inherited.take_datagrams(Purpose::Dns, first).len(), 2);
        let any = inherited.take_datagrams(Purpose::Dns, any_port());
        assert_eq!(any[0].local_addr().expect("bound"), second);
        let taken = inherited.take_listener(Purpose::Pages, page).expect("usable");
        assert_eq!(taken.expect("there").local_addr().expect("bound"), page);
        assert!(inherited.is_empty());
    }

    #[test]
    fn what_is_not_what_it_is_said_to_be_is_refused() {
        let mut inherited = Inherited::default();
        assert!(inherited.add(Purpose::Pages, udp().1).is_err());
        assert!(inherited.add(Purpose::Quic, tcp().1).is_err());
        let file = File::open("/dev/null").expect("there");
        assert!(inherited.add(Purpose::Dns, file.into()).is_err());
        let (unix, _) = std::os::unix::net::UnixStream::pair().expect("a pair");
        assert!(inherited.add(Purpose::Dns, unix.into()).is_err());
        #[cfg(target_os = "linux")]
        {
            let (address, _listener) = tcp();
            let client = std::net::TcpStream::connect(address).expect("connected");
            assert!(inherited.add(Purpose::Tls, client.into()).is_err(), "not a listener");
        }
        assert!(inherited.is_empty());
    }
}
