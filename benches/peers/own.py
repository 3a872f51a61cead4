"""The project's own server: its two files, with everything on.

A section of the settings that this build does not know yet is left out, and the run says so; a new
one is added to EVERYTHING. Leaves out how the server is started: see servers.py.
"""
import re
import secrets
import subprocess

from zones import HEALTH_ADDRESSES, WEIGHTS, put, labels

# What protects the data plane, and its counting. Limits are counted but not enforced: a load from
# one address is what a limit is for, and an answer not given would not be measured.
EVERYTHING = {
    "cookies": '[cookies]\nsecret_file = "cookies.secret"\n',
    "rrl": "[rrl]\nenabled = true\nlog_only = true\n",
}
ENFORCED = EVERYTHING | {"rrl": "[rrl]\nenabled = true\nlog_only = false\n"}

OTHER_ADDRESSES = [address.replace("127.0.9.", "127.0.10.") for address in HEALTH_ADDRESSES]


def settings(zone, port, sections):
    return f"""version = 1
zone = "{zone}"
nameservers = ["ns1.{zone}"]
hostmaster = "hostmaster@{zone}"
release_file = "release.toml"

[listen]
dns = ["127.0.0.1:{port}"]
http = "127.0.0.1:{port + 50}"

[[records]]
name = "ns1"
type = "A"
data = ["127.0.0.1"]

{"".join(sections)}"""


def probe(health_port, interval):
    """What follows the pools of a service."""
    return f"""http = {{ port = {health_port}, path = "/health" }}
interval = "{interval}"
rise = 1
"""


def weighted_release(options, health_port):
    """Every service steers its clients over three weighted endpoints, and checks their health."""
    endpoints = ", ".join(f'{{ address = "{address}", weight = {weight} }}'
                          for address, weight in zip(HEALTH_ADDRESSES, WEIGHTS))
    return "version = 1\n" + "".join(f"""
[services.{name}]
live = "v1"
[services.{name}.pools.v1]
endpoints = [{endpoints}]
[services.{name}.probe]
{probe(health_port, options.probe_interval)}""" for name in labels("w", options.names))


def two_versions_release(count, health_port, live):
    """Every service has two pools, each of three addresses in a /24 of its own."""
    quoted = lambda addresses: ", ".join(f'"{address}"' for address in addresses)
    return "version = 1\n" + "".join(f"""
[services.{name}]
live = "{live}"
ttl = "1s"
[services.{name}.pools.v1]
endpoints = [{quoted(HEALTH_ADDRESSES)}]
[services.{name}.pools.v2]
endpoints = [{quoted(OTHER_ADDRESSES)}]
[services.{name}.probe]
{probe(health_port, "5s")}[services.{name}.release]
bake = "0s"
""" for name in labels("w", count))


def many_names_release(count):
    """As short as a service can be written: a million of them should fit into one file."""
    lines = (f'w{i:07d}={{live="a",pools.a.endpoints=["10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"]}}\n'
             for i in range(count))
    return "".join(["version=1\n[services]\n", *lines])


def write(options, port, release, zone="weighted.example", folder="cutover", sections=EVERYTHING):
    """Writes both files; returns the path of the settings and the names of the sections in them."""
    folder = f"{options.work}/{folder}"
    path = f"{folder}/cutover.toml"
    put(f"{folder}/cookies.secret", secrets.token_hex(16), "\n")
    put(f"{folder}/release.toml", 'version = 1\n[services.a]\nlive = "a"\npools.a.endpoints = ["192.0.2.1"]\n')
    known = {}
    for name, text in sections.items():
        put(path, settings(zone, port, [*known.values(), text]))
        if not refusal(options, path):
            known[name] = text
    put(path, settings(zone, port, known.values()))
    put(f"{folder}/release.toml", release)
    return path, list(known)


def refusal(options, path):
    """What `cutover check` has against the two files; nothing when they are good."""
    checked = subprocess.run([options.cutover, "check", "--config", path], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return checked.stdout if checked.returncode else ""


def must_be_good(options, path):
    if said := refusal(options, path):
        raise SystemExit(f"the generated configuration is refused:\n{said[:4000]}")


def file_limit_bytes(said):
    """The limit that a refusal names, if that is what it is about."""
    found = re.search(r"larger than (\d+) MiB", said)
    return int(found[1]) << 20 if found else None
