"""The mode `rrl`: one network floods at full rate, with limits enforced.

127.0.7.0/24 floods in an open loop, fast, but not so fast that a socket overflows: what is lost is
what the server chose to drop. Meanwhile a client in
another network and two clients in the flooding one ask 50 times a second each. Inside, one client
sends a cookie, and one asks again by TCP when its answer is truncated, as resolvers do.
"""
import json
import secrets
import socket
import subprocess
import threading
import time

import own
from loads import figure
from servers import Target, query

ASK_EVERY_SECS = 0.02
PATIENCE_SECS = 2
PROBED_AFTER_SECS = 3
FLOOD_PER_SECOND = 50_000


def run(bench):
    release = own.weighted_release(bench.options, bench.health_port)
    server = bench.own_server(45, release, sections=own.ENFORCED)
    own.must_be_good(bench.options, server.config)
    names = [f"{label}.weighted.example" for label in own.labels("w", bench.options.names)]
    target = Target("cutover", server, f"{bench.options.work}/weighted.queries", names)
    clients = [Client("elsewhere, plain", "127.0.8.1"), Client("inside, cookie", "127.0.7.254", cookie=True),
               Client("inside, TCP when truncated", "127.0.7.255")]
    try:
        # One name: a thousand at once would be a flood too.
        server.start().wait_until_it_answers(names[:1])
        time.sleep(PROBED_AFTER_SECS)
        flooded = flood(bench, target, clients)
    finally:
        server.stop()
    report(bench, flooded, clients)


def flood(bench, target, clients):
    command = bench.loads.blast_command(
        target, "-a", "127.0.7.0", "-c", 64, "-Q", FLOOD_PER_SECOND, "-q", 16_384, "-t", 100,
        seconds=bench.options.flood_seconds)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as load:
        running = lambda: load.poll() is None
        threads = [threading.Thread(target=client.ask_while, args=(target, running)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return json.loads(load.communicate()[0])


class Client:
    """Asks one question after the other, and counts what becomes of them."""

    def __init__(self, name, address, cookie=False):
        self.name, self.address = name, address
        self.cookie = secrets.token_bytes(8) if cookie else b""
        self.asked = self.lost = self.by_tcp = self.unanswered = 0

    def ask_while(self, target, running):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((self.address, 0))
            s.connect(("127.0.0.1", target.port))
            s.settimeout(PATIENCE_SECS)
            while running():
                self.ask(s, target, self.asked)
                time.sleep(ASK_EVERY_SECS)

    def ask(self, s, target, number):
        question = query(target.names[number % len(target.names)], number & 0xFFFF)
        self.asked += 1
        try:
            s.send(self.with_cookie(question))
            reply = s.recv(4096)
            while reply[:2] != question[:2]:
                reply = s.recv(4096)
        except OSError:
            self.lost += 1
            self.unanswered += 1
            return
        self.learn_cookie(reply)
        if reply[2] & 2:
            self.by_tcp += 1
            reply = self.ask_by_tcp(question, target)
        self.unanswered += not (len(reply) > 12 and (reply[6] or reply[7]))

    def with_cookie(self, question):
        if not self.cookie:
            return question
        option = b"\0\x0a" + len(self.cookie).to_bytes(2, "big") + self.cookie
        opt = b"\0\0\x29\x04\xd0\0\0\0\0" + len(option).to_bytes(2, "big") + option
        return question[:11] + b"\1" + question[12:] + opt

    def learn_cookie(self, reply):
        """The option holds ours, and then the server's."""
        at = reply.find(self.cookie[:8]) if self.cookie else -1
        if at >= 4 and reply[at - 4:at - 2] == b"\0\x0a":
            self.cookie = reply[at:at + int.from_bytes(reply[at - 2:at], "big")]

    def ask_by_tcp(self, question, target):
        try:
            with socket.create_connection(("127.0.0.1", target.port), PATIENCE_SECS, (self.address, 0)) as s:
                s.sendall(len(question).to_bytes(2, "big") + question)
                with s.makefile("rb") as stream:
                    return stream.read(int.from_bytes(stream.read(2), "big"))
        except OSError:
            return b""


def report(bench, flooded, clients):
    rows = [{"client": "flood, 127.0.7.0/24", "asked": flooded["sent"], "lost": flooded["lost"],
             "truncated": flooded["truncated"], "bytes_in": flooded["bytes_out"],
             "bytes_out": flooded["bytes_in"],
             "bytes_ratio": flooded["bytes_in"] / max(flooded["bytes_out"], 1)}]
    rows += [{"client": client.name, "asked": client.asked, "lost": client.lost,
              "truncated": client.by_tcp, "unanswered": client.unanswered} for client in clients]
    columns = [("client", figure("client", "{}")), ("asked", figure("asked", "{}")),
               ("lost by UDP", figure("lost", "{}")), ("truncated", figure("truncated", "{}")),
               ("without an answer in the end", figure("unanswered", "{}")),
               ("bytes to the server", figure("bytes_in", "{}")),
               ("bytes from it", figure("bytes_out", "{}")), ("ratio", figure("bytes_ratio", "{:.2f}"))]
    bench.report("rrl", "one network floods", columns, rows)
