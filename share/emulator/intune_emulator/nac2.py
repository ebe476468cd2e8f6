"""The Compliance Retrieval service (NAC 2.0): its XML, its window, and where it is found."""

import math
import threading
import time
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from .devices import GUID, guid, random_bytes
from .entra import INTUNE

PROVIDER = "ComplianceRetrievalService"
SERVICE = "/TrafficGateway/TrafficRoutingService/ResourceAccess/" + PROVIDER
NAMESPACE = "http://schemas.datacontract.org/2004/07/Microsoft.Intune.ResourceAccess." \
    "ComplianceRetrievalService.Model"
ROLE = "get_device_compliance"
FREE, CLOSED = 3600, 3 * 3600		# seconds: of the list's window, and until the next
PAGE = 100
KINDS = ("nac2", "nac2-list", "nac2-info")


class XmlAnswer:
    """What goes back, as Graph's Answer, but XML or nothing."""

    mime = "application/xml; charset=utf-8"

    def __init__(self, status, text="", headers=None):
        self.status, self.headers = status, headers or {}
        self.body = text.encode()
        if status != 200:
            self.mime = "text/plain; charset=utf-8"


class Clock:
    """Seconds that run as fast as wanted and can be set forward."""

    def __init__(self):
        self.start, self.base, self.speed = time.monotonic(), 0.0, 1.0

    def now(self):
        return self.base + (time.monotonic() - self.start) * self.speed

    def change(self, speed=None, forward=0.0):
        self.base, self.start = self.now() + forward, time.monotonic()
        if speed is not None:
            self.speed = speed


class ListWindow:
    """The list of all non-compliant devices: the first call opens 60 minutes of free
    calls, then there are 3 hours of 503."""

    def __init__(self):
        self.lock = threading.Lock()
        self.clock = Clock()
        self.opened = None
        self.retry_after = False

    def call(self):
        """None, or the seconds for which the list is closed."""
        with self.lock:
            now = self.clock.now()
            if self.opened is None or now >= self.opened + FREE + CLOSED:
                self.opened = now
            if now < self.opened + FREE:
                return None
            return max(1, math.ceil(self.opened + FREE + CLOSED - now))

    def describe(self):
        with self.lock:
            now = self.clock.now()
            if self.opened is None or now >= self.opened + FREE + CLOSED:
                return "new\n"
            age = now - self.opened
            word, left = ("open", FREE - age) if age < FREE else ("closed", FREE + CLOSED - age)
            return f"{word} {math.ceil(left)}\n"


class Nac2:
    def __init__(self, store, entra, counts):
        self.store, self.entra, self.counts = store, entra, counts
        self.window = ListWindow()
        self.page_size = PAGE
        self.unit, self.gone_status, self.host = "amsua0101", 404, None

    # Where it is

    @staticmethod
    def kind(path):
        """What sort of request it is, if it is one for this service."""
        path, _, query = path.partition("?")
        if SERVICE.lower() not in path.lower():
            return None
        if path.lower().rstrip("/").endswith("mdminfo"):
            return "nac2-info"
        return "nac2-list" if "querycriteria=compliance" in query.lower() else "nac2"

    def names_of(self, path):
        """The names of the device asked for, for device= of a fault."""
        value = dict(parse_qsl(path.partition("?")[2])).get("value", "")
        found, names = self.find(value), {value.lower()}
        for dev in found:
            names |= {str(dev.value(p)).lower() for p in ("id", "deviceName", "azureADDeviceId")}
        return names

    def uri(self, base, name=PROVIDER, unit=None):
        if self.host and name == PROVIDER:
            base = "https://" + self.host
        return f"{base}/{unit or self.unit}{SERVICE[:-len(PROVIDER)]}{name}"

    def endpoints(self, request, options, active):
        """The items of discovery and whether there is a next page."""
        def item(name, uri, n=1):
            return {"id": guid(random_bytes(f"endpoint{n}", name)[:16]), "capability": name,
                    "providerId": None, "providerResourceId": None, "providerName": name,
                    "uri": uri}

        names = ["ScepRequestValidationFEService", "complianceRetrievalService", "NACAPIService",
                 "DeviceActionsFEService"]
        items = []
        for n in names:
            ours = n.lower() == PROVIDER.lower()
            if ours and "endpoint-missing" in active:
                continue
            uri = self.uri(request.base, PROVIDER if ours else n)
            if ours and "endpoint-uri" in active:
                uri = active["endpoint-uri"].args["uri"]
            items.append(item(n, uri))
        items.append({"id": guid(random_bytes("endpoint", "x")[:16]), "capability": "x",
                      "providerId": None, "providerResourceId": None, "providerName": None,
                      "uri": "https://example.invalid/"})
        if "endpoint-duplicate" in active:
            items.append(item(PROVIDER.upper(), self.uri(request.base, unit="old0001"), 2))
        if "endpoint-nextlink" in active:
            if "$skiptoken" not in options:
                return items[:1], True
            return items[1:], False
        return items, False

    # The service

    def authorise(self, request):
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = self.entra.token(token.strip()) if scheme.lower() == "bearer" else None
        if known is None or known["exp"] <= time.time() or known["aud"] != INTUNE:
            return XmlAnswer(401)
        if ROLE not in known["roles"]:
            return XmlAnswer(403)
        return None

    def answer(self, request, kind, active):
        path, _, query = request.path.partition("?")
        if not path.startswith("/" + self.unit + SERVICE + "/"):
            return XmlAnswer(self.gone_status)
        bad = self.authorise(request)
        if bad:
            return bad
        if request.command != "GET":
            return XmlAnswer(405, "GET is wanted")
        if request.headers.get("Accept", "").lower() != "application/xml":
            return XmlAnswer(406, "Accept: application/xml is wanted")
        pairs = parse_qsl(query, keep_blank_values=True)
        params = dict(pairs)
        if len(params) != len(pairs):
            return XmlAnswer(400, "a parameter is there twice")
        rest = path[len("/" + self.unit + SERVICE):]
        if kind == "nac2-info":
            if rest != "/ciscoise/mdminfo/" or params != {"ise_api_version": "3"}:
                return XmlAnswer(400, "/ciscoise/mdminfo/?ise_api_version=3 is wanted")
            return self.shown(self.info(), active)
        if rest != "/cisco/devices/":
            return XmlAnswer(404, "/cisco/devices/ is wanted")
        bad = self.wrong(params, kind)
        if bad:
            return XmlAnswer(400, bad)
        if kind == "nac2-list":
            return self.noncompliant(params, active)
        return self.device(params, active)

    @staticmethod
    def wrong(params, kind):
        want = {"paging", "querycriteria", "value", "filter"}
        if kind == "nac2-list":
            want.add("deviceidentifier")
        if set(params) != want:
            return "the parameters " + ", ".join(sorted(want)) + " are wanted"
        if params["filter"] != "all":
            return "filter=all is wanted"
        if kind == "nac2-list":
            if params["value"] != "false" or params["deviceidentifier"] not in ("macaddress", "guid"):
                return "value=false&deviceidentifier=macaddress is wanted"
        elif params["paging"] != "0":
            return "paging=0 is wanted"
        elif params["querycriteria"] == "guid":
            if not GUID.fullmatch(params["value"]):
                return "value is no GUID"
        elif params["querycriteria"] != "macaddress":
            return "querycriteria is guid, macaddress or compliance"
        elif len(params["value"]) != 12 or params["value"].strip("0123456789ABCDEF"):
            return "value is not 12 upper-case hex digits"
        return None

    def find(self, value, wired=True):
        dev = self.store.get(value)
        if dev is not None:
            return [dev]
        if len(value) != 12:
            return []
        return [d for d in list(self.store.order)
                if value.upper() in self.macs(d, wired)]

    @staticmethod
    def macs(dev, wired=True):
        p = dev.properties()
        return [m.upper() for m in (p.get("wiFiMacAddress"),
                                    p.get("ethernetMacAddress") if wired else None) if m] + \
            [m.upper() for m in p.get("otherMacAddresses") or []]

    def device(self, params, active):
        by_mac = params["querycriteria"] == "macaddress"
        found = self.find(params["value"], "wired-unknown" not in active)
        if "wrong-device" in active:
            everybody = list(self.store.order)
            found = everybody[:active["wrong-device"].number("count", 1)]
        if "busy" in active:
            return self.shown([("server_busy_wait_seconds", active["busy"].args.get("seconds", "1"))],
                              active)
        if not found:
            form = active["unknown"].args.get("form", "empty") if "unknown" in active else "empty"
            if form == "nolist":
                return self.shown([], active)
            if form == "unregistered":
                attributes = [("register_status", "false")]
                ident = [] if by_mac else [("guid", params["value"])]
                return self.shown([("deviceList", [("device", ident + [
                    ("Attributes", attributes + [("Compliance", [("status", "false")])])])])], active)
            return self.shown([("deviceList", None if form == "empty" else [])], active)
        return self.shown([("deviceList", [self.one(d, by_mac, active) for d in found])], active)

    def one(self, dev, with_macs, active):
        """A device, as a tree of (name, text or children)."""
        fault = active.get("leave-out")
        out = set(fault.args.get("what", "").split("+")) if fault else set()
        p = dev.properties()
        good = p.get("complianceState") in ("compliant", "inGracePeriod")
        ident = [] if "guid" in out else [("guid", p["id"])]
        attributes = list(ident)
        if "register_status" not in out:
            attributes.append(("register_status", "true"))
        attributes.append(("Compliance", [] if "status" in out else
                           [("status", "true" if good else "false")]))
        if with_macs and "macaddresses" not in out:
            attributes.append(("macaddresses", ",".join(self.macs(dev)[:5])))
        if self.is_cisco(active):
            attributes += [("disk_encryption_on", "true"), ("pin_lock_on", "false"),
                           ("model", p.get("model")), ("udid", ""), ("imei", None),
                           ("serial_number", p.get("serialNumber")),
                           ("os_version", p.get("osVersion")), ("lastCheckinTimeStamp", "1700000000000")]
        return ("device", ident + [("Attributes", attributes)])

    def noncompliant(self, params, active):
        closed = self.window.call()
        if closed is not None:
            self.counts.add("nac2-503")
            return XmlAnswer(503, headers={"Retry-After": str(closed)}
                             if self.window.retry_after else {})
        paging = params["paging"]
        start = 0 if paging == "0" else int(paging[5:]) if paging[:5] == "next=" and \
            paging[5:].isdigit() else None
        if start is None:
            return XmlAnswer(400, "that paging was never given")
        bad = [d for d in list(self.store.order) if d.properties().get("complianceState")
               not in ("compliant", "inGracePeriod")]
        end = start + self.page_size
        more = f"next={end}" if end < len(bad) else "0"
        if "loop-paging" in active:
            more = f"next={start}" if start else "next=0"
        devices = [self.one(d, params["deviceidentifier"] == "macaddress" and
                            self.is_cisco(active), active) for d in bad[start:end]]
        if "compliant-in-list" in active:
            devices += [self.one(d, False, active) for d in list(self.store.order) if d not in bad][:1]
        return self.shown([("paging_info", more), ("deviceList", devices)], active)

    def info(self):
        return [("api_path", SERVICE + "/cisco"),
                ("redirect_url", "https://portal.manage.microsoft.com/networkaccesscontrol/index"),
                ("query_max_size", "100"), ("messaging_support", "false"), ("vendor", "Microsoft"),
                ("product_name", "Microsoft Intune"), ("product_version", "5.0")]

    # The XML

    @staticmethod
    def forms(active):
        fault = active.get("xml")
        return set(fault.args.get("form", "").split("+")) if fault else set()

    def is_cisco(self, active):
        return "cisco" in self.forms(active)

    def shown(self, content, active):
        forms = self.forms(active)
        name = "mdminfo" if any(n == "api_path" for n, _ in content) else "attributes"
        tree = ("ise_api", [("name", name), ("api_version", "3")] + content)
        prefix = ""
        names = f' xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns="{NAMESPACE}"'
        if "cisco" in forms:
            names = ""
        elif "prefix" in forms:
            prefix, names = "a:", f' xmlns:a="{NAMESPACE}"'
        text = '<?xml version="1.0" encoding="utf-8"?>' if "declaration" in forms else ""
        if "doctype" in forms:
            text += '<!DOCTYPE ise_api [<!ENTITY x "true">]>'
        return XmlAnswer(200, text + self.element(tree, prefix, names, "cisco" in forms,
                                                  "\n" if "indent" in forms else ""))

    def element(self, node, prefix, names, lower, indent):
        name, value = node
        if lower and name in ("Attributes", "Compliance"):
            name = name.lower()
        tag = prefix + name
        if value is None:
            return f"{indent}<{tag}{names}/>"
        if isinstance(value, str):
            return f"{indent}<{tag}{names}>{escape(value)}</{tag}>"
        deeper = indent + "  " if indent else ""
        inner = "".join(self.element(c, prefix, "", lower, deeper) for c in value)
        return f"{indent}<{tag}{names}>{inner}{indent if value else ''}</{tag}>"

    # Commands

    def control_window(self, words):
        """window [new | advance SECONDS | speed N | retry-after yes|no]"""
        w = self.window
        if not words:
            return w.describe()
        if words == ["new"]:
            w.opened = None
        elif len(words) == 2 and words[0] in ("advance", "speed") and words[1].isdigit():
            if words[0] == "speed":
                w.clock.change(speed=float(words[1]))
            else:
                w.clock.change(forward=float(words[1]))
        elif len(words) == 2 and words[0] == "retry-after" and words[1] in ("yes", "no"):
            w.retry_after = words[1] == "yes"
        else:
            raise ValueError("window [new | advance SECONDS | speed N | retry-after yes|no]")
        return ""

    def control_move(self, words):
        """move UNIT [STATUS | HOST]: the tenant to another scale unit; what the old address
        answers from now on, or the host that discovery names."""
        if not 1 <= len(words) <= 2 or not words[0].isalnum():
            raise ValueError("move UNIT [STATUS | HOST]")
        self.unit, self.gone_status, self.host = words[0], 404, None
        if len(words) == 2 and words[1].isdigit():
            self.gone_status = int(words[1])
        elif len(words) == 2:
            self.host = words[1]
        return ""
