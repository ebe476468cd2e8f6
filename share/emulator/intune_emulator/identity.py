"""Managed identities: the plain HTTP endpoint of an Azure VM, and that of Azure Arc."""

import http.server
import json
import os
import secrets
import threading
import time
from urllib.parse import parse_qs, urlsplit

from .entra import INTUNE, Refused, error_body

PATH = "/metadata/identity/oauth2/token"
VM, ARC = ("2018-02-01",), ("2019-11-01", "2020-06-01")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self):
        self.entry, self.extra = {}, {}
        self.client_id_header = ""
        emu = self.server.emu
        emu.log_request(self, "identity")
        emu.counts.add("identity")
        active = emu.faults.active("identity")
        if active:
            emu.counts.add("faults")
        if "status" in active:
            status = active["status"].number("code", 500)
            names = {"retry_after": "Retry-After", "location": "Location"}
            self.extra = {names[k]: v for k, v in active["status"].args.items()
                          if k in names and v != "none"}
            body = {"error": "unknown", "error_description": "Failed to retrieve token."}
        else:
            status, body = self.answer(active)
        self.entry["status"] = status
        data = self.spoil(json.dumps(body).encode(), active)
        if "slow" in active:
            emu.stopping.wait(float(active["slow"].args.get("seconds", 5)))
        if "drop" in active:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Type": "application/json; charset=utf-8",
                            "Content-Length": str(len(data)), **self.extra}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_PUT = do_GET

    @staticmethod
    def spoil(data, active):
        if "html" in active:
            data = b"<html><body>Sign in</body></html>"
        if "garbage" in active:
            data = b'{"access_token":"\x00\xff\xfe' + os.urandom(200)
        if "empty" in active:
            data = b""
        if "truncate" in active:
            data = data[:len(data) // 2]
        return data

    @staticmethod
    def bad(text):
        return 400, {"error": "invalid_request", "error_description": text}

    def answer(self, active):
        url = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        version = query.get("api-version")
        if url.path != PATH or self.command != "GET":
            return 404, {"error": "Not found"}
        if self.headers.get("Metadata") != "true":
            return self.bad("Required metadata header not specified")
        if "X-Forwarded-For" in self.headers or "Via" in self.headers:
            return self.bad("The request must not go through a proxy")
        if version not in VM + ARC or "resource" not in query:
            return self.bad("Required query variable api-version or resource is missing or wrong")
        if version in ARC and not self.proved():
            return self.challenge(active)
        return self.token(query, active)

    def token(self, query, active):
        entra = self.server.emu.entra
        if "client_id" in query and query["client_id"].lower() != entra.client_id:
            return self.bad("Identity not found")
        resource = query["resource"]
        scope = resource if resource == INTUNE else resource.rstrip("/")
        try:
            token = entra.issue(entra.audience(scope + "/.default"), True, active)
        except Refused as r:
            return error_body(r.code, r.about, r.text)
        now = int(time.time())
        return 200, {"access_token": token["access_token"], "refresh_token": "",
                     "expires_in": str(entra.lifetime), "expires_on": str(now + entra.lifetime),
                     "not_before": str(now - 5), "resource": resource, "token_type": "Bearer"}

    # Arc: whoever asks shows that he can read a file that is made for this request.

    def challenge(self, active):
        name = os.path.join(self.server.keys, secrets.token_hex(16) + ".key")
        key = secrets.token_urlsafe(32)
        with open(name, "w", encoding="ascii") as f:
            f.write(key)
        self.server.pending[name] = key
        if "arc-realm" in active:
            name = active["arc-realm"].args["path"]
        self.extra["WWW-Authenticate"] = f"Basic realm={name}"
        return 401, {"error": "unauthorized_client",
                     "error_description": "Missing Basic Authorization header"}

    def proved(self):
        scheme, _, word = self.headers.get("Authorization", "").partition(" ")
        for name, key in list(self.server.pending.items()):
            if scheme.lower() == "basic" and secrets.compare_digest(word.encode(), key.encode()):
                del self.server.pending[name]
                os.unlink(name)
                return True
        return False

    def log_message(self, format, *args):
        pass


class Identity(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, emu, dirname):
        self.emu, self.pending = emu, {}
        self.keys = os.path.join(os.path.abspath(dirname), "arc")
        os.makedirs(self.keys, mode=0o700, exist_ok=True)
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def host(self):
        return f"127.0.0.1:{self.server_port}"
