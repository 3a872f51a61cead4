"""The mode `swaps`: releases back and forth, as fast as the daemon takes them, under load.

Slices with and without releases take turns. A release is an edit of the release file by rename; it
is taken when an answer shows it, and then the next one follows. Every answer of the load is checked
to be the whole of one pool.
"""
import json
import os
import socket
import statistics
import subprocess
import time

import own
from loads import figure
from measure import pin
from servers import Target, addresses
from zones import write_queries

SLICE_SECS = 10
LOOK_EVERY_SECS = 0.005
TAKEN_WITHIN_SECS = 10
PROBED_AFTER_SECS = 3  # a release waits for the other pool's probes; the first come within a second
VERSIONS = {"v1": "127.0.9.", "v2": "127.0.10."}


def run(bench):
    options, zone = bench.options, "swaps.example"
    files = {live: own.two_versions_release(options.swap_names, bench.health_port, live) for live in VERSIONS}
    server = bench.own_server(40, files["v1"], zone=zone)
    own.must_be_good(options, server.config)
    queries = f"{options.work}/swaps.queries"
    write_queries(queries, zone, "w", options.swap_names)
    target = Target("cutover", server, queries, [f"w0000.{zone}"])
    try:
        server.start().wait_until_it_answers(target.names)
        time.sleep(PROBED_AFTER_SECS)
        pin(server.pid, options.server_cpu)
        report(bench, *slices(bench, target, os.path.dirname(server.config), files))
    finally:
        server.stop()


def slices(bench, target, folder, files):
    """The results of the slices without and with releases, and the seconds each release took."""
    quiet, swapped, delays = [], [], []
    one_slice(bench, target, lambda s, running: watch(s, target, running), 1)
    while len(delays) < bench.options.swaps:
        quiet.append(one_slice(bench, target, lambda s, running: watch(s, target, running)))
        swapped.append(one_slice(
            bench, target, lambda s, running: swap(s, target, running, folder, files, delays)))
    return quiet, swapped, delays


def one_slice(bench, target, meanwhile, seconds=SLICE_SECS):
    command = bench.loads.blast_command(target, "-x", 3, seconds=seconds)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as load, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        s.connect(("127.0.0.1", target.port))
        meanwhile(s, lambda: load.poll() is None)
        return json.loads(load.communicate()[0])


def watch(s, target, running):
    """What `swap` asks, without the swaps: so that it costs both kinds of slices the same."""
    while running():
        addresses(s, target.names[0])
        time.sleep(LOOK_EVERY_SECS)


def swap(s, target, running, folder, files, delays):
    live = "v2" if addresses(s, target.names[0])[0].startswith(VERSIONS["v1"]) else "v1"
    while running():
        with open(f"{folder}/release.toml.new", "w") as f:
            f.write(files[live])
        os.rename(f"{folder}/release.toml.new", f"{folder}/release.toml")
        begun = time.monotonic()
        while not shows(addresses(s, target.names[0]), live):
            if time.monotonic() - begun > TAKEN_WITHIN_SECS:
                raise SystemExit(f"release {len(delays) + 1} is not taken within {TAKEN_WITHIN_SECS} s")
            time.sleep(LOOK_EVERY_SECS)
        delays.append(time.monotonic() - begun)
        live = "v1" if live == "v2" else "v2"


def shows(found, live):
    return bool(found) and found[0].startswith(VERSIONS[live])


def report(bench, quiet, swapped, delays):
    ratio = statistics.median(b["rate"] / a["rate"] for a, b in zip(quiet, swapped))
    total = lambda results, key: sum(result[key] for result in results)
    row = lambda name, results, **more: {
        "load": name, "answered": total(results, "answered"), "lost": total(results, "lost"),
        "failed": total(results, "answered") - total(results, "good"), "mixed": total(results, "mixed"),
        "rate": statistics.median(result["rate"] for result in results)} | more
    rows = [row("without swaps", quiet),
            row("with swaps", swapped, swaps=len(delays), ratio=ratio,
                delay_ms=1e3 * statistics.median(delays), delay_max_ms=1e3 * max(delays))]
    columns = [("load", figure("load", "{}")), ("swaps", figure("swaps", "{}")),
               ("answered", figure("answered", "{}")), ("failed", figure("failed", "{}")),
               ("mixed", figure("mixed", "{}")), ("lost", figure("lost", "{}")),
               ("queries/s", figure("rate", "{:.0f}")), ("ratio", figure("ratio", "{:.3f}")),
               ("median ms to be seen", figure("delay_ms", "{:.0f}")), ("longest", figure("delay_max_ms", "{:.0f}"))]
    bench.report("swaps", f"{len(delays)} swaps of {bench.options.swap_names} services under load", columns, rows)
