"""The mode `instructions`: what a query costs in user space, counted by valgrind's callgrind.

A server is run twice, with few and with many queries; the difference counts the queries alone, and
neither the start nor the end. It repeats within a percent on a machine however noisy, and says
nothing about the kernel, the caches or time.

Of the own server the threads that answer are also told apart: while it answers, others probe the
endpoints, and the longer it takes the more of that is counted.
"""
import glob
import os
import re

from servers import TARGETS, Server, Target, find
from zones import labels

FEW = 10_000
# callgrind counts a string instruction once per octet, and calls that a thousand instructions where
# glibc clears a kilobyte; without them glibc uses the loops that it has for other processors.
NO_STRING_INSTRUCTIONS = ("GLIBC_TUNABLES=glibc.cpu.x86_rep_stosb_threshold=1000000000"
                          ":glibc.cpu.x86_rep_movsb_threshold=1000000000")
# The function that answers datagrams, as callgrind names it, by server: who runs it is a thread that
# answers. Of other servers no such function is known here.
ANSWERS = {"cutover": re.compile(r"dns::udp::Worker::answer_common")}
LEFT_OUT = ("pdns-weighted", "bind")  # minutes each; add them with --servers


def run(bench):
    chosen = bench.options.servers
    rows = []
    for name in bench.wanted("echo", *(() if chosen else LEFT_OUT)):
        _, server, zone = next(target for target in TARGETS if target[0] == name)
        if not find(bench.options, server):
            print(f"left out: {name}, {server} is not installed", flush=True)
            continue
        if server in bench.running:
            bench.running.pop(server).stop()
        queries = bench.options.queries
        fewer = count(bench, name, server, zone, FEW)
        more = count(bench, name, server, zone, FEW + queries)
        all_threads, answering = (ended - begun for begun, ended in zip(fewer, more))
        rows.append({"server": name, "instructions": all_threads / queries, "queries": queries,
                     "answering": answering / queries if server in ANSWERS else None})
    columns = [("server", lambda row: row["server"]),
               ("instructions/query", lambda row: f"{row['instructions']:.0f}"),
               ("of them in the answering threads",
                lambda row: "" if row["answering"] is None else f"{row['answering']:.0f}"),
               ("queries", lambda row: str(row["queries"]))]
    bench.report("instructions", "user-space instructions per query (callgrind)", columns, rows)


def count(bench, name, server, zone, queries):
    """Instructions of a whole run, and those of its threads that answer."""
    options = bench.options
    prefix = ["env", NO_STRING_INSTRUCTIONS, "valgrind", "--tool=callgrind", "--separate-threads=yes",
              f"--callgrind-out-file={options.work}/callgrind.%p"]
    for path in glob.glob(f"{options.work}/callgrind.*"):
        os.unlink(path)
    running = Server(options, server).start(prefix)
    try:
        letter = {"static": "n", "weighted": "w"}[zone]
        every = [f"{label}.{zone}.example" for label in labels(letter, options.names)]
        running.wait_until_it_answers(every, patience_secs=300)
        target = Target(name, running, f"{options.work}/{zone}.queries", every)
        result = bench.loads.blast(target, "-n", queries, "-t", 20_000, seconds=600)
    finally:
        running.stop(patience_secs=120)
    total = answering = 0
    for path in glob.glob(f"{options.work}/callgrind.*"):  # one for each thread of each process
        with open(path) as f:
            profile = f.read()
        instructions = sum(int(n) for n in re.findall(r"^totals: (\d+)", profile, re.M))
        total += instructions
        if server in ANSWERS and ANSWERS[server].search(profile):
            answering += instructions
    if result["answered"] < queries or not total:
        raise SystemExit(f"{name}: {result['answered']} of {queries} answered, {total} instructions")
    return total, answering
