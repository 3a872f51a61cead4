"""The modes that compare under load: `udp`, `half`, `tcp`, `names`."""
import functools
import time

import own
import plot
from measure import measure_rounds, median, resident_bytes, summarise
from servers import Target

NAMES_FEW = 1000


def figure(key, form, missing="–"):
    return lambda row: missing if row.get(key) is None else form.format(row[key])


COLUMNS = [
    ("server", figure("server", "{}")),
    ("ratio", lambda row: f"{row['ratio'][1]:.2f}"),
    ("quartiles", lambda row: f"{row['ratio'][0]:.2f}–{row['ratio'][2]:.2f}"),
    ("CPU µs/query", figure("cpu_us", "{:.2f}")),
    ("user-space µs/query", figure("user_us", "{:.2f}")),
    ("queries/s", figure("rate", "{:.0f}")),
    ("p50 µs", figure("p50_us", "{:.0f}")),
    ("p99 µs", figure("p99_us", "{:.0f}")),
    ("lost", figure("lost", "{}")),
    ("other rcodes", figure("bad", "{}")),
    ("limited by", figure("limit", "{}")),
    ("slices", figure("slices", "{}")),
]


def title(bench, what):
    options = bench.options
    return (f"{what} ({options.rounds} slices of {options.seconds:g} s, "
            f"server on processor {options.server_cpu}, load on {options.generator_cpu})")


def udp(bench, at_half_load=False):
    """Closed loop, saturating; with `at_half_load`, latency at half of each server's own rate."""
    targets = bench.targets("echo")
    slices = measure_rounds(bench.options, targets, bench.loads.blast)
    rows = [summarise(target, slices[target.name]) for target in targets]
    what = "UDP, saturated"
    if at_half_load:
        what += "; latency and loss at half load"
        latencies = latencies_of(bench, [(target, row["rate"] / 2) for target, row in zip(targets, rows)])
        for row, latency in zip(rows, latencies):
            row["lost_saturated"] = row["lost"]
            row |= latency
    bench.report("half" if at_half_load else "udp", title(bench, what), COLUMNS, rows)
    if bench.options.plot:
        plot.write(bench.options.plot, rows)
        print(f"plot: {bench.options.plot}", flush=True)


half = functools.partial(udp, at_half_load=True)


def latencies_of(bench, targets_and_rates):
    """Open loop, the targets in turns. The median over the slices, because a stall of the machine is
    not the server's."""
    loads = [functools.partial(bench.loads.blast, target, "-Q", f"{rate:.0f}", "-q", "4096")
             for target, rate in targets_and_rates]
    for load in loads:
        load()  # warms up
    rounds = [[load() for load in loads] for _ in range(bench.options.rounds)]
    return [{"p50_us": median(slices, "p50_us"), "p99_us": median(slices, "p99_us"),
             "lost": sum(s["lost"] for s in slices)} for slices in zip(*rounds)]


def tcp(bench):
    """Persistent connections with many queries in flight; the reference is the first server."""
    targets = bench.targets("gdnsd", "echo")
    slices = measure_rounds(bench.options, targets, bench.loads.tcp)
    rows = [summarise(target, slices[target.name]) for target in targets]
    bench.report("tcp", title(bench, "TCP, persistent and pipelined"), COLUMNS, rows)


def names(bench):
    """The own server with few and with many names, asked at random."""
    few = start_with_names(bench, 30, NAMES_FEW)
    many = start_with_names(bench, 31, bench.options.many)
    try:
        load = lambda target: bench.loads.blast(target, "-r", target.count)
        slices = measure_rounds(bench.options, [few, many], load)
        rows = [summarise(target, slices[target.name]) for target in (few, many)]
        for target, row in zip((few, many), rows):
            row |= {"load_s": target.load_secs, "memory_mb": target.memory / 1e6,
                    "bytes_a_name": (target.memory - few.memory) / target.count or None}
        columns = COLUMNS + [("load s", figure("load_s", "{:.2f}")), ("memory MB", figure("memory_mb", "{:.0f}")),
                             ("bytes/name", figure("bytes_a_name", "{:.0f}"))]
        bench.report("names", title(bench, "names asked at random"), columns, rows)
    finally:
        few.server.stop()
        many.server.stop()


def start_with_names(bench, port_offset, count):
    """The target, with how long it took to answer the last name, and its memory."""
    zone = "names.example"
    write = lambda: bench.own_server(port_offset, own.many_names_release(count), zone=zone)
    server = write()
    if limit := own.file_limit_bytes(own.refusal(bench.options, server.config)):
        wanted, count = count, int(count * limit / len(own.many_names_release(count)))
        print(f"{wanted} names do not fit into a release file of {limit >> 20} MiB: {count} do", flush=True)
        server = write()
    own.must_be_good(bench.options, server.config)
    queries = f"{bench.options.work}/names.queries"
    with open(queries, "w") as f:
        f.write(f"w0000000.{zone} A\n")
    begun = time.monotonic()
    server.start().wait_until_it_answers([f"w{count - 1:07d}.{zone}"], patience_secs=600)
    target = Target(f"cutover, {count} names", server, queries, [])
    target.count, target.load_secs = count, time.monotonic() - begun
    time.sleep(2)  # what loading needed is given back
    target.memory = resident_bytes(server.pid)
    return target
