"""The mode `shares`: what it costs to answer each client with its own side, and to keep horizons.

One running server answers two kinds of names in turns: static records, of which it keeps nothing, and
services halfway through a release, of which each answer draws the client's side by hash and notes
until when caches may hold the pool. Both have three addresses.
"""
import json
import os
import time
import urllib.request

import own
from loads import COLUMNS, title
from measure import measure_rounds, summarise
from servers import Target
from zones import HEALTH_ADDRESSES, labels, write_queries

MOVED_WITHIN_SECS = 60


def run(bench):
    options, zone = bench.options, "shares.example"
    files = {live: halfway(own.two_versions_release(options.names, bench.health_port, live))
             for live in ("v1", "v2")}
    sections = own.EVERYTHING | {"records": static_records(options.names)}
    server = bench.own_server(42, files["v1"], zone=zone, sections=sections)
    own.must_be_good(options, server.config)
    targets = [target(options, server, "static records", zone, "n"),
               target(options, server, "services, half of the clients moved", zone, "w")]
    try:
        server.start().wait_until_it_answers([name for target in targets for name in target.names])
        move_half(server, files["v2"], options.names)
        slices = measure_rounds(options, targets, bench.loads.blast)
        rows = [summarise(target, slices[target.name]) for target in targets]
        bench.report("shares", title(bench, "with and without shares and horizons"), COLUMNS, rows)
    finally:
        server.stop()


def static_records(count):
    addresses = ", ".join(f'"{address}"' for address in HEALTH_ADDRESSES)
    return "".join(f'[[records]]\nname = "{name}"\ntype = "A"\ndata = [{addresses}]\n'
                   for name in labels("n", count))


def halfway(release):
    return release.replace('bake = "0s"', 'bake = "0s"\nramp = [{ share = "50%", bake = "1d" }]')


def target(options, server, name, zone, letter):
    queries = f"{options.work}/shares-{letter}.queries"
    write_queries(queries, zone, letter, options.names)
    names = [f"{label}.{zone}" for label in labels(letter, options.names)]
    return Target(name, server, queries, names)


def move_half(server, release, count):
    """Saves the release, and waits until each service has moved half of its clients."""
    path = os.path.dirname(server.config) + "/release.toml"
    with open(f"{path}.new", "w") as f:
        f.write(release)
    os.rename(f"{path}.new", path)
    begun = time.monotonic()
    while moved(server) < count:
        if time.monotonic() - begun > MOVED_WITHIN_SECS:
            raise SystemExit(f"half of the clients are not moved within {MOVED_WITHIN_SECS} s")
        time.sleep(0.5)


def moved(server):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port + 50}/status", timeout=10) as page:
        services = json.load(page)["services"].values()
    return sum(service["serving"] == {"v1": 50, "v2": 50} for service in services)
