"""The mode `kinds`: what an answer of each type that a service can have costs, against A.

One running server with services that have all of them, three of what there can be more of, asked for
one type in turns.
"""
import random

import own
from loads import COLUMNS, title
from measure import measure_rounds, summarise
from servers import Target
from zones import HEALTH_ADDRESSES, labels, put

# What is asked for, and where: the name of the service, or one below it. A longer name costs more whatever
# is asked for, so that A is also asked of a service whose name is as long as that of SRV.
LONGER = "ahttp.atcp."
KINDS = [("A", ""), ("HTTPS", ""), ("TXT", ""), ("SVCB", "_dns."), ("SRV", "_http._tcp."), ("A", LONGER)]
PORT = 8443
TEXTS = ["v=spf1 ip4:192.0.2.0/24 -all", "owner=platform", "stage=production"]


def run(bench):
    options, zone = bench.options, "kinds.example"
    server = bench.own_server(44, release(options.names), zone=zone)
    own.must_be_good(options, server.config)
    targets = [target(options, server, zone, kind, prefix) for kind, prefix in KINDS]
    try:
        server.start().wait_until_it_answers(targets[0].names, patience_secs=600)
        slices = measure_rounds(options, targets, bench.loads.blast)
        rows = [summarise(target, slices[target.name]) for target in targets]
        bench.report("kinds", title(bench, "types of a service, asked for alone"), COLUMNS, rows)
    finally:
        server.stop()


def release(count):
    quoted = lambda words: ", ".join(f'"{word}"' for word in words)
    return "version = 1\n" + "".join(f"""
[services.{name}]
live = "v1"
https = {{ alpn = ["h2"], port = {PORT} }}
svcb = [{{ prefix = "_dns", alpn = ["dot"] }}]
txt = [{quoted(TEXTS)}]
srv = ["_http._tcp"]
pools.v1 = {{ port = {PORT}, endpoints = [{quoted(HEALTH_ADDRESSES)}] }}
[services."{LONGER}{name}"]
live = "v1"
pools.v1.endpoints = [{quoted(HEALTH_ADDRESSES)}]
""" for name in labels("w", count))


def target(options, server, zone, kind, prefix):
    names = [f"{label}.{zone}" for label in labels("w", options.names)]
    queries = f"{options.work}/kinds-{prefix}{kind}.queries"
    put(queries, *(f"{prefix}{name} {kind}\n" for name in random.Random(7).sample(names, len(names))))
    return Target(f"{prefix}… {kind}", server, queries, names)
