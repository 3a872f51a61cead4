//! Hosts that answer their probes when the gate is open, and well unless they are broken.

use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

pub(crate) struct Hosts {
    pub(crate) port: u16,
    gate: watch::Sender<bool>,
    broken: Arc<Mutex<BTreeSet<IpAddr>>>,
    _listening: JoinSet<()>,
}

impl Hosts {
    /// One for each address, all on one port.
    pub(crate) async fn start(addresses: &[IpAddr]) -> Self {
        loop {
            if let Some(listeners) = bind(addresses).await {
                return Self::listen(listeners);
            }
        }
    }

    fn listen(listeners: Vec<TcpListener>) -> Self {
        let (gate, open) = watch::channel(true);
        let broken = Arc::<Mutex<BTreeSet<IpAddr>>>::default();
        let port = listeners[0].local_addr().expect("bound").port();
        let mut listening = JoinSet::new();
        for listener in listeners {
            let address = listener.local_addr().expect("bound").ip();
            let (open, broken) = (open.clone(), broken.clone());
            listening.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (open, broken) = (open.clone(), broken.clone());
                    // Whoever has asked may be dead by then.
                    tokio::spawn(async move {
                        let _ = answer(stream, open, &broken, address).await;
                    });
                }
            });
        }
        Self { port, gate, broken, _listening: listening }
    }

    /// Nobody's probe returns while the gate is closed.
    pub(crate) fn set_open(&self, is_open: bool) {
        self.gate.send_replace(is_open);
    }

    pub(crate) fn set_broken(&self, address: IpAddr, is_broken: bool) {
        let mut broken = self.broken.lock().expect("nobody panics with it");
        if is_broken {
            broken.insert(address)
        } else {
            broken.remove(&address)
        };
    }

    pub(crate) fn are_well(&self) -> bool {
        self.broken.lock().expect("nobody panics with it").is_empty()
    }

    pub(crate) fn mend_all(&self) {
        self.broken.lock().expect("nobody panics with it").clear();
    }
}

/// Nothing if another scene has the port on one of the addresses.
async fn bind(addresses: &[IpAddr]) -> Option<Vec<TcpListener>> {
    let (mut listeners, mut port) = (Vec::new(), 0);
    for address in addresses {
        let listener = TcpListener::bind((*address, port)).await.ok()?;
        port = listener.local_addr().expect("bound").port();
        listeners.push(listener);
    }
    Some(listeners)
}

async fn answer(
    mut stream: TcpStream,
    mut open: watch::Receiver<bool>,
    broken: &Mutex<BTreeSet<IpAddr>>,
    address: IpAddr,
) -> io::Result<()> {
    let _ = stream.read(&mut [0; 1024]).await?;
    let _ = open.wait_for(|is_open| *is_open).await;
    let is_broken = broken.lock().expect("nobody panics with it").contains(&address);
    let status = if is_broken { "503 Broken" } else { "200 OK" };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await
}
