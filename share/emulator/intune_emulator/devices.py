"""The devices: what Graph knows of each, and how it shows it in a list and in a GET.

A fleet of 100,000 is kept small by making a device's properties from its number
whenever they are needed; only what was set by hand is stored.
"""

import datetime
import hashlib
import json
import re
import threading
import time
from bisect import bisect_right

ZERO_GUID = "00000000-0000-0000-0000-000000000000"
NEVER = "0001-01-01T00:00:00Z"
FOREVER = "9999-12-31T23:59:59.9999999Z"
STATES = ("compliant", "noncompliant", "inGracePeriod", "unknown", "conflict",
          "error", "configManager")
ABSENT = object()			# a property that was unset: not in the JSON at all

# The v1.0 schema of microsoft.graph.managedDevice: kind and, where $filter
# honours the property at all, the operators it takes.
SCHEMA = {
    "id": ("string", ""),
    "userId": ("string", ""),
    "deviceName": ("string", "eq contains"),
    "managedDeviceOwnerType": ("enum", ""),
    "managementState": ("enum", "eq"),
    "enrolledDateTime": ("date", "lt gt le ge"),
    "lastSyncDateTime": ("date", "lt gt le ge"),
    "operatingSystem": ("string", "eq"),
    "complianceState": ("enum", "eq"),
    "jailBroken": ("string", "eq"),
    "managementAgent": ("enum", "eq"),
    "osVersion": ("string", "contains"),
    "easActivated": ("bool", ""),
    "easDeviceId": ("string", ""),
    "easActivationDateTime": ("date", ""),
    "azureADRegistered": ("bool", ""),
    "deviceEnrollmentType": ("enum", ""),
    "activationLockBypassCode": ("string", ""),
    "emailAddress": ("string", "contains"),
    "azureADDeviceId": ("string", "eq"),
    "deviceRegistrationState": ("enum", ""),
    "deviceCategoryDisplayName": ("string", "eq"),
    "isSupervised": ("bool", ""),
    "exchangeLastSuccessfulSyncDateTime": ("date", ""),
    "exchangeAccessState": ("enum", "eq"),
    "exchangeAccessStateReason": ("enum", ""),
    "remoteAssistanceSessionUrl": ("string", ""),
    "remoteAssistanceSessionErrorDetails": ("string", ""),
    "isEncrypted": ("bool", ""),
    "userPrincipalName": ("string", "eq ne"),
    "model": ("string", "eq contains"),
    "manufacturer": ("string", "eq"),
    "imei": ("string", "eq"),
    "complianceGracePeriodExpirationDateTime": ("date", "lt gt le ge"),
    "serialNumber": ("string", "eq"),
    "phoneNumber": ("string", "contains"),
    "androidSecurityPatchLevel": ("string", ""),
    "userDisplayName": ("string", ""),
    "configurationManagerClientEnabledFeatures": ("other", ""),
    "wiFiMacAddress": ("string", ""),
    "deviceHealthAttestationState": ("other", ""),
    "subscriberCarrier": ("string", ""),
    "meid": ("string", ""),
    "totalStorageSpaceInBytes": ("int", ""),
    "freeStorageSpaceInBytes": ("int", ""),
    "managedDeviceName": ("string", ""),
    "partnerReportedThreatState": ("enum", ""),
    "requireUserEnrollmentApproval": ("bool", ""),
    "managementCertificateExpirationDate": ("date", ""),
    "iccid": ("string", ""),
    "udid": ("string", ""),
    "notes": ("string", ""),
    "ethernetMacAddress": ("string", ""),
    "physicalMemoryInBytes": ("int", ""),
    "enrollmentProfileName": ("string", ""),
    "deviceActionResults": ("other", ""),
}

# "Non-Default" properties: what stands in their place unless a GET by id names
# them in $select.
GET_ONLY = {
    "activationLockBypassCode": None, "ethernetMacAddress": None, "iccid": "",
    "notes": None, "physicalMemoryInBytes": 0, "remoteAssistanceSessionUrl": None,
    "udid": "",
}

# Not of managedDevice but of the directory object beside it.
DIRECTORY = ("accountEnabled", "isCompliant", "isManaged", "directoryObjectId")

GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
BOOT = time.time()


def stamp(when, style=0):
    """An Edm.DateTimeOffset, with 0, 6 or 7 fractional digits, or with an offset."""
    t = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
    if style == 1:
        return t.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if style == 2:
        return t.strftime("%Y-%m-%dT%H:%M:%S.%f") + "7Z"
    if style == 3:
        west = t.astimezone(datetime.timezone(datetime.timedelta(hours=-8)))
        return west.strftime("%Y-%m-%dT%H:%M:%S") + "-08:00"
    return t.strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text):
    """Seconds since the epoch of an Edm.DateTimeOffset; None if it is none."""
    if not isinstance(text, str):
        return None
    if text.startswith("9999-"):
        return float("inf")
    if text.startswith("0001-"):
        return float("-inf")
    body, dot, rest = text.partition(".")
    if dot:					# datetime takes six digits at most
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = body + "." + rest[:min(digits, 6)].ljust(6, "0") + rest[digits:]
    try:
        t = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if t.tzinfo is None:
        t = t.replace(tzinfo=datetime.timezone.utc)
    return t.timestamp()


def random_bytes(key, number):
    """64 bytes that depend on nothing but the seed and the device's number."""
    return hashlib.blake2b(f"{key}:{number}".encode()).digest()


def guid(sixteen):
    """Random bytes as a version 4 GUID."""
    h = sixteen.hex()
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{'89ab'[sixteen[8] & 3]}{h[17:20]}-{h[20:]}"


def mac(six):
    """A burnt-in address: neither a group address nor locally administered."""
    return (bytes([six[0] & 0xfc]) + six[1:]).hex().upper()


# The first ten of a fleet are the same in every fleet, so that examples and
# tests can name them.
FIRST_TEN = ("compliant", "noncompliant", "inGracePeriod", "unknown", "conflict",
             "error", "configManager", "compliant", "compliant", "compliant")
RETIRE_PENDING, WIPE_ISSUED, UNREGISTERED = 8, 9, 10


def fleet_name(number):
    twin = number > 10 and number % 50 == 0
    return f"LAPTOP-{number - twin:04d}"


def entra_id(r, number, plain):
    if not plain and (number == UNREGISTERED or (number > 10 and number % 37 == 0)):
        return ZERO_GUID
    return guid(r[16:32])


def fleet_state(r, number):
    if number <= 10:
        return FIRST_TEN[number - 1]
    return STATES[1 + r[60] % 6] if r[61] < 38 else "compliant"


def invent(key, number, plain):
    """The properties of an invented device.  plain: compliant, nothing odd."""
    r = random_bytes(key, number)
    state = "compliant" if plain else fleet_state(r, number)
    name = f"DEVICE-{number:04d}" if plain else fleet_name(number)
    user = f"user{number:04d}"
    style = r[50] % 4 if r[50] < 32 else r[50] % 3
    synced = BOOT - (r[51] * 256 + r[52]) % 28800
    enrolled = BOOT - 86400 * (30 + r[53])
    aad = entra_id(r, number, plain)
    system, version, maker, model = (
        ("Windows", "10.0.22631.3447", "Contoso Computers", "Slate 14"),
        ("Windows", "10.0.26100.1742", "Contoso Computers", "Tower 5"),
        ("macOS", "14.6.1 (23G93)", "Fabrikam", "Notebook 13"),
        ("Linux", "24.04", "Northwind", "Bench 7"))[(0, 0, 0, 0, 1, 1, 2, 3)[r[54] % 8]]
    wifi, wired = mac(r[32:38]), mac(r[38:44])
    if not plain and number > 10:
        if system == "macOS" and r[55] < 128:
            wired = wifi			# a Mac without Ethernet shows its Wi-Fi MAC
        elif r[55] < 20:
            wired = ""
        elif r[55] > 245:
            wifi = None
    serial = "SN" + r[44:49].hex().upper()
    if not plain and number > 10:
        if number % 50 == 0:
            serial = "SN" + random_bytes(key, number - 1)[44:49].hex().upper()
        elif r[56] < 8:
            serial = ("", "0", "System Serial Number", None)[r[56] % 4]
    grace = FOREVER
    if state == "inGracePeriod":
        grace = stamp(BOOT + 86400 * 3, r[57] % 3)
    d = {
        "id": guid(r[0:16]),
        "userId": guid(r[8:24]),
        "deviceName": name,
        "managedDeviceOwnerType": "personal" if r[58] < 16 else "company",
        "managementState": "managed",
        "enrolledDateTime": stamp(enrolled, r[59] % 3),
        "lastSyncDateTime": stamp(synced, style),
        "operatingSystem": system,
        "complianceState": state,
        "jailBroken": ("Unknown", "False", "false")[r[62] % 3],
        "managementAgent": "configurationManagerClientMdm"
        if state == "configManager" else "mdm",
        "osVersion": version,
        "easActivated": True,
        "easDeviceId": r[0:16].hex().upper(),
        "easActivationDateTime": NEVER,
        "azureADRegistered": None if aad == ZERO_GUID else True,
        "deviceEnrollmentType": "windowsAzureADJoin" if system == "Windows" else "userEnrollment",
        "activationLockBypassCode": None,
        "emailAddress": f"{user}@example.com",
        "azureADDeviceId": aad,
        "deviceRegistrationState": "notRegistered" if aad == ZERO_GUID else "registered",
        "deviceCategoryDisplayName": "",
        "isSupervised": False,
        "exchangeLastSuccessfulSyncDateTime": NEVER,
        "exchangeAccessState": "none",
        "exchangeAccessStateReason": "none",
        "remoteAssistanceSessionUrl": "",
        "remoteAssistanceSessionErrorDetails": "" if r[63] < 128 else None,
        "isEncrypted": r[63] % 5 != 0,
        "userPrincipalName": f"{user}@example.com",
        "model": model,
        "manufacturer": maker,
        "imei": (None, "")[r[63] % 2],
        "complianceGracePeriodExpirationDateTime": grace,
        "serialNumber": serial,
        "phoneNumber": (None, "")[r[62] % 2],
        "androidSecurityPatchLevel": ("", None)[r[61] % 2],
        "userDisplayName": f"User {number:04d}",
        "configurationManagerClientEnabledFeatures": None,
        "wiFiMacAddress": wifi,
        "deviceHealthAttestationState": None,
        "subscriberCarrier": "",
        "meid": ("", None)[r[60] % 2],
        "totalStorageSpaceInBytes": 255983616000,
        "freeStorageSpaceInBytes": 74671194112 + r[59] * 65536,
        "managedDeviceName": f"{user}_{system}_1/15/2026_2:13 PM",
        "partnerReportedThreatState": "unknown",
        "requireUserEnrollmentApproval": None,
        "managementCertificateExpirationDate": stamp(BOOT + 86400 * 200),
        "iccid": "",
        "udid": "",
        "notes": None,
        "ethernetMacAddress": wired,
        "physicalMemoryInBytes": 17179869184,
        "enrollmentProfileName": "",
        "deviceActionResults": [],
    }
    if not plain:
        if number == RETIRE_PENDING:
            d["managementState"] = "retirePending"
        elif number == WIPE_ISSUED:
            d["managementState"] = "wipeIssued"
        elif number > 10 and number % 16 == 0:
            del d["managementState"]
        if number > 10 and number % 13 == 0:
            d["imei"] = f"35{number:012d}"[:14] + "0"
        d["chassisType"] = "laptop"		# a property that v1.0 did not have yesterday
    return d


class Device:
    __slots__ = ("seq", "key", "number", "plain", "over", "cache")

    def __init__(self, seq, key, number, plain, over):
        self.seq, self.key, self.number, self.plain = seq, key, number, plain
        self.over = over
        self.cache = {}

    def properties(self):
        """All of them, as stored: a dict of its own for the caller."""
        d = invent(self.key, self.number, self.plain)
        d.update(self.over)
        for name in [k for k, v in d.items() if v is ABSENT]:
            del d[name]
        # Grace runs out by the clock, without any sync of the device.
        if d.get("complianceState") == "inGracePeriod" and self.expiry(d) <= time.time():
            d["complianceState"] = "noncompliant"
        return d

    @staticmethod
    def expiry(d):
        when = instant(d.get("complianceGracePeriodExpirationDateTime"))
        return float("inf") if when is None else when

    def value(self, name):
        """One property, without making them all where that can be avoided."""
        if name in self.over:
            v = self.over[name]
            return None if v is ABSENT else v
        if name == "deviceName":
            return f"DEVICE-{self.number:04d}" if self.plain else fleet_name(self.number)
        if name == "id":
            return guid(random_bytes(self.key, self.number)[0:16])
        if name == "azureADDeviceId":
            return entra_id(random_bytes(self.key, self.number), self.number, self.plain)
        return self.properties().get(name)

    def shown(self, select, by_id):
        """The JSON bytes of the device in a list, or in a GET by id."""
        # A change replaces the dict, so that what was made of the old values and is
        # stored late is lost with the old dict.
        cache = self.cache
        cached = cache.get((select, by_id))
        now = time.time()
        if cached is not None and now < cached[1]:
            return cached[0]
        d = self.properties()
        until = self.expiry(d) if d.get("complianceState") == "inGracePeriod" else float("inf")
        for name in DIRECTORY:
            d.pop(name, None)
        for name, empty in GET_ONLY.items():
            if name in d and not (by_id and select is not None and name in select):
                d[name] = empty
        if select is not None:
            d = {k: v for k, v in d.items() if k in select}
        text = json.dumps(d, separators=(",", ":")).encode()
        if len(cache) >= 4:
            cache.clear()
        cache[(select, by_id)] = (text, until)
        return text


class NoSuchDevice(Exception):
    pass


class Store:
    """Every device, in the order Graph lists them.  Changes and the use of an index
    are under a lock; nothing else needs it."""

    INDEXED = ("azureADDeviceId", "deviceName", "serialNumber", "imei", "userPrincipalName")

    def __init__(self):
        self.lock = threading.RLock()
        self.order = []
        self.by_id = {}
        self.index = {}
        self.names = set(SCHEMA)		# what $select may name
        self.next_seq = 1
        self.added = 0

    def __len__(self):
        return len(self.order)

    def check_id(self, ident, dev):
        if not isinstance(ident, str) or not GUID.fullmatch(ident):
            raise ValueError(f"id is a GUID, not {ident}")
        if self.by_id.get(ident.lower(), dev) is not dev:
            raise ValueError(f"id {ident} is taken")

    def _insert(self, dev):
        ident = dev.value("id")
        self.check_id(ident, None)
        self.order.append(dev)
        self.by_id[ident.lower()] = dev
        self.next_seq += 1
        for name in self.index:
            self._index_add(name, dev)

    def add(self, given):
        """Takes an object with any properties; ValueError if it will not do."""
        if not isinstance(given, dict):
            raise ValueError("a device is a JSON object")
        with self.lock:
            dev = Device(self.next_seq, "file", self.added + 1, True, dict(given))
            self._insert(dev)
            self.added += 1
            self.names.update(k for k in given if k not in DIRECTORY)
            return dev

    def add_fleet(self, count, seed):
        with self.lock:
            self.names.add("chassisType")
            for number in range(1, count + 1):
                self._insert(Device(self.next_seq, f"fleet:{seed}", number, False, {}))

    def get(self, ident):
        return self.by_id.get(ident.lower())

    def find(self, text):
        """The one device of that Intune id, Entra id or name."""
        dev = self.get(text)
        if dev is not None:
            return dev
        found = self.equal("azureADDeviceId", text) if text != ZERO_GUID else []
        found = found or self.equal("deviceName", text)
        if not found:
            raise NoSuchDevice(f"{text}: no such device")
        if len(found) > 1:
            ids = " ".join(d.value("id") for d in found[:5])
            raise NoSuchDevice(f"{text}: {len(found)} devices, name one by its id: {ids}")
        return found[0]

    def equal(self, name, text):
        """The devices whose property is text, without case, in list order."""
        if name not in self.INDEXED:
            return [d for d in self.order if fold(d.value(name)) == text.lower()]
        with self.lock:				# a change takes the device out and back in
            if name not in self.index:
                self.index[name] = {}
                for dev in self.order:
                    self._index_add(name, dev)
            return list(self.index[name].get(text.lower(), ()))

    def _index_add(self, name, dev):
        self.index[name].setdefault(fold(dev.value(name)), []).append(dev)

    def _index_remove(self, name, dev):
        bucket = self.index[name].get(fold(dev.value(name)), [])
        if dev in bucket:
            bucket.remove(dev)

    def change(self, dev, values):
        with self.lock:
            new_id = values.get("id")
            if "id" in values:
                self.check_id(new_id, dev)
            for name in self.index:
                self._index_remove(name, dev)
            old_id = dev.value("id")
            dev.over = {**dev.over, **values}
            dev.cache = {}
            if new_id is not None:
                del self.by_id[old_id.lower()]
                self.by_id[new_id.lower()] = dev
            for name in self.index:
                self._index_add(name, dev)
                self.index[name][fold(dev.value(name))].sort(key=lambda d: d.seq)
            self.names.update(k for k in values if k not in DIRECTORY)

    def remove(self, dev):
        with self.lock:
            for name in self.index:
                self._index_remove(name, dev)
            self.order.remove(dev)
            del self.by_id[dev.value("id").lower()]

    def after(self, seq, count):
        """Up to count devices behind the one with that sequence number, and
        whether there are more."""
        start = bisect_right(self.order, seq, key=lambda d: d.seq)
        return self.order[start:start + count], start + count < len(self.order)


def fold(value):
    return value.lower() if isinstance(value, str) else value


def typed(name, text):
    """The value of `name=text` on the control line: text, unless the schema says
    that the property is a number or a boolean."""
    if text == "null":
        return None
    kind = SCHEMA.get(name, ("bool" if name in DIRECTORY[:3] else "string", ""))[0]
    if kind == "bool":
        if text not in ("true", "false"):
            raise ValueError(f"{name} is true, false or null, not {text}")
        return text == "true"
    if kind == "int":
        return int(text)
    return text
