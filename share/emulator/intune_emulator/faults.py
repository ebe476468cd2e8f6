"""Faults on order: KIND[:key=value,...], each on certain requests, some times."""

import json
import re
import threading

REQUESTS = ("token", "list", "get", "batch", "item", "directory", "discovery", "identity",
            "nac2", "nac2-list", "nac2-info", "connect", "other")
COMMON = ("on", "times", "after", "device")

# kind: (where it applies unless on= says otherwise, the keys it takes)
KINDS = {
    "status": ("any", ("code", "retry_after", "retry_after_date", "location", "error")),
    "aadsts": ("token", ("code", "retry_after", "retry_after_date")),
    "truncate": ("any", ("at",)),
    "cut": ("any", ("at",)),
    "drop": ("any", ()),
    "empty": ("any", ()),
    "html": ("any", ()),
    "garbage": ("any", ()),
    "wrong-types": ("any", ("field",)),
    "slow": ("any", ("seconds", "part")),
    "stall": ("any", ("at",)),
    "huge": ("any", ("mb",)),
    "headers": ("any", ("kb",)),
    "deep": ("any", ("levels",)),
    "no-roles": ("token", ()),
    "no-ext-expires-in": ("token", ()),
    "string-expires-in": ("token", ()),
    "missing-device": ("list", ("filtered",)),
    "ignore-filter": ("list", ()),
    "foreign-nextlink": ("list", ("host",)),
    "loop-nextlink": ("list", ()),
    "odd-nextlink": ("list", ()),
    "cut-list": ("list", ("items",)),
    "repeat-page": ("list", ()),
    "empty-page": ("list", ()),
    "late-nextlink": ("list", ()),
    "batch-429": ("batch", ("items", "retry_after")),
    "endpoint-missing": ("discovery", ()),
    "endpoint-duplicate": ("discovery", ()),
    "endpoint-nextlink": ("discovery", ()),
    "endpoint-uri": ("discovery", ("uri",)),
    "xml": ("nac2+nac2-list+nac2-info", ("form",)),
    "unknown": ("nac2", ("form",)),
    "leave-out": ("nac2+nac2-list", ("what",)),
    "wrong-device": ("nac2", ("count",)),
    "wired-unknown": ("nac2", ()),
    "busy": ("nac2", ("seconds",)),
    "loop-paging": ("nac2-list", ()),
    "compliant-in-list": ("nac2-list", ()),
    "tls": ("connection", ("cert",)),
    "no-way-but-proxy": ("connection", ()),
    "refuse": ("connect", ("code",)),
    "arc-realm": ("identity", ("path",)),
}
NEEDED = {"aadsts": "code", "arc-realm": "path", "endpoint-uri": "uri", "foreign-nextlink": "host",
          "missing-device": "device",
          "status": "code", "tls": "cert"}
NUMBERS = ("times", "after", "at", "mb", "items", "count")
CERTS = ("wrong-name", "expired", "untrusted", "no-intermediate")


class FaultError(Exception):
    pass


class Fault:
    def __init__(self, spec):
        self.spec = spec
        self.kind, _, rest = spec.partition(":")
        if self.kind not in KINDS:
            raise FaultError(f"fault {self.kind}: no such kind; there are {', '.join(KINDS)}")
        on, keys = KINDS[self.kind]
        self.args = {}
        for item in rest.split(",") if rest else ():
            key, eq, value = item.partition("=")
            if not eq or key not in keys + COMMON:
                takes = ", ".join(keys + COMMON)
                raise FaultError(f"fault {self.kind}: {item}: it takes {takes}")
            self.args[key] = value
        self.check()
        self.on = set(self.args.get("on", on).split("+"))
        unknown = self.on - set(REQUESTS) - {"any", "connection"}
        if unknown:
            raise FaultError(f"fault {self.kind}: on={'+'.join(sorted(unknown))}: "
                             f"there are {', '.join(REQUESTS)} and any")
        self.left = int(self.args["times"]) if "times" in self.args else None
        self.skip = int(self.args.get("after", 0))
        self.hits = 0

    def check(self):
        need = NEEDED.get(self.kind)
        if need and need not in self.args:
            raise FaultError(f"fault {self.kind}: {need}= is missing")
        for key in NUMBERS:
            if key in self.args and not self.args[key].isdigit():
                raise FaultError(f"fault {self.kind}: {key}={self.args[key]}: not a number")
        if self.kind in ("status", "aadsts") and not self.args["code"].isdigit():
            raise FaultError(f"fault {self.kind}: code={self.args['code']}: not a number")
        if self.kind == "status" and not 300 <= int(self.args["code"]) <= 599:
            raise FaultError("fault status: code= is from 300 to 599")
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", self.args.get("seconds", "0")):
            raise FaultError(f"fault {self.kind}: seconds={self.args['seconds']}: not a number")
        for key in ("retry_after", "retry_after_date"):
            if key in self.args and self.args[key] != "none" and not self.args[key].isdigit():
                raise FaultError(f"fault {self.kind}: {key}= is a number of seconds or none")
        if self.args.get("part", "headers") not in ("headers", "body"):
            raise FaultError("fault slow: part= is headers or body")
        if self.args.get("cert", CERTS[0]) not in CERTS:
            raise FaultError(f"fault tls: cert= is one of {', '.join(CERTS)}")

    def number(self, key, default):
        return int(self.args.get(key, default))

    def describe(self):
        return f"{self.spec}\t{self.hits} hits"


class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.all = []

    def add(self, spec):
        fault = Fault(spec)
        with self.lock:
            self.all.append(fault)

    def clear(self):
        with self.lock:
            self.all = []

    def active(self, request, device=None):
        """The faults that hit this request, by kind, the first of each; counts them.
        device: the one that is asked for by id, as a set of its names in lower case."""
        hit = {}
        with self.lock:
            for f in self.all:
                if request not in f.on and not ("any" in f.on and request not in
                                                ("item", "connection", "connect")):
                    continue
                # missing-device names what to hide, not the request to disturb
                if "device" in f.args and f.kind != "missing-device" and \
                        f.args["device"].lower() not in (device or ()):
                    continue
                if f.skip > 0:
                    f.skip -= 1
                    continue
                if f.left == 0:
                    continue
                key = f.spec if f.kind == "missing-device" else f.kind
                if key in hit:
                    continue
                if f.left is not None:
                    f.left -= 1
                f.hits += 1
                hit[key] = f
        return hit


WRONG = {"id": 5, "deviceName": {"a": 1}, "azureADDeviceId": ["x"], "complianceState": 2,
         "wiFiMacAddress": True, "lastSyncDateTime": 0, "access_token": 12345,
         "expires_in": "soon", "@odata.nextLink": 7, "responses": {}}


def wrong_types(body, field):
    """The same JSON with values of other types; field: only that one, where `value`
    and `root` stand for the array of devices and for the whole."""
    if field == "root":
        return b"[" + body + b"]"

    def spoil(thing):
        if isinstance(thing, list):
            return [spoil(v) for v in thing]
        if not isinstance(thing, dict):
            return thing
        out = {k: spoil(v) for k, v in thing.items()}
        for name in out:
            if name == field:
                out[name] = WRONG.get(name, {"0": out[name]})
            elif field is None and name in WRONG:
                out[name] = WRONG[name]
        return out

    return json.dumps(spoil(json.loads(body))).encode()
