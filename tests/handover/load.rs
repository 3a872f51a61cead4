//! Clients that never stop asking, and notice everything that is not as it should be.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::common::{
    PATIENCE,
    client::{framed, query, read},
};

/// Sockets of UDP clients: enough for every socket of a daemon to have some.
const UDP_CLIENTS: usize = 6;
/// Questions that each of them has open.
const OPEN: usize = 8;
const TCP_CLIENTS: usize = 3;
/// Questions that a TCP client sends at once.
const PIPELINED: usize = 4;
/// Between connections, so that there are ports for all.
const PAUSE: Duration = Duration::from_millis(3);

/// What was asked and answered.
#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    udp: AtomicU32,
    pipelined: AtomicU32,
    connections: AtomicU32,
    /// Orderly ends of connections by the server.
    closed: AtomicU32,
}

/// Running clients.
pub(crate) struct Load {
    tally: Arc<Tally>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let tally = Arc::<Tally>::default();
        let mut clients = Vec::new();
        let mut spawn = |client: fn(SocketAddr, &Tally)| {
            let tally = tally.clone();
            clients.push(thread::spawn(move || client(server, &tally)));
        };
        (0..UDP_CLIENTS).for_each(|_| spawn(ask_by_udp));
        (0..TCP_CLIENTS).for_each(|_| spawn(pipeline));
        spawn(connect_anew);
        Self { tally, clients }
    }

    /// Waits until every client has got something that it asked for after this call.
    pub(crate) fn until_heard(&self) {
        let counts = [&self.tally.udp, &self.tally.pipelined, &self.tally.connections];
        for count in counts {
            let before = count.load(SeqCst);
            while count.load(SeqCst) < before + 100 {
                self.check();
                thread::sleep(PAUSE);
            }
        }
    }

    fn check(&self) {
        assert!(!self.clients.iter().any(JoinHandle::is_finished), "a client is not content");
    }

    /// Ends the clients; says how often connections were closed well by the server.
    pub(crate) fn end(self) -> u32 {
        self.tally.stop.store(true, SeqCst);
        for client in self.clients {
            client.join().expect("the client is content");
        }
        self.tally.closed.load(SeqCst)
    }
}

fn ask_by_udp(server: SocketAddr, tally: &Tally) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(server).expect("connected");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    while !tally.stop.load(SeqCst) {
        let mut open: Vec<_> = (0..OPEN).map(|_| query("api.zone.test", "A")).collect();
        for query in &open {
            socket.send(query).expect("sent");
        }
        while !open.is_empty() {
            let mut reply = vec![0; 1232];
            let len = socket.recv(&mut reply).expect("no question is lost");
            reply.truncate(len);
            let asked = open.iter().position(|query| query[..2] == reply[..2]).expect("asked");
            assert_eq!(read(&open.remove(asked), reply).rcode, "NOERROR");
            tally.udp.fetch_add(1, SeqCst);
        }
    }
}

/// Keeps a connection for as long as the server does.
fn pipeline(server: SocketAddr, tally: &Tally) {
    let mut stream = connect(server);
    while !tally.stop.load(SeqCst) {
        match ask_pipelined(&mut stream) {
            Ok(true) => drop(tally.pipelined.fetch_add(1, SeqCst)),
            Ok(false) => {
                tally.closed.fetch_add(1, SeqCst);
                stream = connect(server);
            }
            Err(error) => panic!("a connection ended badly: {error}"),
        }
    }
}

/// Whether all was answered; false: the server has closed the connection well.
fn ask_pipelined(stream: &mut TcpStream) -> io::Result<bool> {
    let queries: Vec<_> = (0..PIPELINED).map(|_| query("api.zone.test", "A")).collect();
    let octets: Vec<u8> = queries.iter().flat_map(|query| framed(query)).collect();
    stream.write_all(&octets)?;
    for query in queries {
        match receive(stream)? {
            Some(reply) => assert_eq!(read(&query, reply).rcode, "NOERROR"),
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// A message; `None` where the connection has ended well before it.
fn receive(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut len = [0; 2];
    match stream.read(&mut len[..1])? {
        0 => return Ok(None),
        _ => stream.read_exact(&mut len[1..])?,
    }
    let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut reply)?;
    Ok(Some(reply))
}

/// A new connection can be had at any moment, and its question is answered.
fn connect_anew(server: SocketAddr, tally: &Tally) {
    while !tally.stop.load(SeqCst) {
        let mut stream = connect(server);
        let query = query("api.zone.test", "A");
        stream.write_all(&framed(&query)).expect("sent");
        let reply = receive(&mut stream).expect("no reset").expect("an answer before the end");
        assert_eq!(read(&query, reply).rcode, "NOERROR");
        tally.connections.fetch_add(1, SeqCst);
        thread::sleep(PAUSE);
    }
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream
}

/// A connection that asks once and then waits for the end.
pub(crate) struct Held(TcpStream);

impl Held {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let mut held = Self(connect(server));
        assert!(ask_pipelined(&mut held.0).expect("answered"));
        held
    }

    pub(crate) fn assert_ends_well(mut self) {
        match self.0.read(&mut [0; 1]) {
            Ok(0) => {}
            Ok(_) => panic!("an octet that nobody asked for"),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => panic!("reset"),
            Err(error) => panic!("{error}"),
        }
    }
}
