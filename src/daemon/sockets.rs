//! Every socket that the daemon answers on: passed by systemd, left by a predecessor, or bound.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
};

use prometheus::Registry;
use tokio::net::TcpListener;

use super::StartError;
use crate::{
    config::Settings,
    dns::{BindError, Inherited, Listener, Purpose, encrypted::Encrypted},
};

pub(super) struct Sockets {
    pub(super) dns: Vec<Listener>,
    pub(super) pages: TcpListener,
    pub(super) encrypted: Option<Encrypted>,
}

impl Sockets {
    /// Opens them. Those that were `passed` take the place of the settings' DNS addresses; of
    /// those that were `inherited`, the ones that the settings ask for are used.
    pub(super) fn open(
        settings: &Settings,
        workers: usize,
        passed: Vec<Listener>,
        mut inherited: Inherited,
        registry: &Registry,
    ) -> Result<Self, StartError> {
        let mut dns = passed;
        if dns.is_empty() {
            dns = listeners(&settings.dns, workers, &mut inherited)?;
        }
        let pages = pages(settings.http, &mut inherited);
        let pages = pages.map_err(|error| StartError::Http(settings.http, error))?;
        let encrypted = settings.encrypted.as_ref();
        let encrypted = encrypted.map(|listen| Encrypted::bind(listen, &mut inherited, registry));
        Ok(Self { dns, pages, encrypted: encrypted.transpose()? })
    }

    /// Another hold on each, to hand over.
    pub(super) fn lend(&mut self) -> io::Result<Vec<(Purpose, OwnedFd)>> {
        let mut lent = Vec::new();
        for listener in &self.dns {
            lent.extend(listener.lend()?.into_iter().map(|socket| (Purpose::Dns, socket)));
        }
        lent.extend(self.encrypted.iter_mut().flat_map(Encrypted::lend));
        lent.push((Purpose::Pages, self.pages.as_fd().try_clone_to_owned()?));
        Ok(lent)
    }

    /// Whether everybody who can ask by DNS is on this host.
    pub(super) fn are_of_this_host(&self) -> bool {
        let dns = self.dns.iter().map(Listener::local_addr);
        let encrypted = self.encrypted.iter().flat_map(Encrypted::local_addrs);
        // Of one that does not say where it is, nobody knows.
        dns.chain(encrypted).all(|at| at.is_ok_and(|address| address.ip().is_loopback()))
    }

    /// Where questions are answered; each address has two sockets.
    pub(super) fn dns_at(&self) -> Vec<SocketAddr> {
        let addresses = self.dns.iter().filter_map(|listener| listener.local_addr().ok());
        let mut addresses: Vec<SocketAddr> = addresses.collect();
        addresses.dedup();
        addresses
    }
}

fn listeners(
    addresses: &[SocketAddr],
    workers: usize,
    inherited: &mut Inherited,
) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let pair = match Listener::inherit(*address, inherited)? {
            Some(pair) => pair,
            None => Listener::bind(*address, workers)?,
        };
        listeners.extend(pair);
    }
    Ok(listeners)
}

fn pages(address: SocketAddr, inherited: &mut Inherited) -> io::Result<TcpListener> {
    if let Some(listener) = inherited.take_listener(Purpose::Pages, address)? {
        return TcpListener::from_std(listener);
    }
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
