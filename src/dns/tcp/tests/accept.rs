//! The accept loop against a system that runs out of descriptors; and the errors it knows.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::sync::Notify;

use super::{
    super::accept::{Desk, Remedy, Source, accept, remedy},
    *,
};

/// Descriptors and clients, by number only.
#[derive(Default)]
struct World {
    free: Rc<Cell<usize>>,
    waiting: Cell<usize>,
    tries: Cell<usize>,
    /// Errors to come first.
    errors: RefCell<VecDeque<i32>>,
    open: RefCell<VecDeque<Descriptor>>,
    served: Cell<usize>,
    nobody_waits: Notify,
}

/// One descriptor, free again when dropped.
struct Descriptor(Rc<Cell<usize>>);

impl World {
    fn new(free: usize, waiting: usize) -> Self {
        Self { free: Rc::new(Cell::new(free)), waiting: Cell::new(waiting), ..Self::default() }
    }

    fn take(&self) -> io::Result<Descriptor> {
        let left = self.free.get().checked_sub(1);
        self.free.set(left.ok_or_else(|| io::Error::from_raw_os_error(libc::EMFILE))?);
        Ok(Descriptor(self.free.clone()))
    }

    /// Until all have been served.
    fn run(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            tokio::select! {
                never = accept(self, self) => match never {},
                () = self.nobody_waits.notified() => {}
            }
        });
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

impl Source for World {
    type Stream = Descriptor;
    type Spare = Descriptor;

    fn poll_accept(&self, _: &mut Context<'_>) -> Poll<io::Result<(Descriptor, SocketAddr)>> {
        self.tries.set(self.tries.get() + 1);
        if let Some(error) = self.errors.borrow_mut().pop_front() {
            return Poll::Ready(Err(io::Error::from_raw_os_error(error)));
        }
        // A descriptor first, then a client: as Linux does.
        let descriptor = self.take()?;
        let Some(left) = self.waiting.get().checked_sub(1) else {
            self.nobody_waits.notify_one();
            return Poll::Pending;
        };
        self.waiting.set(left);
        Poll::Ready(Ok((descriptor, ([192, 0, 2, 1], 4000).into())))
    }

    fn spare(&self) -> io::Result<Descriptor> {
        self.take()
    }
}

impl Desk<Descriptor> for World {
    fn admit(&self, descriptor: Descriptor, _client: SocketAddr) {
        self.served.set(self.served.get() + 1);
        self.open.borrow_mut().push_back(descriptor);
    }

    fn shed(&self) -> bool {
        self.open.borrow_mut().pop_front().is_some()
    }

    fn is_crowded(&self) -> bool {
        false
    }
}

#[test]
fn every_client_is_served_though_descriptors_run_out() {
    for free in 1..6 {
        let world = World::new(free, 100);
        world.run();
        assert_eq!(world.served.get(), 100, "with {free} descriptors");
        assert!(world.tries.get() <= 300, "{} tries", world.tries.get());
    }
}

#[test]
fn the_spare_descriptor_serves_when_others_hold_all() {
    // Nothing of ours could be given up.
    let world = World::new(1, 1);
    world.run();
    assert_eq!(world.served.get(), 1);
}

#[test]
fn errors_neither_stop_it_nor_keep_it_spinning() {
    let world = World::new(10, 5);
    let errors = [
        libc::ECONNABORTED,
        libc::EMFILE,
        libc::EMFILE,
        libc::ENFILE,
        libc::EPROTO,
        libc::ENOBUFS,
        libc::EBADF,
    ];
    world.errors.borrow_mut().extend(errors);
    world.run();
    assert_eq!(world.served.get(), 5);
    // The last one, which finds nobody, may be made twice.
    assert!(world.tries.get() <= errors.len() + 5 + 2, "{} tries", world.tries.get());
}

#[test]
fn errors_of_one_client_cost_nobody_a_connection() {
    let remedy = |code| remedy(&io::Error::from_raw_os_error(code));
    for code in [libc::ECONNABORTED, libc::EPERM, libc::EPROTO, libc::ENETUNREACH] {
        assert_eq!(remedy(code), Remedy::TryAgain);
    }
    for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        assert_eq!(remedy(code), Remedy::MakeRoom);
    }
    assert_eq!(remedy(libc::EBADF), Remedy::Wait);
}
