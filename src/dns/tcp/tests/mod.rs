//! Connections through real sockets on loopback, with a stub that answers. Here are the stub and
//! the client; the cases are in the files beside.

mod accept;
mod crowd;
mod drain;
mod exchange;
mod frames;

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};

use super::{Answer, Cause, Sitting, Tcp};
use crate::dns::admission::Limits;

/// Longer than anything takes; the tests wait for what happens, not for this.
const PATIENCE: Duration = Duration::from_secs(30);
/// For times that a test wants to see run out.
const SHORT: Duration = Duration::from_millis(200);
const MESSAGE_LEN: usize = 20;
const BIG_LEN: usize = 60_000;

/// Times that do not run out in a test, and room for everyone.
const WIDE: Limits = Limits { total: 1000, per_network: 1000, idle: PATIENCE, message: PATIENCE };

/// What the stub does with a message: its first octet.
const ECHO: u8 = 0;
const PANIC: u8 = 1;
const SILENCE: u8 = 2;
const BIG: u8 = 3;
const EMPTY: u8 = 4;
const TOO_LONG: u8 = 5;
/// Replies when the test has opened the gate.
const WAIT: u8 = 6;

#[derive(Default)]
struct Stub {
    gate: Mutex<()>,
    /// Within which time replies would be sent, the latest that was said.
    delay_max: Mutex<Duration>,
}

impl Answer for Stub {
    fn sit(&self) -> impl Sitting {
        self
    }
}

impl Sitting for &Stub {
    fn answer(&mut self, packet: &[u8], _client: SocketAddr, out: &mut Vec<u8>) -> bool {
        match packet[0] {
            PANIC => panic!("a fault in one reply, as this test wants it"),
            SILENCE => return false,
            BIG => out.resize(out.len() + BIG_LEN, BIG),
            EMPTY => {}
            TOO_LONG => out.resize(out.len() + (1 << 16), 0),
            WAIT => {
                drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
                out.extend_from_slice(packet);
            }
            _ => out.extend_from_slice(packet),
        }
        true
    }

    fn end(self, delay: Duration) {
        let mut delay_max = self.delay_max.lock().unwrap_or_else(PoisonError::into_inner);
        *delay_max = delay.max(*delay_max);
    }
}

fn start(limits: Limits, threads: usize) -> (Tcp, SocketAddr) {
    start_stub(Arc::default(), limits, threads)
}

fn start_stub(stub: Arc<Stub>, limits: Limits, threads: usize) -> (Tcp, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("non-blocking");
    let address = listener.local_addr().expect("an address");
    let tcp = Tcp::start_with(limits, &[listener], stub, threads).expect("threads");
    (tcp, address)
}

fn message(kind: u8, number: u16) -> [u8; MESSAGE_LEN] {
    let mut message = [kind; MESSAGE_LEN];
    message[1..3].copy_from_slice(&number.to_be_bytes());
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).expect("a short message");
    [&len.to_be_bytes(), message].concat()
}

struct Client(TcpStream);

impl Client {
    fn connect(server: SocketAddr) -> Self {
        Self::connect_from([127, 0, 0, 1], server)
    }

    fn connect_from(ip: [u8; 4], server: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((ip, 0)).into()).expect("a free port");
        socket.connect(&server.into()).expect("connected");
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        stream.set_write_timeout(Some(PATIENCE)).expect("an option");
        Self(stream)
    }

    fn send(&mut self, octets: &[u8]) {
        self.0.write_all(octets).expect("sent");
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut len = [0; 2];
        self.0.read_exact(&mut len).expect("a length");
        let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
        self.0.read_exact(&mut message).expect("a message");
        message
    }

    /// True: answered; false: closed, in whatever way.
    fn is_served(&mut self) -> bool {
        let asked = message(ECHO, 7);
        let mut reply = [0; 2 + MESSAGE_LEN];
        let asking = self.0.write_all(&framed(&asked)).and_then(|()| self.0.read_exact(&mut reply));
        match asking {
            Ok(()) => reply[2..] == asked,
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "neither answered nor closed");
                false
            }
        }
    }

    /// Waits for the server to close, and says whether it did so without a reset.
    fn is_closed_well(&mut self) -> bool {
        match self.0.read(&mut [0; 1]) {
            Ok(0) => true,
            Ok(_) => panic!("a reply that nobody asked for"),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "not closed");
                false
            }
        }
    }
}

/// Waits until so many connections have ended by `cause`.
fn until_closed(tcp: &Tcp, cause: Cause, count: u64) {
    let begin = std::time::Instant::now();
    loop {
        let snapshot = tcp.count().snapshot();
        if snapshot.closed[cause as usize] == (cause, count) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{} {count} times: {snapshot:?}", cause.name());
        std::thread::sleep(Duration::from_millis(2));
    }
}
