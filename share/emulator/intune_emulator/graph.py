"""Microsoft Graph v1.0: managedDevices, $batch, directory devices, service discovery."""

import hashlib
import hmac
import json
import math
import os
import random
import re
import struct
import time
import uuid
from base64 import urlsafe_b64decode
from urllib.parse import parse_qsl, quote, unquote

from . import odata
from .devices import DIRECTORY, GUID, ZERO_GUID, guid, random_bytes
from .entra import GRAPH, Window
from .pki import b64url

CONTEXT = "https://graph.microsoft.com/v1.0/$metadata#"
KEY_FORM = re.compile(r"manageddevices\('([^']*)'\)", re.I)
ENDPOINTS = "servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints"
DISCOVERY = re.compile(ENDPOINTS, re.I)
PAGE_MAX = 1000
BATCH_MAX = 20
PER_WINDOW, WINDOW_SECONDS = 2000, 20		# managedDevices, per application and tenant
READ_DEVICES = ("DeviceManagementManagedDevices.Read.All",
                "DeviceManagementManagedDevices.ReadWrite.All")
READ_DIRECTORY = ("Device.Read.All", "Directory.Read.All")
READ_ENDPOINTS = ("ServicePrincipalEndpoint.Read.All", "Application.Read.All")


class Answer:
    """What goes back: a status, the JSON as an object or as bytes, extra headers."""

    def __init__(self, status, obj=None, raw=None, headers=None):
        self.status = status
        self.body = raw if raw is not None else json.dumps(obj, separators=(",", ":")).encode()
        self.headers = headers or {}


def error(status, code, message, client_request="", headers=None):
    rid = str(uuid.uuid4())
    return Answer(status, {"error": {"code": code, "message": message, "innerError": {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()), "request-id": rid,
        "client-request-id": client_request or rid}}}, headers=headers)


def intune_text(message, custom=""):
    """The JSON text that Intune puts inside the message of an error."""
    ids = [str(uuid.uuid4()) for _ in range(2)]
    text = f"{message} - Operation ID (for customer support): {ids[0]} - Activity ID: {ids[1]} - " \
        "Url: https://fef.amsub0102.manage.microsoft.com/DeviceFE/StatelessDeviceFEService/" \
        "deviceManagement/managedDevices?api-version=2018-05-24"
    lines = [("_version", 3), ("Message", text), ("CustomApiErrorPhrase", custom),
             ("RetryAfter", None), ("ErrorSourceService", ""), ("HttpHeaders", "{}")]
    return "{\r\n" + ",\r\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in lines) + "\r\n}"


def status_answer(status, fault):
    """The answer of a status fault, in the clothes that Graph gives that status."""
    code, text = {
        400: ("BadRequest", intune_text("Bad request")),
        401: ("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."),
        403: ("Forbidden", intune_text("Application is not authorized to perform this operation.")),
        404: ("ResourceNotFound", intune_text("An error has occurred")),
        429: ("TooManyRequests", intune_text("Too many requests")),
        503: ("ServiceUnavailable", intune_text("An error has occurred")),
        504: ("GatewayTimeout", "The request timed out."),
    }.get(status, ("InternalServerError", intune_text("An internal server error has occurred")))
    code = fault.args.get("error", code)
    if code == "UnknownError":		# what Graph makes of a refusal of Intune's own
        text = '{"ErrorCode":"Forbidden","Message":%s}' % json.dumps(intune_text("Forbidden"))
    return error(status, code, text, headers=retry_headers(fault))


def retry_headers(fault):
    """Retry-After of a fault: in seconds, as a date, or none."""
    if "retry_after_date" in fault.args:
        when = math.ceil(time.time()) + fault.number("retry_after_date", 1)
        return {"Retry-After": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(when))}
    seconds = fault.args.get("retry_after", "none")
    return {} if seconds == "none" else {"Retry-After": seconds}


class Graph:
    def __init__(self, options, store, entra, faults, counts, nac2):
        self.nac2 = nac2
        self.store, self.entra, self.faults, self.counts = store, entra, faults, counts
        self.page_size = options.page_size
        self.throttle = Window(options.throttle, WINDOW_SECONDS)
        self.page_key = os.urandom(16)

    # Who asks

    def authorise(self, request):
        """None, or the 401 that the bearer token deserves."""
        def no(text):
            return error(401, "InvalidAuthenticationToken", text, request.client_id_header)

        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return no("Access token is empty.")
        known = self.entra.token(token.strip())
        if known is None:
            return no("CompactToken parsing failed with error code: 80049217" if token.count(".") != 2
                      else "Access token validation failure. Invalid signature.")
        if known["exp"] <= time.time():
            return no("Lifetime validation failed, the token is expired.")
        if known["aud"] != GRAPH:
            return no("Access token validation failure. Invalid audience.")
        request.roles = known["roles"]
        return None

    def allowed(self, request, wanted):
        return any(r in request.roles for r in wanted)

    # Where to

    @staticmethod
    def kind(method, path):
        """What sort of request this is, for the counts, the faults and the log."""
        path = path.partition("?")[0]
        parts = [unquote(p) for p in path.split("/") if p]
        low = [p.lower() for p in parts]
        if low[-3:] == ["oauth2", "v2.0", "token"] or low[1:] == ["oauth2", "token"]:
            return "token"
        if low[:1] == ["v1.0"]:
            low, parts = low[1:], parts[1:]
        if low == ["$batch"]:
            return "batch"
        if low[:1] == ["devicemanagement"] and len(low) > 1:
            if low[1:] == ["manageddevices"]:
                return "list"
            if low[1] == "manageddevices" or KEY_FORM.fullmatch(low[1]):
                return "get"
        if low[:1] == ["devices"]:
            return "directory"
        if DISCOVERY.fullmatch("/".join(parts)):
            return "discovery"
        return "other"

    def names_of(self, path):
        """The names of the device that a path asks for by id, for device= of a fault."""
        m = GUID.search(unquote(path.partition("?")[0]))
        if m is None:
            return set()
        names = {m.group().lower()}
        dev = self.store.get(m.group())
        if dev is not None:
            names |= {str(dev.value(p)).lower() for p in ("deviceName", "azureADDeviceId")}
        return names

    def answer(self, request, method, target, active):
        """A GET of one resource, from the wire or from a $batch; target starts
        behind the version."""
        path, _, query = target.partition("?")
        kind = self.kind(method, path)
        if method != "GET":
            return error(405, "Request_BadRequest", "Specified HTTP method is not allowed for the "
                         "request target.", request.client_id_header)
        try:
            options = self.options(query)
        except ValueError as e:
            return error(400, "BadRequest", str(e), request.client_id_header)
        parts = [unquote(p) for p in path.split("/") if p]
        if kind in ("list", "get"):
            wait = self.throttle.hit()
            if wait is not None:
                self.counts.add("throttled")
                return error(429, "TooManyRequests", intune_text("Too many requests"),
                             request.client_id_header, {"Retry-After": str(wait)})
            if not self.allowed(request, READ_DEVICES):
                return error(403, "Forbidden", intune_text(
                    "Application is not authorized to perform this operation. Application must "
                    "have one of the following scopes: " + ", ".join(READ_DEVICES)),
                    request.client_id_header)
            if kind == "list":
                return self.list(request, options, active)
            return self.one(request, parts, options)
        if kind == "directory":
            return self.directory(request, parts, options)
        if kind == "discovery":
            return self.discovery(request, options, active)
        return error(400, "BadRequest", "Resource not found for the segment "
                     f"'{parts[-1] if parts else ''}'.", request.client_id_header)

    def options(self, query):
        """The query options; ValueError for what Graph would not take."""
        out = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            name = name if name.startswith("$") else "$" + name
            if name in out:
                raise ValueError(f"Query option '{name}' was specified more than once.")
            out[name] = value
        if "$top" in out:
            if not out["$top"].isdigit() or not 1 <= int(out["$top"]) <= PAGE_MAX:
                raise ValueError(f"Invalid value '{out['$top']}' for $top query option found. It "
                                 f"must be between 1 and {PAGE_MAX}.")
        return out

    # managedDevices

    def selected(self, request, options):
        """$select as a tuple (None: there is none), or the 400 for an unknown name."""
        if not options.get("$select"):
            return None, None
        select = tuple(s.strip() for s in options["$select"].split(","))
        for name in select:
            if name not in self.store.names:
                return None, error(400, "BadRequest", "Parsing OData Select and Expand failed: Could "
                                   f"not find a property named '{name}' on type "
                                   "'microsoft.graph.managedDevice'.", request.client_id_header)
        return select, None

    def list(self, request, options, active):
        select, bad = self.selected(request, options)
        if bad:
            return bad
        # $skip does not work: an empty page, and a nextLink all the same.
        skipping = options.get("$skip", "0") != "0"
        filtered = None
        if options.get("$filter"):
            try:
                filtered = odata.select(options["$filter"], self.store)
            except odata.FilterError as e:
                return error(400, "BadRequest", f"Invalid filter clause: {e}", request.client_id_header)
            except odata.Ignored as e:
                request.note("ignored_filter", str(e))
            else:
                if "azureADDeviceId" in options["$filter"] and options.get("$count") == "true":
                    return error(400, "BadRequest", intune_text("An error has occurred"),
                                 request.client_id_header)
        if "ignore-filter" in active:
            filtered = None
        after = 0
        if "$skiptoken" in options:
            after = self.read_token(options["$skiptoken"])
            if after is None:
                return error(400, "BadRequest", "Invalid $skiptoken.", request.client_id_header)
            self.counts.add("next")
        if "repeat-page" in active:		# the list has moved between two pages
            after = max(0, after - 1)
        size = min(self.page_size, int(options.get("$top", PAGE_MAX)))
        page, more = self.page(filtered, after, size)
        start = after
        if page:
            after = page[-1].seq
        hidden = self.hidden(filtered is not None, active)
        page = [d for d in page if d not in hidden]
        if skipping:
            page, more, after = [], True, start
        return self.list_answer(request, options, select, page, (start, after, more), active)

    def page(self, filtered, after, size):
        if filtered is None:
            return self.store.after(after, size)
        rest = [d for d in filtered if d.seq > after]
        return rest[:size], len(rest) > size

    def hidden(self, filtered, active):
        out = []
        for fault in active.values():
            if fault.kind == "missing-device" and (not filtered or fault.args.get("filtered") == "yes"):
                out += [d for d in [self.store.get(fault.args["device"])] if d] or \
                    self.store.equal("deviceName", fault.args["device"])
        return out

    def list_answer(self, request, options, select, page, where, active):
        start, after, more = where
        context = CONTEXT + "deviceManagement/managedDevices"
        if select:
            context += "(" + ",".join(select) + ")"
        head = {"@odata.context": context, "@odata.count": len(page)}
        if "cut-list" in active:		# devices are lost, the count is as it was
            page = page[active["cut-list"].number("items", 1):]
        if "empty-page" in active:
            page, more = [], True
        if more or "loop-nextlink" in active:
            head["@odata.nextLink"] = self.next_link(
                request, options, start if "loop-nextlink" in active else after, active)
        tail = b"}"
        if "late-nextlink" in active and "@odata.nextLink" in head:	# behind the devices
            tail = b',"@odata.nextLink":' + json.dumps(head.pop("@odata.nextLink")).encode() + b"}"
        body = json.dumps(head, separators=(",", ":"))[:-1].encode() + b',"value":[' + \
            b",".join(d.shown(select, False) for d in page) + b"]" + tail
        return Answer(200, raw=body)

    def next_link(self, request, options, after, active):
        base, path = request.base, "/v1.0/deviceManagement/managedDevices"
        if "foreign-nextlink" in active:
            host = active["foreign-nextlink"].args["host"]
            base = host if "://" in host else "https://" + host
        if "odd-nextlink" in active:
            base, path = base.replace("localhost", "LocalHost"), path.lower()
        keep = [(k, v) for k, v in options.items() if k in ("$select", "$filter", "$top")]
        keep.append(("$skiptoken", self.make_token(after)))
        return base + path + "?" + "&".join(f"{k}={quote(v, safe='')}" for k, v in keep)

    # The opaque token is a sequence number that only this process can have made.
    def make_token(self, seq):
        data = struct.pack(">Q", seq)
        return b64url(data + self.seal(data))

    def read_token(self, text):
        try:
            data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None
        if len(data) != 24 or not hmac.compare_digest(self.seal(data[:8]), data[8:]):
            return None
        return struct.unpack(">Q", data[:8])[0]

    def seal(self, data):
        return hashlib.blake2b(data, key=self.page_key, digest_size=16).digest()

    def one(self, request, parts, options):
        m = KEY_FORM.fullmatch(parts[1])
        rest = parts[2:] if m else parts[3:]
        ident = m.group(1) if m else parts[2]
        if rest:
            return error(400, "BadRequest", f"Resource not found for the segment '{rest[0]}'.",
                         request.client_id_header)
        if not GUID.fullmatch(ident):
            return error(400, "BadRequest", intune_text("An error has occurred"), request.client_id_header)
        select, bad = self.selected(request, options)
        if bad:
            return bad
        dev = self.store.get(ident)
        if dev is None:
            return error(404, "ResourceNotFound", intune_text("An error has occurred"),
                         request.client_id_header)
        context = CONTEXT + "deviceManagement/managedDevices"
        if select:
            context += "(" + ",".join(select) + ")"
        shown = dev.shown(select, True)
        return Answer(200, raw=b'{"@odata.context":' + json.dumps(context + "/$entity").encode() +
                      (b"," if shown != b"{}" else b"") + shown[1:])

    # $batch

    def batch(self, request, active):
        """POST /$batch: each item on its own, the answers in no order."""
        try:
            items = self.batch_items(request.body)
        except ValueError as e:
            return error(400, "BadRequest", str(e), request.client_id_header)
        done, statuses = [], {}
        limit = active.get("batch-429")
        for n, item in enumerate(items):
            self.counts.add("item")
            a = None
            if any(statuses.get(d, 0) >= 400 for d in item.get("dependsOn", ())):
                a = error(424, "FailedDependency", "A request this one depends on has failed.")
            elif limit and n < limit.number("items", 1):
                self.counts.add("throttled")
                a = status_answer(429, limit)
            else:
                a = self.batch_item(request, item)
            request.throttled(a)
            statuses[item["id"].lower()] = a.status
            headers = {"Content-Type": "application/json", **a.headers}
            done.append(b'{"id":%s,"status":%d,"headers":%s,"body":%s}' % (
                json.dumps(item["id"]).encode(), a.status, json.dumps(headers).encode(), a.body))
        random.shuffle(done)
        if len(done) > 1 and b'"id":%s,' % json.dumps(items[0]["id"]).encode() in done[0][:80]:
            done.reverse()			# chance must not make it look ordered
        return Answer(200, raw=b'{"responses":[' + b",".join(done) + b"]}")

    @staticmethod
    def batch_items(body):
        try:
            items = json.loads(body)["requests"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ValueError("Invalid batch payload format.") from None
        if not isinstance(items, list) or not items:
            raise ValueError("Invalid batch payload format.")
        if len(items) > BATCH_MAX:
            raise ValueError(f"Number of batch request steps exceeds the maximum value of {BATCH_MAX}.")
        seen = set()
        for item in items:
            if not isinstance(item, dict) or not all(
                    isinstance(item.get(k), str) and item[k] for k in ("id", "method", "url")):
                raise ValueError("A batch request step needs id, method and url.")
            if item["id"].lower() in seen:
                raise ValueError(f"Request Id {item['id']} has to be unique in a batch.")
            depends = item.get("dependsOn", [])
            if not isinstance(depends, list) or any(
                    not isinstance(d, str) or d.lower() not in seen for d in depends):
                raise ValueError("dependsOn names a request that does not come before.")
            item["dependsOn"] = [d.lower() for d in depends]
            if "body" in item and "headers" not in item:
                raise ValueError("A batch request step with a body needs headers.")
            seen.add(item["id"].lower())
        return items

    def batch_item(self, request, item):
        url = item["url"]
        if "://" in url:
            return error(400, "BadRequest", "The url of a batch request step must be relative.")
        active = self.faults.active("item", self.names_of(url))
        if "status" in active:
            return status_answer(active["status"].number("code", 500), active["status"])
        return self.answer(request, item["method"].upper(), "/" + url.lstrip("/"), active)

    # The directory, and where the services live

    def directory(self, request, parts, options):
        """/devices?$filter=deviceId eq '…', or /devices/{object id}."""
        if not self.allowed(request, READ_DIRECTORY):
            return self.denied(request)
        if len(parts) > 1:
            found = [o for o in self.objects(None) if o["id"] == parts[1].lower()]
            if not found:
                return error(404, "Request_ResourceNotFound", f"Resource '{parts[1]}' does not exist "
                             "or one of its queried reference-property objects are not present.",
                             request.client_id_header)
            return Answer(200, {"@odata.context": CONTEXT + "devices/$entity",
                                **self.pick(found[0], options)})
        wanted = None
        if "$filter" in options:
            try:
                tree = odata.Parser(options["$filter"]).parse()
            except odata.FilterError:
                tree = ()
            if tree[:2] != ("eq", "deviceId") or not isinstance(tree[2], str):
                return error(400, "Request_UnsupportedQuery", "Unsupported Query.",
                             request.client_id_header)
            wanted = tree[2].lower()
        objects = self.objects(wanted)[:int(options.get("$top", 100))]
        return Answer(200, {"@odata.context": CONTEXT + "devices",
                            "value": [self.pick(o, options) for o in objects]})

    def pick(self, obj, options):
        if not options.get("$select"):
            return obj
        names = [s.strip() for s in options["$select"].split(",")]
        return {k: v for k, v in obj.items() if k in names}

    def objects(self, device_id):
        """Directory objects beside the devices; those of one Entra id, or all."""
        devices = list(self.store.order) if device_id is None else \
            self.store.equal("azureADDeviceId", device_id)
        return [self.object(d) for d in devices if d.value("azureADDeviceId") not in (None, ZERO_GUID)]

    @staticmethod
    def object(dev):
        p = dev.properties()
        good = {"compliant": True, "inGracePeriod": True, "noncompliant": False,
                "conflict": False, "error": False}.get(p.get("complianceState"))
        out = {
            "id": guid(random_bytes("object", dev.value("id"))[:16]),
            "deviceId": p["azureADDeviceId"], "displayName": p.get("deviceName"),
            "accountEnabled": True, "isCompliant": good, "isManaged": True,
            "complianceExpirationDateTime": None,
            "approximateLastSignInDateTime": p.get("lastSyncDateTime"),
            "mdmAppId": "0000000a-0000-0000-c000-000000000000", "trustType": "AzureAd",
        }
        for name in DIRECTORY:
            if name in p:
                out["id" if name == "directoryObjectId" else name] = p[name]
        return out

    def discovery(self, request, options, active):
        if not self.allowed(request, READ_ENDPOINTS):
            return self.denied(request)
        items, more = self.nac2.endpoints(request, options, active)
        head = {"@odata.context": CONTEXT + "servicePrincipals('appId')/endpoints"}
        if more:
            head["@odata.nextLink"] = request.base + "/v1.0/" + ENDPOINTS + "?$skiptoken=2"
        return Answer(200, {**head, "value": items})

    @staticmethod
    def denied(request):
        return error(403, "Authorization_RequestDenied",
                     "Insufficient privileges to complete the operation.", request.client_id_header)
