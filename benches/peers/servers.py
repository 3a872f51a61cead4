"""The servers that are measured: how each is started, asked, and ended.

Only processes that were started here are ever ended. Configurations come from zones.py and own.py.
"""
import os
import shutil
import signal
import socket
import subprocess
import time

PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"

# Program, the Debian package it is in, and the arguments; {port} and {work} are filled in.
PROGRAMS = {
    "echo": ("{work}/bin/echo", "gcc", ["{port}"]),
    "cutover": ("{cutover}", "", ["serve", "--config", "{work}/cutover/cutover.toml", "--log", "warn"]),
    "gdnsd": ("gdnsd", "gdnsd", ["-c", "{work}/gdnsd", "start"]),
    "knot": ("knotd", "knot knot-module-geoip", ["-c", "{work}/knot/knot.conf"]),
    "nsd": ("nsd", "nsd", ["-d", "-c", "{work}/nsd/nsd.conf"]),
    "pdns": ("pdns_server", "pdns-server pdns-backend-bind", ["--config-dir={work}/pdns"]),
    "pdns-uncached": ("pdns_server", "pdns-server pdns-backend-bind", ["--config-dir={work}/pdns-uncached"]),
    "bind": ("named", "bind9", ["-f", "-n", "1", "-U", "1", "-c", "{work}/bind/named.conf"]),
}
PORT_OFFSETS = {name: offset for offset, name in enumerate(PROGRAMS)}

# What is measured, in the order of the tables: its name, the server, the zone that is asked.
TARGETS = [
    ("echo", "echo", "static"),
    ("cutover", "cutover", "weighted"),
    ("gdnsd", "gdnsd", "static"),
    ("gdnsd-weighted", "gdnsd", "weighted"),
    ("knot", "knot", "static"),
    ("knot-weighted", "knot", "weighted"),
    ("nsd", "nsd", "static"),
    ("pdns", "pdns", "static"),
    ("pdns-uncached", "pdns-uncached", "static"),
    ("pdns-weighted", "pdns-uncached", "weighted"),
    ("bind", "bind", "static"),
]


def find(options, server):
    """The path of a server's program, or None."""
    program = PROGRAMS[server][0].format(work=options.work, cutover=options.cutover)
    return shutil.which(program, path=PATH)


def missing_packages(options):
    wanted = [PROGRAMS[server] for _, server, _ in TARGETS if server not in ("echo", "cutover")]
    wanted += [(p, k, []) for p, k in
               (("cc", "gcc"), ("dnsperf", "dnsperf"), ("taskset", "util-linux"), ("valgrind", "valgrind"))]
    return sorted({package for program, names, _ in wanted if not shutil.which(program, path=PATH)
                   for package in names.split()})


class Server:
    """One process, on one port of loopback."""

    def __init__(self, options, name, port=None, config=None):
        self.name, self.options, self.process = name, options, None
        self.port = port or options.base_port + PORT_OFFSETS[name]
        _, _, arguments = PROGRAMS[name]
        fill = {"work": options.work, "port": self.port}
        self.command = [find(options, name) or name, *(text.format(**fill) for text in arguments)]
        self.config = config
        if config:  # of the project's own server only
            self.command[self.command.index("--config") + 1] = config
        self.log_path = f"{options.work}/{name}-{self.port}.log"

    @property
    def pid(self):
        return self.process.pid

    def start(self, prefix=()):
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(self.options.server_cpu), *prefix, *self.command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self

    def stop(self, patience_secs=20):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(patience_secs)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def wait_until_it_answers(self, names, patience_secs=60):
        """Until each name has an address."""
        deadline = time.monotonic() + patience_secs
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.5)
            s.connect(("127.0.0.1", self.port))
            for name in names:
                while not addresses(s, name):
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        raise SystemExit(f"{self.name} does not answer {name}:\n{self.log()}")
                    time.sleep(0.01)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return "".join(f.readlines()[-8:])


class Target:
    """A server, and what it is asked."""

    def __init__(self, name, server, queries, names):
        self.name, self.server, self.queries, self.names = name, server, queries, names

    @property
    def pid(self):
        return self.server.pid

    @property
    def port(self):
        return self.server.port


def query(name, number=0x4242, record_type=1):
    wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return (number.to_bytes(2, "big") + b"\0\0\0\1\0\0\0\0\0\0" + wire + b"\0"
            + record_type.to_bytes(2, "big") + b"\0\1")


def addresses(connected, name):
    """The IPv4 addresses that a socket is answered, as text; none at all for any failure."""
    question = query(name)
    try:
        connected.send(question)
        reply = connected.recv(4096)
        while reply[:2] != question[:2]:
            reply = connected.recv(4096)
    except OSError:
        return []
    if reply[3] & 15 or len(reply) < len(question):
        return []
    found, at = [], len(question)
    for _ in range(int.from_bytes(reply[6:8], "big")):
        while 0 < reply[at] < 0xC0:
            at += 1 + reply[at]
        at += 2 if reply[at] else 1
        end = at + 10 + int.from_bytes(reply[at + 8:at + 10], "big")
        found.append(socket.inet_ntoa(reply[end - 4:end]))
        at = end
    return found
