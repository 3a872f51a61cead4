#!/usr/bin/env python3
"""Real caches in front of the daemon: is what it says of them true?

Starts the daemon and whichever of unbound, BIND, dnsmasq and Knot Resolver is installed, all on
loopback, and asks each cache without a pause. Exits 1 if something is not as it must be.

    cargo build --release --locked && benches/caches/run.py [horizon|at]

horizon: releases back and forth behind one cache after the other. After each release the last old
answer that the cache gave is compared with the horizon that the daemon showed for the pool that was
left: it must not be earlier, and no more than two seconds later. Knot Resolver asks anew some seconds
before an answer ends, so for it the horizon may be later.

at: releases one service at an instant, a little more than its TTL of 300 s ahead, and beside it another
one by a plain swap at once. No cache may give the new answer before the instant, or the old one from
one second after it on. Knot Resolver keeps every answer for five seconds at least, unless it is told not
to: so it is there twice, and as it comes it may be five seconds later.

Debian: apt-get install --no-install-recommends unbound bind9 dnsmasq-base knot-resolver python3
"""
import argparse
import calendar
import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ZONE = "svc.example.com"  # resolvers answer for names under test. themselves
POOLS = {"v1": "192.0.2.1", "v2": "192.0.2.2"}
ASK_EVERY_SECS = 0.02
LATE_MAX_SECS = 2
AFTER_SECS = 8  # from the instant to the end
ASKS_ANEW = ["Knot Resolver", "Knot Resolver, min_ttl 0"]  # before an answer ends
KEEPS_SECS_MIN = {"Knot Resolver": 5}  # whatever the TTL; the others keep to it
SPARE_SECS = 10  # from the last answer before an instant was known to that instant
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"

SETTINGS = """version = 1
zone = "{zone}"
nameservers = ["ns1.{zone}"]
hostmaster = "hostmaster@{zone}"
listen = {{ dns = ["127.0.0.1:{dns}"], http = "127.0.0.1:{http}", workers = 1 }}
rrl = {{ enabled = false }}
[[records]]
name = "ns1"
type = "A"
data = ["127.0.0.1"]
"""
SERVICE = """
[services.{name}]
live = "{live}"
ttl = "{ttl}s"
probe = "none"
pools.v1.endpoints = ["{v1}"]
pools.v2.endpoints = ["{v2}"]
release = {{ bake = "0s"{at} }}
"""
UNBOUND = """server:
  interface: 127.0.0.1@{port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{work}"
  pidfile: "{work}/unbound.pid"
  use-syslog: no
  logfile: "{work}/unbound.log"
  do-not-query-localhost: no
  module-config: "iterator"
stub-zone:
  name: "{zone}"
  stub-addr: 127.0.0.1@{dns}
"""
BIND = """options {{
  directory "{work}";
  pid-file none;
  session-keyfile "{work}/session.key";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion yes;
  dnssec-validation no;
  prefetch 0;
}};
controls {{ }};
zone "{zone}" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {dns}; }}; }};
"""
KRESD = """net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})
cache.open(10 * MB, 'lmdb://{work}/kresd')
trust_anchors.remove('.')
policy.add(policy.suffix(policy.FORWARD('127.0.0.1@{dns}'), {{ todname('{zone}.') }}))
"""
ARGUMENTS_OF_KRESD = ["-n", "-q", "-c", "{work}/kresd.conf", "{work}"]
# Program, its configuration file and what is in it, its arguments.
CACHES = {
    "unbound": ("unbound", "unbound.conf", UNBOUND, ["-d", "-c", "{work}/unbound.conf"]),
    "BIND": ("named", "named.conf", BIND, ["-f", "-n", "1", "-c", "{work}/named.conf"]),
    "dnsmasq": ("dnsmasq", "dnsmasq.conf", "", [
        "--keep-in-foreground", "--conf-file={work}/dnsmasq.conf", "--port={port}", "--no-resolv", "--no-hosts",
        "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root", "--pid-file=",
        "--server=/{zone}/127.0.0.1#{dns}"]),
    "Knot Resolver": ("kresd", "kresd.conf", KRESD, ARGUMENTS_OF_KRESD),
    "Knot Resolver, min_ttl 0": ("kresd", "kresd.conf", KRESD + "cache.min_ttl(0)\n", ARGUMENTS_OF_KRESD),
}


def main():
    options = arguments()
    with contextlib.ExitStack() as ends:
        work = ends.enter_context(tempfile.TemporaryDirectory(prefix="caches-"))
        daemon = Daemon(options, work, ends)
        caches = [cache for number, name in enumerate(CACHES)
                  if (cache := Cache.start(name, options, options.port + 10 + number, work, ends))]
        if not caches:
            sys.exit("skipped: none of unbound, named, dnsmasq and kresd is installed")
        if options.mode == "at":
            sys.exit(report_at(options, daemon.release_at(caches)))
        releases = {cache.name: [daemon.release(cache) for _ in range(options.rounds)] for cache in caches}
    sys.exit(report(options, releases))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", nargs="?", choices=["horizon", "at"], default="horizon", help="see above (horizon)")
    parser.add_argument("--cutover", default=f"{ROOT}/target/release/cutover", help="the daemon's binary")
    parser.add_argument("--rounds", type=int, default=4, help="releases for each cache (4)")
    parser.add_argument("--ttl", type=int, help="of the answers, in seconds (6; for at: 300)")
    parser.add_argument("--port", type=int, default=5500, help="the first of some ports of loopback (5500)")
    options = parser.parse_args()
    options.ttl = options.ttl or {"horizon": 6, "at": 300}[options.mode]
    return options


class Daemon:
    """The daemon, and what it says."""

    def __init__(self, options, work, ends):
        self.ttl, self.folder = options.ttl, f"{work}/cutover"
        self.services = {"api": ("v1", ""), "plain": ("v1", "")}
        self.status_url = f"http://127.0.0.1:{options.port + 1}/status"
        os.mkdir(self.folder)
        with open(f"{self.folder}/cutover.toml", "w") as f:
            f.write(SETTINGS.format(zone=ZONE, dns=options.port, http=options.port + 1))
        self.save()
        run([options.cutover, "serve", "--config", f"{self.folder}/cutover.toml", "--log", "warn"], ends)
        wait_until(lambda: ask(options.port, "api") == POOLS["v1"], "the daemon answers")

    def save(self):
        with open(f"{self.folder}/release.toml.new", "w") as f:
            f.write("version = 1\n")
            for name, (live, at) in self.services.items():
                f.write(SERVICE.format(name=name, live=live, at=at, ttl=self.ttl, **POOLS))
        os.rename(f"{self.folder}/release.toml.new", f"{self.folder}/release.toml")

    def release(self, cache):
        """One release under questions: seconds from it to the last old answer, and from that to the horizon."""
        old, _ = self.services["api"]
        self.services["api"] = ("v2" if old == "v1" else "v1", "")
        watched = Watched(cache, "api", POOLS[old])
        time.sleep(self.ttl * (1 + random.random()))  # somewhere in the TTL
        self.save()
        saved = time.time()
        wait_until(lambda: self.pool(old)["drained"], f"{old} is drained", patience_secs=3 * self.ttl + 10)
        time.sleep(LATE_MAX_SECS)  # whoever is late shows
        watched.end()
        horizon = calendar.timegm(time.strptime(self.pool(old)["horizon"], "%Y-%m-%dT%H:%M:%SZ"))
        return watched.last_old - saved, horizon - watched.last_old

    def release_at(self, caches):
        """A release at an instant and a plain one beside it: for each cache, seconds from the plain one to its last
        old answer, and from the instant to the last old answer and the first new one."""
        watched = {cache.name: [Watched(cache, name, POOLS["v1"]) for name in self.services] for cache in caches}
        time.sleep(SPARE_SECS * random.random())
        swapped = time.time()
        instant = int(swapped) + self.ttl + SPARE_SECS
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(instant))
        self.services = {"api": ("v2", f", at = {at}"), "plain": ("v2", "")}
        self.save()
        wait_until(lambda: self.service()["phase"] == "Waiting", "the release waits for its instant")
        smears = self.service()["release"]["instant"]["smears_until"]
        if smears:
            sys.exit(f"{at} is said to smear until {smears}")
        time.sleep(instant + AFTER_SECS - time.time())
        for both in watched.values():
            [one.end() for one in both]
        return {name: (plain.last_old - swapped, api.last_old_asked - instant, api.first_new - instant)
                for name, (api, plain) in watched.items()}

    def pool(self, name):
        return self.service()["pools"][name]

    def service(self):
        with urllib.request.urlopen(self.status_url, timeout=5) as page:
            return json.load(page)["services"]["api"]


class Cache:
    """One cache, on one port."""

    def __init__(self, name, port):
        self.name, self.port = name, port

    @classmethod
    def start(cls, name, options, port, work, ends):
        program, file, text, arguments = CACHES[name]
        program = shutil.which(program, path=PATH)
        if not program:
            print(f"left out: {name} is not installed")
            return None
        folder = f"{work}/{name.replace(' ', '-')}"
        os.mkdir(folder)
        fill = {"port": port, "dns": options.port, "zone": ZONE, "work": folder}
        with open(f"{folder}/{file}", "w") as f:
            f.write(text.format(**fill))
        run([program, *(argument.format(**fill) for argument in arguments)], ends)
        wait_until(lambda: ask(port, "api") in POOLS.values(), f"{name} answers")
        return cls(name, port)


class Watched:
    """One service behind one cache, asked for again and again: when was the last old answer, and the first other?"""

    def __init__(self, cache, service, old):
        self.last_old, self.last_old_asked, self.first_new = None, None, None
        self.stop = threading.Event()
        self.asking = threading.Thread(target=self.watch, args=(cache.port, service, old))
        self.asking.start()

    def watch(self, port, service, old):
        while not self.stop.is_set():
            asked, answered = time.time(), ask(port, service)
            if answered == old:
                self.last_old, self.last_old_asked = time.time(), asked
            elif answered:
                self.first_new = self.first_new or time.time()
            time.sleep(ASK_EVERY_SECS)

    def end(self):
        self.stop.set()
        self.asking.join()


def ask(port, service):
    """The address that is answered, or None."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in f"{service}.{ZONE}".split("."))
    query = b"\0\7\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)
        try:
            s.connect(("127.0.0.1", port))
            s.send(query)
            reply = s.recv(4096)
        except OSError:
            return None
    answers = int.from_bytes(reply[6:8], "big")
    # The one record stands behind the question; its owner is a pointer.
    return socket.inet_ntoa(reply[len(query) + 12:][:4]) if answers == 1 else None


def run(command, ends):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    ends.callback(process.wait)
    ends.callback(process.terminate)


def wait_until(is_so, what, patience_secs=20):
    end = time.monotonic() + patience_secs
    while not is_so():
        if time.monotonic() > end:
            sys.exit(f"not seen within {patience_secs} s: {what}")
        time.sleep(0.05)


def report(options, releases):
    print(f"\n{options.rounds} releases for each cache, TTL {options.ttl} s, "
          f"asked every {ASK_EVERY_SECS * 1e3:.0f} ms\n")
    print("| cache | last old answer after the release | from it to the horizon: least, most |")
    print("|---|--:|--:|")
    good = True
    for name, seen in releases.items():
        after, spare = zip(*seen)
        print(f"| {name} | {min(after):.2f} to {max(after):.2f} s | {min(spare):.2f} s, {max(spare):.2f} s |")
        good &= min(spare) >= 0 and (max(spare) <= LATE_MAX_SECS + 2 * ASK_EVERY_SECS or name in ASKS_ANEW)
    return 0 if good else 1


def report_at(options, releases):
    print(f"\nTTL {options.ttl} s, asked every {ASK_EVERY_SECS * 1e3:.0f} ms\n")
    print("| cache | plain swap: last old answer | at an instant: last question that got it | first new answer |")
    print("|---|--:|--:|--:|")
    good = True
    for name, (plain, last_old, first_new) in releases.items():
        print(f"| {name} | {plain:.2f} s | {last_old:+.2f} s | {first_new:+.2f} s |")
        good &= last_old < 1 + KEEPS_SECS_MIN.get(name, 0) and first_new > 0
    return 0 if good else 1


if __name__ == "__main__":
    main()
