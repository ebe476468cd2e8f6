"""Starts a command, kills one program of its process group, and says which.

	kill_one.py TARGET MILLISECONDS LEADER COMMAND ...

TARGET is the name of a program ("nac-cache-due" is nac-cache with that command),
"any" for one by chance, or "all" for the whole group.  It is killed by SIGKILL so
many milliseconds after it was first seen ("any" and "all": after the start).  Prints
what was killed, "-" when the command had ended before.  With LEADER "stop" what is
left is killed half a second later; with "wait" it has 60 s to end by itself, and the
exit status is 3 when it does not.
"""
import os
import random
import signal
import subprocess
import sys
import time

COMMANDS = ("due", "put", "list", "weigh", "follow", "renew")


def group(leader):
    """The processes of the group that are not zombies: pid and name."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                rest = f.read().rsplit(")", 1)[1].split()
            if int(rest[2]) != leader or rest[0] == "Z":
                continue
            with open("/proc/%s/cmdline" % pid) as f:
                words = f.read().split("\0")
        except (OSError, IndexError):
            continue
        if words[0].endswith("bash"):
            words = words[1:]
        # One that is about to end has no command line any more.
        name = os.path.basename(words[0]) if words and words[0] else "?"
        if name == "nac-cache":
            name += "".join(["-" + w for w in words if w in COMMANDS][:1])
        found[int(pid)] = name
    return found


def hit(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def main():
    target, ms, leader = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    child = subprocess.Popen(sys.argv[4:], start_new_session=True)
    end = time.monotonic() + 20
    killed = "-"
    if target in ("any", "all"):
        time.sleep(ms / 1000)
        alive = group(child.pid)
        if child.poll() is None and alive:
            if target == "all":
                os.killpg(child.pid, signal.SIGKILL)
                killed = "all"
            else:
                pid = random.choice(list(alive))
                killed = alive[pid] if hit(pid) else "-"
    else:
        while child.poll() is None and killed == "-" and time.monotonic() < end:
            for pid, name in group(child.pid).items():
                if name == target:
                    time.sleep(ms / 1000)
                    killed = name if hit(pid) else "-"
                    break
    print(killed, flush=True)
    if leader == "stop":
        time.sleep(0.5)
        for pid in group(child.pid):
            hit(pid)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        child.poll()
        if not group(child.pid):
            return 0
        time.sleep(0.02)
    return 3


sys.exit(main())
