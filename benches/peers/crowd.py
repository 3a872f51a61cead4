"""The mode `crowd`: many TCP connections that hold the server up, with a limit of 1,024 files.

`--connections` of them are opened within `--crowd-seconds`, each from one of many networks; one
that the server closes is opened again as soon as that rate allows. Meanwhile a client asks 20 times
a second by UDP and another 10 times a second by TCP, each time on a connection of its own.
"""
import resource
import select
import socket
import threading
import time

import own
from loads import figure
from measure import cpu_between, cpu_times
from servers import query

FILES_MAX = 1024
NETWORKS, HOSTS_PER_NETWORK = 200, 250
PATIENCE_SECS = 5
# What each connection sends: of how many questions, and whether the last one is left unfinished.
CROWDS = [("idle", 0, False), ("half a question", 0, True), ("1 question, never reads", 1, False),
          ("100 questions, never reads", 100, False), ("5,000 questions, never reads", 5000, False)]


def run(bench):
    own_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (own_files, own_files))
    bench.report("crowd", f"TCP connections that only hold, at most {FILES_MAX} files", [
        ("connections", figure("crowd", "{}")), ("opened", figure("opened", "{}")),
        ("open in the end", figure("open", "{}")), ("of a core", figure("load", "{:.1%}")),
        ("UDP lost", figure("udp_lost", "{}")), ("UDP asked", figure("udp_asked", "{}")),
        ("TCP refused", figure("tcp_lost", "{}")), ("TCP asked", figure("tcp_asked", "{}"))],
        [measure(bench, *crowd) for crowd in CROWDS])


def measure(bench, name, questions, is_unfinished):
    server = bench.own_server(46, own.many_names_release(10))
    try:
        server.start(("prlimit", f"--nofile={FILES_MAX}:{FILES_MAX}"))
        asked = "w0000000.weighted.example"
        server.wait_until_it_answers([asked])
        framed = len(query(asked)).to_bytes(2, "big") + query(asked)
        sent = framed * questions + (framed[:len(framed) // 2] if is_unfinished else b"")
        crowd = Crowd(server.port, bench.options.connections, bench.options.crowd_seconds, sent)
        clients = [Client(server.port, framed, by_tcp) for by_tcp in (False, True)]
        before, begin = cpu_times(server.pid), time.monotonic()
        for client in clients:
            client.start()
        crowd.hold()
        seconds = time.monotonic() - begin
        load = cpu_between(before, cpu_times(server.pid))[0] / seconds
        for client in clients:
            client.end()
        still_open = crowd.leave()
    finally:
        server.stop()
    udp, tcp = clients
    return {"crowd": name, "opened": crowd.opened, "open": still_open, "load": load,
            "udp_lost": udp.lost, "udp_asked": udp.asked, "tcp_lost": tcp.lost, "tcp_asked": tcp.asked}


class Crowd:
    """Connections of which as many as possible are kept open."""

    LOST = select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP

    def __init__(self, port, count, seconds, sent):
        self.port, self.count, self.seconds, self.sent = port, count, seconds, sent
        self.epoll, self.open, self.opened = select.epoll(), {}, 0

    def hold(self):
        begin = time.monotonic()
        while (passed := time.monotonic() - begin) < self.seconds:
            due = min(int(self.count * passed / self.seconds), self.count) - self.opened
            for _ in range(min(due, 100)):
                self.connect()
            for descriptor, event in self.epoll.poll(0.01):
                self.attend(descriptor, event)

    def connect(self):
        number, self.opened = self.opened, self.opened + 1
        s = socket.socket()
        s.setblocking(False)
        s.bind((f"127.{1 + number // HOSTS_PER_NETWORK % NETWORKS}.{number % HOSTS_PER_NETWORK}.9", 0))
        try:
            s.connect(("127.0.0.1", self.port))
        except BlockingIOError:
            pass
        self.open[s.fileno()] = (s, self.sent)
        self.epoll.register(s.fileno(), select.EPOLLOUT | self.LOST)

    def attend(self, descriptor, event):
        s, rest = self.open[descriptor]
        if event & self.LOST:
            s.close()  # leaves the epoll by that
            del self.open[descriptor]
            return
        try:
            rest = rest[s.send(rest):] if rest else rest
        except OSError:
            return  # the next event says why
        self.open[descriptor] = (s, rest)
        if not rest:
            self.epoll.modify(descriptor, self.LOST)

    def leave(self):
        still_open = len(self.open)
        for s, _ in self.open.values():
            s.close()
        self.epoll.close()
        return still_open


class Client:
    """Asks again and again, and counts what is not answered."""

    def __init__(self, port, framed, by_tcp):
        self.address, self.framed, self.by_tcp = ("127.0.0.1", port), framed, by_tcp
        self.asked = self.lost = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.start = self.thread.start

    def run(self):
        while not self.ended.wait(0.1 if self.by_tcp else 0.05):
            self.asked += 1
            try:
                self.lost += not self.ask()
            except OSError:
                self.lost += 1

    def ask(self):
        if self.by_tcp:
            with socket.create_connection(self.address, PATIENCE_SECS) as s:
                s.sendall(self.framed)
                return len(s.recv(4096)) > 2
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(PATIENCE_SECS)
            s.connect(self.address)
            s.send(self.framed[2:])
            return len(s.recv(4096)) > 12

    def end(self):
        self.ended.set()
        self.thread.join()
