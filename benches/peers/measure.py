"""CPU time per answered query, rate and latency, in short interleaved slices.

A machine's speed drifts with its other guests, its frequency and its caches, often by more than
servers differ. So each slice of a server is preceded by one of the reference, and their ratio is
what counts. CPU time is that of the server's process, its children and all their threads.
"""
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
BUSY = 0.85  # a processor above this share of a slice was saturated


def process_tree(pid):
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry))
        except OSError:
            pass
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        left += children.get(found[-1], [])
    return found


def cpu_times(pid):
    """Nanoseconds by thread; ticks in user space and in the kernel, with threads that ended."""
    by_thread, user, system = {}, 0, 0
    for process in process_tree(pid):
        try:
            with open(f"/proc/{process}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            user, system = user + int(fields[11]), system + int(fields[12])
            for thread in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{thread}/schedstat") as f:
                    by_thread[thread] = int(f.read().split()[0])
        except OSError:
            pass
    return by_thread, user, system


def cpu_between(before, after):
    """Seconds, and the share of them in user space. The nanoseconds are exact, but a thread that
    ended (one per connection, say) takes its own along; the ticks keep them."""
    user, system = after[1] - before[1], after[2] - before[2]
    share = user / (user + system) if user + system else 0.0
    by_ticks = (user + system) / TICKS_PER_SECOND
    exact = sum(ns - before[0].get(thread, 0) for thread, ns in after[0].items()) / 1e9
    if not set(before[0]) <= set(after[0]) or by_ticks > exact * 1.05 + 0.03:
        return by_ticks, share
    return exact, share


def resident_bytes(pid):
    total = 0
    for process in process_tree(pid):
        try:
            with open(f"/proc/{process}/status") as f:
                found = re.search(r"VmRSS:\s+(\d+)", f.read())
            total += int(found[1]) * 1024 if found else 0
        except OSError:
            pass
    return total


def pin(pid, processor):
    """Every thread: some servers pin their own elsewhere."""
    for process in process_tree(pid):
        try:
            for thread in os.listdir(f"/proc/{process}/task"):
                os.sched_setaffinity(int(thread), {processor})
        except OSError:
            pass


class KeptAwake:
    """Spinners of the lowest class on every processor. In a virtual machine an idle processor is
    given back to the host, and waking it costs more than a query; they yield to anything else."""

    def __enter__(self):
        self.pids = [self.spin(cpu) for cpu in sorted(os.sched_getaffinity(0))]

    def __exit__(self, *_):
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    @staticmethod
    def spin(cpu):
        pid = os.fork()
        if pid:
            return pid
        os.sched_setaffinity(0, {cpu})
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        parent = os.getppid()
        while os.getppid() == parent:
            for _ in range(1_000_000):
                pass
        os._exit(0)


class Loads:
    """The load generators, pinned, with their results as dictionaries."""

    def __init__(self, options):
        self.options = options
        self.prefix = ["taskset", "-c", str(options.generator_cpu)]
        self.blast_path = f"{options.work}/bin/blast"

    def blast_command(self, target, *more, seconds=None):
        return self.prefix + [
            self.blast_path, "-p", str(target.port), "-d", target.queries, "-c", "8", "-q", "128",
            "-t", "2000", "-l", str(seconds or self.options.seconds), *map(str, more)]

    def blast(self, target, *more, seconds=None):
        command = self.blast_command(target, *more, seconds=seconds)
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)

    def tcp(self, target):
        """dnsperf: persistent connections, many queries in flight on each."""
        command = self.prefix + [
            "dnsperf", "-s", "127.0.0.1", "-p", str(target.port), "-d", target.queries, "-m", "tcp",
            "-l", str(self.options.seconds), "-c", "8", "-q", "128", "-T", "1", "-e", "-t", "2",
            "-O", "suppress=timeout"]
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        number = lambda pattern: float(m[1]) if (m := re.search(pattern, said)) else 0.0
        codes = {m[1]: int(m[2]) for m in re.finditer(r"([A-Z]+) (\d+) \(", said)}
        return {"answered": number(r"completed:\s+(\d+)"), "rate": number(r"per second:\s+([\d.]+)"),
                "lost": number(r"lost:\s+(\d+)"), "p50_us": None, "p99_us": None,
                "good": codes.get("NOERROR", 0) + codes.get("NXDOMAIN", 0)}


def measure_slice(options, target, load):
    pin(target.pid, options.server_cpu)
    used_before, before = resource.getrusage(resource.RUSAGE_CHILDREN), cpu_times(target.pid)
    result = load(target)
    after, used = cpu_times(target.pid), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, user_share = cpu_between(before, after)
    generator = used.ru_utime + used.ru_stime - used_before.ru_utime - used_before.ru_stime
    result |= {"cpu": cpu, "user": cpu * user_share, "server_load": cpu / options.seconds,
               "generator_load": generator / options.seconds,
               "cpu_us": cpu * 1e6 / max(result["answered"], 1)}
    return result


def measure_rounds(options, targets, load):
    """The slices of each target; the first target is the reference of the others."""
    reference, slices = targets[0], {target.name: [] for target in targets}
    for target in targets:
        measure_slice(options, target, load)  # warms up
    for _ in range(options.rounds):
        for target in targets[1:] or targets:
            base = measure_slice(options, reference, load)
            slices[reference.name].append(base)
            if target is not reference:
                result = measure_slice(options, target, load)
                result["ratio"] = result["cpu_us"] / base["cpu_us"]
                result["base_load"] = base["server_load"]
                slices[target.name].append(result)
    return slices


def median(slices, key):
    values = [s[key] for s in slices if s.get(key) is not None]
    return statistics.median(values) if values else None


def quartiles(values):
    if len(values) < 3:
        return [min(values), statistics.median(values), max(values)]
    return statistics.quantiles(values, n=4, method="inclusive")


def summarise(target, slices, closed_loop=True):
    """One row of a table. In a closed loop, slices in which the machine stalled (neither side was
    busy) do not count, as long as five are left."""
    counted = slices
    if closed_loop:
        busy = [s for s in slices if max(s["server_load"], s["generator_load"]) > BUSY
                and s.get("base_load", 1) > BUSY]
        counted = busy if len(busy) >= 5 else slices
    ratios = [s["ratio"] for s in counted if "ratio" in s] or [1.0]
    cpu_us = quartiles([s["cpu_us"] for s in counted])[0]
    total = sum(s["cpu"] for s in counted)
    server_load, generator_load = median(counted, "server_load"), median(counted, "generator_load")
    limit = "server" if server_load > BUSY else "generator" if generator_load > BUSY else "neither"
    return {
        "server": target.name, "ratio": quartiles(ratios), "cpu_us": cpu_us,
        # User time is sampled by the kernel's tick: it takes all the slices to make a figure.
        "user_us": cpu_us * sum(s["user"] for s in counted) / total if total else 0.0,
        "rate": median(counted, "rate"), "p50_us": median(counted, "p50_us"),
        "p99_us": median(counted, "p99_us"), "lost": int(sum(s["lost"] for s in slices)),
        "bad": int(sum(s["answered"] - s["good"] for s in slices)),
        "limit": limit if closed_loop else "", "slices": f"{len(counted)}/{len(slices)}"}
