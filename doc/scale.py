#!/usr/bin/env python3
"""Computes the tables of doc/scale.md from doc/measured and doc/assumed.

    doc/scale.py            prints them
    doc/scale.py --write    puts them into doc/scale.md, between its two marks
    doc/scale.py --check    1 when doc/scale.md holds others

No other number stands in that page's tables: change the two files, run --write.
"""
import math
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "scale.md")
BEGIN, END = "<!-- computed by doc/scale.py -->\n", "<!-- end -->\n"

# name, tenants, sites, devices of all tenants
FLEETS = [
    ("one site", 1, 1, 5_000),
    ("a company", 1, 50, 100_000),
    ("1,000 sites", 1, 1_000, 1_000_000),
    ("100 tenants", 100, 1_000, 2_000_000),
    ("a very large tenant", 1, 5_000, 10_000_000),
]


def numbers(name):
    values = {}
    with open(os.path.join(HERE, name)) as f:
        for line in f:
            words = line.split(None, 2)
            if words and not words[0].startswith("#"):
                values[words[0]] = float(words[1])
    return values


def short(x):
    """Three figures at most, with commas; never more exact than what goes in."""
    if x == 0:
        return "0"
    if x >= 1000:
        step = 10 ** (int(math.log10(x)) - 2)
        return "{:,.0f}".format(round(x / step) * step)
    return "{:.3g}".format(x)


def span(s):
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms")):
        if s >= unit:
            return "%s %s" % (short(s / unit), name)
    return "%s us" % short(s * 1e6)


def size(b):
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if b >= unit:
            return "%s %s" % (short(b / unit), name)
    return "%s bytes" % short(b)


def table(head, rows):
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(out + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def costs(m, a):
    """What one of each costs, in processor time where it is ours."""
    core = m["cores"]
    return table(("one", "costs", "that is"), [
        ("login, radius-hook by exec", span(core / m["hook_rate"]), "of one core, FreeRADIUS and the start of a process included"),
        ("login, nac-serve by rlm_rest", span(core / m["serve_rate"]), "of one core, FreeRADIUS included"),
        ("look-up in the store", span(m["lookup"] * 1e-6), "at 1,000,000 devices"),
        ("decision", span(m["decide"] * 1e-6), "50 rules, without JSON"),
        ("client polled", span(core / m["poll_rate"]), "of one core, and one request to Graph"),
        ("device in a list", span(core / m["list_rate"]), "of one core, %s on the wire before compression" % size(m["list_device"])),
        ("CoA", span(core / m["coa_rate"]), "of one core, two datagrams"),
        ("device stored", size(m["device_bytes"]), "of disk"),
        ("login journalled", size(m["journal_line"]), "of disk"),
    ])


def fleet(m, a, name, tenants, sites, devices):
    clients = devices * a["seen"]
    logins = clients * a["logins_day"] * a["busiest_hour"] / 3600
    # One GET for each client due, in each tenant at once.
    gets = clients / tenants / a["interval"]
    pages = devices / tenants / a["graph_page"]
    since = pages * a["synced"] + pages / a["full_pass"]
    latency = 1 / (a["in_flight"] / a["get_time"])
    return {
        "name": name, "logins": logins,
        "exec": logins / (m["hook_rate"] / m["cores"]), "rest": logins / (m["serve_rate"] / m["cores"]),
        "gets": gets / a["graph_limit"],
        "poll": clients / tenants * max(latency, 1 / a["graph_limit"], 1 / m["poll_rate"]),
        "whole": pages * a["page_time"], "since": since * a["page_time"],
        "coas": clients * a["changes"], "coa_time": clients * a["changes"] / m["coa_rate"],
        "store": devices * m["device_bytes"], "journal": clients * a["logins_day"] * m["journal_line"],
        "share": (logins + clients / a["interval"]) / m["share_rate"],
        "interval": a["interval"],
    }


def fleets(m, a):
    rows = [fleet(m, a, *f) for f in FLEETS]

    def line(head, text):
        return [head] + [text(r) for r in rows]

    def percent(x):
        return "%s %%" % short(100 * x)

    def fits(r, key):
        return span(r[key]) + ("" if r[key] <= r["interval"] else " (**too long**)")

    return table(["for all of them together"] + ["%s (%s)" % (f[0], short(f[3])) for f in FLEETS], [
        line("logins a second in the busiest hour", lambda r: short(r["logins"])),
        line("cores for them, by exec", lambda r: short(max(1, math.ceil(r["exec"])))),
        line("cores for them, by nac-serve", lambda r: short(max(1, math.ceil(r["rest"])))),
        line("Graph's limit used by one GET a client (each tenant)",
             lambda r: percent(r["gets"]) + ("" if r["gets"] <= 1 else " (**too much**)")),
        line("one poll by GET takes", lambda r: fits(r, "poll")),
        line("one pass by --all takes", lambda r: fits(r, "whole")),
        line("one poll by --since takes, its share of full passes included", lambda r: fits(r, "since")),
        line("CoA after a poll", lambda r: short(r["coas"])),
        line("sending them takes", lambda r: span(r["coa_time"])),
        line("store on each server", lambda r: size(r["store"])),
        line("journals a day", lambda r: size(r["journal"])),
        line("nac-cache share, of what one Redis was measured with", lambda r: percent(r["share"])),
    ])


def limits(m, a):
    """The number of devices in one tenant at which each limit is met."""
    per_login = a["seen"] * a["logins_day"] * a["busiest_hour"] / 3600
    met = [
        ("one poll by GET with %d in flight, %s an answer" % (a["in_flight"], span(a["get_time"])),
         a["interval"] * a["in_flight"] / a["get_time"] / a["seen"], "more in flight (--jobs), up to the next row"),
        ("Graph: 2,000 requests in 20 s for an application in a tenant",
         a["interval"] * a["graph_limit"] / a["seen"], "--all and --since ask for %d devices at once" % a["graph_page"]),
        ("one pass by --all, page after page, %s a page" % span(a["page_time"]),
         a["interval"] / a["page_time"] * a["graph_page"], "--since, and a full pass more seldom"),
        ("one poll by --since, a full pass at every %dth" % a["full_pass"],
         a["interval"] / a["page_time"] * a["graph_page"] / (a["synced"] + 1 / a["full_pass"]), "a longer poll_interval"),
        ("FreeRADIUS with radius-hook on %d cores" % m["cores"], m["hook_rate"] / per_login, "nac-serve, or more servers"),
        ("FreeRADIUS with nac-serve on %d cores" % m["cores"], m["serve_rate"] / per_login, "more servers"),
        ("one Redis for all servers", m["share_rate"] / (per_login + a["seen"] / a["interval"]), "a Redis for each region"),
    ]
    return table(("limit", "met at", "then"), [(name, short(n) + " devices", then) for name, n, then in sorted(met, key=lambda x: x[1])])


def main():
    m, a = numbers("measured"), numbers("assumed")
    text = "\n".join(("\n### What one of each costs\n", costs(m, a), "### What a fleet needs\n", fleets(m, a),
                      "### Which limit is met first\n", limits(m, a)))
    if sys.argv[1:] == []:
        print(text)
        return 0
    with open(PAGE) as f:
        old = f.read()
    new = re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: BEGIN + text + END, old, flags=re.S)
    if sys.argv[1:] == ["--check"]:
        if old != new:
            sys.exit("doc/scale.md: not what doc/scale.py computes: run doc/scale.py --write")
        return 0
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    with open(PAGE, "w") as f:
        f.write(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
