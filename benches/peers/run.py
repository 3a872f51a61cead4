#!/usr/bin/env python3
"""Measures the project's own release binary, with everything on, beside other servers.

See README.md for what is measured, and how to read it. Needs Python 3.11 and nothing outside its
standard library; the servers and tools are Debian packages, and `run.py check` says which are
missing. Everything runs on loopback; only processes that were started here are ended.
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is left in the repository

import crowd
import instructions
import kinds
import loads
import own
import rrl
import servers
import shares
import swaps
import user
import zones
from measure import KeptAwake, Loads

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
MODES = {"udp": loads.udp, "half": loads.half, "tcp": loads.tcp, "names": loads.names,
         "instructions": instructions.run, "swaps": swaps.run, "rrl": rrl.run,
         "shares": shares.run, "kinds": kinds.run, "crowd": crowd.run, "user": user.run}


def main():
    options = read_options()
    if "check" in options.modes:
        missing = servers.missing_packages(options)
        print("missing packages: " + " ".join(missing) if missing else "every peer and tool is there")
        sys.exit(bool(missing))
    if not os.access(options.cutover, os.X_OK):
        sys.exit(f"{options.cutover} is not there: cargo build --release --locked")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended
    with Bench(options) as bench:
        for mode in options.modes:
            if mode != "udp" or "half" not in options.modes:  # half begins with it
                MODES[mode](bench)
    if not options.keep:
        shutil.rmtree(options.work)


def read_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("modes", nargs="+", choices=["check", *MODES], metavar="MODE", help=", ".join(["check", *MODES]))
    add("--cutover", default=f"{REPOSITORY}/target/release/cutover", help="the binary to measure")
    add("--servers", help="measure these only, with commas: " + ",".join(t[0] for t in servers.TARGETS))
    add("--work", help="folder for generated files and logs (default: one that is removed after a good run)")
    add("--json", help="append one JSON line per row to this file")
    add("--plot", help="write the plot of `udp` or `half` here, as SVG")
    add("--seconds", type=float, default=0.6, help="length of a slice (%(default)s)")
    add("--rounds", type=int, default=15, help="slices per server (%(default)s)")
    add("--server-cpu", type=int, default=0, help="processor of the servers (%(default)s)")
    add("--generator-cpu", type=int, default=1, help="processor of the load (%(default)s)")
    add("--base-port", type=int, default=17400, help="first of 100 ports (%(default)s)")
    add("--names", type=int, default=1000, help="names per zone (%(default)s)")
    add("--probe-interval", default="60s", help="of the own server's health checks (%(default)s)")
    add("--many", type=int, default=1_000_000, help="`names`: the larger number (%(default)s)")
    add("--queries", type=int, default=50_000, help="`instructions`: counted queries (%(default)s)")
    add("--swaps", type=int, default=1000, help="`swaps`: how many (%(default)s)")
    add("--swap-names", type=int, default=10, help="`swaps`: services swapped at once (%(default)s)")
    add("--flood-seconds", type=float, default=10, help="`rrl`: length of the flood (%(default)s)")
    add("--connections", type=int, default=10_000, help="`crowd`: opened of each kind (%(default)s)")
    add("--crowd-seconds", type=float, default=30, help="`crowd`: within how long (%(default)s)")
    options = parser.parse_args()
    options.cutover = os.path.abspath(options.cutover)
    options.keep = bool(options.work)
    options.work = os.path.abspath(options.work or tempfile.mkdtemp(prefix="peers-"))
    return options


class Bench:
    """What the modes share: files, running servers, tables."""

    def __init__(self, options):
        self.options, self.loads, self.running = options, Loads(options), {}
        self.health_port = options.base_port + 80
        self.awake = KeptAwake()

    def __enter__(self):
        for program in ("echo", "blast"):
            os.makedirs(f"{self.options.work}/bin", exist_ok=True)
            path = f"{self.options.work}/bin/{program}"
            subprocess.run(["cc", "-O2", "-o", path, f"{HERE}/{program}.c"], check=True)
        ports = {name: self.options.base_port + offset for name, offset in servers.PORT_OFFSETS.items()}
        zones.write_peers(self.options, ports, self.health_port)
        path, sections = own.write(self.options, ports["cutover"],
                                   own.weighted_release(self.options, self.health_port))
        own.must_be_good(self.options, path)
        unknown = sorted(own.EVERYTHING.keys() - set(sections))
        print(f"work folder: {self.options.work}\n{machine()}"
              + (f"\nthis build does not know: {', '.join(unknown)}" if unknown else ""), flush=True)
        self.health = subprocess.Popen(
            ["taskset", "-c", str(self.options.generator_cpu), sys.executable, f"{HERE}/health.py",
             str(self.health_port), *zones.HEALTH_ADDRESSES, *own.OTHER_ADDRESSES], stdout=subprocess.PIPE)
        if not self.health.stdout.readline():  # it listens: no first probe is refused
            sys.exit(f"the health-check target cannot listen on port {self.health_port}")
        self.awake.__enter__()
        # What this program does meanwhile is not to disturb the servers.
        os.sched_setaffinity(0, {self.options.generator_cpu})
        return self

    def __exit__(self, *_):
        for server in self.running.values():
            server.stop()
        self.health.terminate()
        self.health.wait()
        self.awake.__exit__()

    def target(self, wanted):
        """A running target, by its name; None when its program is not installed."""
        name, server, zone = next(target for target in servers.TARGETS if target[0] == wanted)
        if not servers.find(self.options, server):
            print(f"left out: {name}, {server} is not installed", flush=True)
            return None
        letter = {"static": "n", "weighted": "w"}[zone]
        names = [f"{label}.{zone}.example" for label in zones.labels(letter, self.options.names)]
        if server not in self.running:
            self.running[server] = servers.Server(self.options, server).start()
        target = servers.Target(name, self.running[server], f"{self.options.work}/{zone}.queries", names)
        target.server.wait_until_it_answers(names if name == "cutover" else names[:1])
        return target

    def wanted(self, first, *without):
        """The names of the targets that were asked for, the reference first."""
        chosen = self.options.servers.split(",") if self.options.servers else [t[0] for t in servers.TARGETS]
        return [first, *(name for name in chosen if name != first and name not in without)]

    def targets(self, first, *without):
        return [target for name in self.wanted(first, *without) if (target := self.target(name))]

    def own_server(self, port_offset, release, **more):
        """Another instance of the own server, with a release file of its own; not started yet."""
        port = self.options.base_port + port_offset
        path, _ = own.write(self.options, port, release, folder=f"cutover-{port_offset}", **more)
        return servers.Server(self.options, "cutover", port, path)

    def report(self, mode, title, columns, rows):
        """Prints a table; `columns` are pairs of a heading and a function from row to text."""
        print(f"\n### {title}\n\n| " + " | ".join(heading for heading, _ in columns) + " |")
        print("|---" + "|--:" * (len(columns) - 1) + "|")
        for row in rows:
            print("| " + " | ".join(text(row) for _, text in columns) + " |")
        print(flush=True)
        if self.options.json:
            with open(self.options.json, "a") as f:
                for row in rows:
                    f.write(json.dumps({"mode": mode, "machine": machine()} | row) + "\n")


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")),
                     platform.machine())
    return (f"{model}, {os.cpu_count()} processors, Linux {platform.release()}, "
            f"{datetime.date.today().isoformat()}")


if __name__ == "__main__":
    main()
