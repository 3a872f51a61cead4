"""Zones, questions, and the peers' configurations, written into the work directory.

static.example    nNNNN  A, one address each
weighted.example  wNNNN  A, weights of 10, 30 and 60; gdnsd also checks their health by HTTP
"""
import os
import random

HEALTH_ADDRESSES = ["127.0.9.1", "127.0.9.2", "127.0.9.3"]
WEIGHTS = [10, 30, 60]
HEADER = """$ORIGIN {zone}.
$TTL 60
@ IN SOA ns1 hostmaster 1 3600 600 604800 30
@ IN NS ns1
ns1 IN A 192.0.2.53
"""


def put(path, *parts):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.writelines(parts)


def labels(letter, count):
    width = max(4, len(str(count - 1)))
    return [f"{letter}{index:0{width}d}" for index in range(count)]


def write_queries(path, zone, letter, count, lines=20_000):
    """85 % addresses, 10 % names without that type, 5 % names that do not exist."""
    chance, names = random.Random(7), labels(letter, count)

    def line():
        draw, name = chance.random(), chance.choice(names)
        if draw < 0.05:
            return f"x{name[1:]}.{zone} A\n"
        return f"{name}.{zone} {'AAAA' if draw < 0.15 else 'A'}\n"

    put(path, *(line() for _ in range(lines)))


def write_peers(options, ports, health_port):
    """Everything but the project's own server."""
    work, count = options.work, options.names
    static, weighted = labels("n", count), labels("w", count)
    put(f"{work}/zones/static.example", HEADER.format(zone="static.example"),
        *(f"{name} A 198.18.{i >> 8 & 255}.{i & 255}\n" for i, name in enumerate(static)))
    write_queries(f"{work}/static.queries", "static.example", "n", count)
    write_queries(f"{work}/weighted.queries", "weighted.example", "w", count)
    write_gdnsd(f"{work}/gdnsd", f"{work}/zones", ports["gdnsd"], weighted, health_port)
    write_knot(f"{work}/knot", f"{work}/zones", ports["knot"], weighted)
    write_nsd(f"{work}/nsd", f"{work}/zones", ports["nsd"])
    write_bind(f"{work}/bind", f"{work}/zones", ports["bind"])
    write_powerdns(f"{work}/pdns", f"{work}/zones", ports["pdns"], weighted, "")
    write_powerdns(f"{work}/pdns-uncached", f"{work}/zones", ports["pdns-uncached"], weighted,
                   "cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\n")


def write_gdnsd(folder, zones, port, weighted, health_port):
    with open(f"{zones}/static.example") as f:
        put(f"{folder}/zones/static.example", f.read())
    put(f"{folder}/zones/weighted.example", HEADER.format(zone="weighted.example"),
        *(f"{name} 60 DYNA weighted!{name}\n" for name in weighted))
    endpoints = ", ".join(f"e{i} = [ {address}, {weight} ]"
                          for i, (address, weight) in enumerate(zip(HEALTH_ADDRESSES, WEIGHTS)))
    put(f"{folder}/config", f"""options => {{
  listen = 127.0.0.1:{port}
  udp_threads = 1
  tcp_threads = 1
  tcp_clients_per_thread = 1024
  zones_rfc1035_threads = 1
  run_dir = {folder}/run
  state_dir = {folder}/state
}}
service_types => {{
  health => {{ plugin => http_status, port => {health_port}, url_path => /health, interval => 2, timeout => 1 }}
}}
plugins => {{ weighted => {{
""", *(f"  {name} => {{ service_types = health, {endpoints} }}\n" for name in weighted), "}}\n")
    os.makedirs(f"{folder}/run", mode=0o700, exist_ok=True)
    os.makedirs(f"{folder}/state", exist_ok=True)


def write_knot(folder, zones, port, weighted):
    put(f"{folder}/weighted.zone", HEADER.format(zone="weighted.example"),
        *(f"{name} A 192.0.2.1\n" for name in weighted))
    pool = "".join(f"  - weight: {weight}\n    A: {address}\n"
                   for address, weight in zip(HEALTH_ADDRESSES, WEIGHTS))
    put(f"{folder}/weights.conf", *(f"{name}.weighted.example:\n{pool}" for name in weighted))
    os.makedirs(f"{folder}/run", exist_ok=True)
    put(f"{folder}/knot.conf", f"""server:
    rundir: {folder}/run
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: {folder}/run/knot.sock
database:
    storage: {folder}/run
log:
  - target: stderr
    any: warning
template:
  - id: default
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
mod-geoip:
  - id: weighted
    config-file: {folder}/weights.conf
    ttl: 60
    mode: weighted
zone:
  - domain: static.example
    file: {zones}/static.example
  - domain: weighted.example
    file: {folder}/weighted.zone
    module: mod-geoip/weighted
""")


def write_nsd(folder, zones, port):
    put(f"{folder}/nsd.conf", f"""server:
    ip-address: 127.0.0.1@{port}
    server-count: 1
    reuseport: yes
    username: ""
    chroot: ""
    zonesdir: "{zones}"
    database: ""
    pidfile: "{folder}/nsd.pid"
    xfrdfile: "{folder}/xfrd.state"
    xfrdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    cookie-secret-file: "{folder}/cookies"
    verbosity: 0
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    tcp-count: 1000
    minimal-responses: yes
remote-control:
    control-enable: no
zone:
    name: static.example
    zonefile: {zones}/static.example
""")


def write_bind(folder, zones, port):
    put(f"{folder}/named.conf", f"""options {{
    directory "{folder}";
    pid-file "{folder}/named.pid";
    session-keyfile none;
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion no;
    minimal-responses yes;
    dnssec-validation no;
    notify no;
    tcp-clients 1000;
}};
controls {{ }};
logging {{ category default {{ null; }}; }};
zone "static.example" {{ type primary; file "{zones}/static.example"; }};
""")


def write_powerdns(folder, zones, port, weighted, caches):
    pool = ",".join(f"{{{weight},'{address}'}}" for address, weight in zip(HEALTH_ADDRESSES, WEIGHTS))
    put(f"{folder}/weighted.zone", HEADER.format(zone="weighted.example"),
        *(f'{name} LUA A "pickwrandom({{{pool}}})"\n' for name in weighted))
    put(f"{folder}/named.conf",
        f'zone "static.example" {{ type native; file "{zones}/static.example"; }};\n',
        f'zone "weighted.example" {{ type native; file "{folder}/weighted.zone"; }};\n')
    os.makedirs(f"{folder}/run", exist_ok=True)
    put(f"{folder}/pdns.conf", f"""launch=bind
bind-config={folder}/named.conf
bind-check-interval=0
local-address=127.0.0.1
local-port={port}
socket-dir={folder}/run
receiver-threads=1
distributor-threads=1
reuseport=yes
zone-cache-refresh-interval=0
security-poll-suffix=
webserver=no
api=no
loglevel=3
guardian=no
daemon=no
disable-syslog=yes
max-tcp-connections=1000
max-tcp-connections-per-client=0
enable-lua-records=shared
{caches}""")
