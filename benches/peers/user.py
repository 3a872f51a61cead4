"""The mode `user`: CPU time in user space for each query, sampled 5,000 times a second by perf.

The kernel's own ticks, which the other modes use, come 250 times a second or less. perf's samples
are of the processor's clock in software, so no hardware counters are needed. They cost some percent
of the time that is measured; only the share in user space is taken from them.
"""
import signal
import subprocess
import time

from loads import figure, title
from measure import measure_slice, process_tree, quartiles

SAMPLES_PER_SECOND = 5_000
START_SECS = 1  # that perf takes
SERVERS = "cutover,gdnsd,gdnsd-weighted,nsd"
# Of 64 bits: the half of the addresses that is the kernel's.
KERNEL = 1 << 63


def run(bench):
    bench.options.servers = bench.options.servers or SERVERS
    targets = bench.targets("echo")
    slices = {target.name: [] for target in targets}
    for _ in range(bench.options.rounds):
        for target in targets:
            plain = measure_slice(bench.options, target, bench.loads.blast)
            share = user_share(bench, target)
            slices[target.name].append((plain["cpu_us"] * share, plain["cpu_us"], share))
    rows = [row(target, slices[target.name]) for target in targets]
    bench.report("user", title(bench, "user space, sampled"), [
        ("server", figure("server", "{}")), ("user-space µs/query", figure("user_us", "{:.3f}")),
        ("quartiles", lambda row: "{:.3f}–{:.3f}".format(*row["user_quartiles"])),
        ("CPU µs/query", figure("cpu_us", "{:.2f}")), ("in user space", figure("share", "{:.2%}"))], rows)


def row(target, slices):
    user, cpu, share = (quartiles(column) for column in zip(*slices))
    return {"server": target.name, "user_us": user[1], "user_quartiles": (user[0], user[2]),
            "cpu_us": cpu[1], "share": share[1]}


def user_share(bench, target):
    """The share of its samples under load that are in user space."""
    path = f"{bench.options.work}/perf.data"
    processes = ",".join(map(str, process_tree(target.pid)))
    recording = subprocess.Popen(
        [*bench.loads.prefix, "perf", "record", "--quiet", "-e", "cpu-clock", "-F",
         str(SAMPLES_PER_SECOND), "-p", processes, "-o", path], stderr=subprocess.DEVNULL)
    try:
        time.sleep(START_SECS)  # an idle process gives no samples
        bench.loads.blast(target)
    finally:
        recording.send_signal(signal.SIGINT)
        recording.wait()
    script = subprocess.run(["perf", "script", "-i", path, "-F", "ip"], check=True, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    addresses = [int(word, 16) for word in script.stdout.split()]
    if not addresses:
        raise SystemExit("perf has taken no samples: see /proc/sys/kernel/perf_event_paranoid")
    return sum(address < KERNEL for address in addresses) / len(addresses)
