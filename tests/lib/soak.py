#!/usr/bin/env python3
"""The clients and the judge of tests/soak.

    soak.py load DIR RATE PORT [PORT ...]
    soak.py judge DIR

load plays the clients of DIR/clients (MAC and kind, with a blank between) at RATE
logins a second in all, PAP by RADIUS in turn to each PORT of 127.0.0.1, until
SIGTERM.  A `quiet' client logs in once, and then only when the NAS was told to
drop it, as DIR/log/coa.log says, or its Session-Timeout is over; the others all the
time.  Each login is a line of DIR/answers: the times it was sent and answered, port,
MAC and VLAN (`none': no answer in time, `reject').

judge holds DIR/answers against DIR/truth, written by tests/soak, whose lines are
    set TIME MAC VLAN           from TIME the device is what earns this VLAN
    poll START END              a poll begun at START was through at END
    off START END PORT          a server was away, stopping or starting: no answer, the
                                fallback or a reject, which FreeRADIUS gives to logins
                                under way when it stops, is right
An answer is right when it is what the device earned at the start of the last poll
that was through by then, or at any time since.  At the end each client's last VLAN
must be the one earned, also of the quiet ones, whom only a CoA can have moved.

What is sent is built with hashlib alone (RFC 2865, 3579): nothing is taken from
the programs under test.
"""
import bisect
import collections
import hashlib
import hmac
import os
import re
import secrets
import select
import signal
import socket
import struct
import sys
import time

SECRET = b"testing123"
PATIENCE = 12.0         # seconds until a login counts as not answered
FALLBACK = "1"          # of share/freeradius' policy, when the hook cannot be asked
SLACK = 3.0             # a login under way while a poll or an outage ends


def attribute(kind, value):
    return bytes([kind, len(value) + 2]) + value


def access_request(ident, mac, session):
    authenticator = secrets.token_bytes(16)
    block = b"bench".ljust(16, b"\0")
    hidden = bytes(a ^ b for a, b in zip(block, hashlib.md5(SECRET + authenticator).digest()))
    attrs = (attribute(80, bytes(16)) + attribute(1, b"bench") + attribute(2, hidden)
             + attribute(4, socket.inet_aton("127.0.0.1")) + attribute(5, struct.pack("!I", session))
             + attribute(31, mac.replace(":", "-").encode()) + attribute(44, b"soak-%d" % session)
             + attribute(61, struct.pack("!I", 19)))
    head = struct.pack("!BBH", 1, ident, 20 + len(attrs))
    digest = hmac.new(SECRET, head + authenticator + attrs, "md5").digest()
    return head + authenticator + attrs[:2] + digest + attrs[18:], authenticator


def vlan_of(reply, authenticator):
    """The VLAN of a reply whose authenticator is right and its Session-Timeout; None
    for any other."""
    if len(reply) < 20:
        return None
    code, _, length = struct.unpack("!BBH", reply[:4])
    reply = reply[:length]
    if hashlib.md5(reply[:4] + authenticator + reply[20:] + SECRET).digest() != reply[4:20]:
        return None
    if code != 2:
        return "reject", 0
    at, vlan, timeout = 20, [], 0
    while at + 2 <= len(reply) and reply[at + 1] >= 2:
        if reply[at] == 81:
            vlan.append(reply[at + 2:at + reply[at + 1]].lstrip(b"\0").decode("latin-1"))
        if reply[at] == 27:
            timeout = int.from_bytes(reply[at + 2:at + 6], "big")
        at += reply[at + 1]
    return "+".join(vlan) or "no-vlan", timeout


class Coas:
    """Those whom the NAS was told to drop, read from a log that grows."""

    def __init__(self, path):
        self.path, self.at, self.rest = path, 0, b""

    def new(self):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.at)
                text = f.read()
        except FileNotFoundError:
            return []
        self.at += len(text)
        *lines, self.rest = (self.rest + text).split(b"\n")
        found = (re.search(rb'Calling-Station-Id = "([^"]+)"', line) for line in lines)
        return [m[1].decode().lower().replace("-", ":") for m in found if m]


def load(where, rate, ports):
    with open(where + "/clients") as f:
        clients = [line.split() for line in f]
    number = {mac: i for i, (mac, _) in enumerate(clients)}
    steady = collections.deque(mac for mac, kind in clients if kind == "steady")
    quiet = [mac for mac, kind in clients if kind == "quiet"]
    urgent = collections.deque(quiet)
    coas, flights, running = Coas(where + "/log/coa.log"), {}, [True]
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    poll = select.poll()
    sockets = {}
    free = collections.deque()
    for port in ports:
        for _ in range(2):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect(("127.0.0.1", port))
            s.setblocking(False)
            sockets[s.fileno()] = (s, port)
            poll.register(s, select.POLLIN)
    for ident in range(256):        # in turn over all servers
        free.extend((fd, ident) for fd in sockets)
    out = open(where + "/answers", "a", buffering=1)
    due, looked, later = time.time(), 0.0, []

    def close(key, vlan, timeout=0):
        mac, sent, _ = flights.pop(key)
        out.write("%.6f %.6f %d %s %s\n" % (sent, time.time(), sockets[key[0]][1], mac, vlan))
        # A quiet client insists, as a supplicant would.
        if vlan == "none" and mac in quiet:
            urgent.append(mac)
        if timeout and mac in quiet:
            later.append((time.time() + timeout, mac))
        free.append(key)

    while running or flights:
        now = time.time()
        if now - looked > 0.2:
            looked = now
            urgent.extend(mac for mac in coas.new() if mac in quiet)
            urgent.extend(mac for at, mac in later if at <= now)
            later[:] = [entry for entry in later if entry[0] > now]
            for key in [k for k, f in flights.items() if now - f[1] > PATIENCE]:
                close(key, "none")
        while running and due <= now and free:
            due = max(due + 1.0 / rate, now - 1.0)
            mac = urgent.popleft() if urgent else steady[0]
            steady.rotate(-1)
            key = free.popleft()
            packet, authenticator = access_request(key[1], mac, number[mac])
            flights[key] = (mac, now, authenticator)
            try:
                sockets[key[0]][0].send(packet)
            except OSError:
                pass                # a server that is away: it counts as unanswered
        for fd, _ in poll.poll(max(1, int(1000 * min(0.1, max(0.0, due - time.time()))))):
            try:
                reply = sockets[fd][0].recv(4096)
            except OSError:
                continue
            key = (fd, reply[1]) if len(reply) > 1 else None
            answer = key in flights and vlan_of(reply, flights[key][2])
            if answer:
                close(key, *answer)


def judge(where):
    earned, polls, off = collections.defaultdict(list), [], []
    with open(where + "/truth") as f:
        for what, *rest in map(str.split, f):
            if what == "set":
                earned[rest[1]].append((float(rest[0]), rest[2]))
            elif what == "poll":
                polls.append((float(rest[1]), float(rest[0])))
            elif what == "off":
                off.append((float(rest[0]) - SLACK, float(rest[1]) + SLACK, rest[2]))
            else:
                sys.exit("soak: truth: %s: unknown" % what)
    polls.sort()
    ends = [end for end, _ in polls]
    total = wrong = lost = fell = 0
    last = {}

    def away_at(sent, got, port):
        return any(a <= got and sent <= b and p == port for a, b, p in off)

    with open(where + "/clients") as f:
        quiet = {mac for mac, kind in map(str.split, f) if kind == "quiet"}
    with open(where + "/answers") as f:
        for line in f:
            sent, got, port, mac, vlan = line.split()
            sent, got = float(sent), float(got)
            total += 1
            n = bisect.bisect_left(ends, sent - SLACK)
            if n == 0 or vlan == "none":
                # Before the first poll nothing is promised but an answer.
                lost += vlan == "none" and away_at(sent, got, port)
                wrong += vlan == "none" and not away_at(sent, got, port)
                if vlan != "none":
                    last[mac] = vlan
                continue
            since = max(start for _, start in polls[max(0, n - 8):n])
            states = earned[mac]
            first = max(0, bisect.bisect_right(states, (since, "~")) - 1)
            may = {v for t, v in states[first:] if t <= got}
            last[mac] = vlan
            if vlan in may:
                continue
            if vlan in (FALLBACK, "reject") and away_at(sent, got, port):
                fell += 1
                continue
            wrong += 1
            if wrong <= 20:
                print("soak: wrong: %s port %s got %s, may have %s" %
                      (line.split()[0], port, mac + " " + vlan, ",".join(sorted(may)) or "nothing"))
    unmoved = [mac for mac, vlan in last.items() if vlan != earned[mac][-1][1]]
    for mac in unmoved[:20]:
        print("soak: at the end %s%s has VLAN %s, earned %s" %
              (mac, " (quiet)" if mac in quiet else "", last[mac], earned[mac][-1][1]))
    missing = [mac for mac in earned if mac not in last]
    coas = collections.Counter(Coas(where + "/log/coa.log").new())
    storm = [mac for mac in quiet if coas[mac] > len(earned[mac])]
    for mac in storm[:20]:
        print("soak: %s: %d CoA for %d changes" % (mac, coas[mac], len(earned[mac]) - 1))
    print("%d logins, %d wrong, %d unanswered and %d by the fallback while a server was away; "
          "%d changes, %d CoA, %d polls; at the end %d not where they belong, %d never seen" %
          (total, wrong, lost, fell, sum(len(s) - 1 for s in earned.values()), sum(coas.values()),
           len(polls), len(unmoved), len(missing)))
    return 1 if wrong or unmoved or missing or storm or not last else 0


if __name__ == "__main__":
    if len(sys.argv) > 4 and sys.argv[1] == "load":
        load(sys.argv[2], float(sys.argv[3]), [int(p) for p in sys.argv[4:]])
    elif len(sys.argv) == 3 and sys.argv[1] == "judge":
        sys.exit(judge(sys.argv[2]))
    else:
        sys.exit(__doc__)
