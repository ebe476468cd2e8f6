"""The HTTPS server: connections, faults on the way out, counts and the log."""

import collections
import email.utils
import gzip
import http.server
import json
import os
import socket
import sys
import threading
import time
import uuid

from . import pki
from .devices import Store
from .entra import Entra, error_body
from .faults import Faults, wrong_types
from .graph import Answer, Graph, error, retry_headers, status_answer
from .nac2 import KINDS, Nac2, XmlAnswer

BODY_MAX = 1 << 20			# of a request
IDLE_SECONDS = 120
BACKLOG = 1024
LOG_MAX = 20000
AREA = {"token": "token", "list": "graph", "get": "graph", "batch": "graph", "item": "graph",
        "directory": "directory", "discovery": "directory", "nac2": "nac2", "nac2-list": "nac2-list"}
HTML = b"<!DOCTYPE html>\r\n<html><head><title>Sign in</title></head>" \
    b"<body><h1>Our services aren't available right now</h1></body></html>\r\n"


class Counts:
    NAMES = ("token", "list", "next", "get", "batch", "item", "directory", "discovery",
             "identity", "connect", "nac2", "nac2-list", "nac2-info", "nac2-503", "other", "unauthorized",
             "throttled", "early", "faults", "connections")

    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        with self.lock:
            self.n = dict.fromkeys(self.NAMES, 0)

    def add(self, name):
        with self.lock:
            self.n[name] += 1


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = 0

    def do_GET(self):
        # What a handler leaves of an earlier request on the connection must not leak.
        self.roles, self.entry = [], {}
        self.client_id_header = self.headers.get("client-request-id", "")
        emu = self.server
        kind = emu.nac2.kind(self.path) or emu.graph.kind(self.command, self.path)
        self.area = AREA.get(kind)
        self.base = emu.base(self.headers.get("Host", ""))
        emu.log_request(self, kind)
        if not self.read_body():
            return
        emu.counts.add(kind)
        emu.early(self.area)
        names_of = (emu.nac2 if kind in KINDS else emu.graph).names_of
        active = emu.faults.active(kind, names_of(self.path))
        if active:
            emu.counts.add("faults")
        if "drop" in active:
            self.entry["status"] = 0
            self.hang_up()
            return
        answer = self.work(kind, active)
        if answer.status == 401:
            emu.counts.add("unauthorized")
        self.throttled(answer)
        self.entry["status"] = answer.status
        self.send(kind, answer, active)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

    def read_body(self):
        self.body = b""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > BODY_MAX:
            self.close_connection = True
            self.send("other", error(413, "BadRequest", "The request body cannot be read."), {})
            return False
        self.body = self.rfile.read(int(length))
        return len(self.body) == int(length)

    def note(self, key, value):
        self.entry[key] = value

    def throttled(self, answer):
        """Remembers until when the client was told to keep quiet."""
        after = answer.headers.get("Retry-After")
        if after is None or self.area is None:
            return
        seconds = int(after) if after.isdigit() else \
            email.utils.parsedate_to_datetime(after).timestamp() - time.time()
        self.server.quiet[self.area] = time.monotonic() + seconds

    def work(self, kind, active):
        emu = self.server
        if "status" in active:
            return self.failure(kind, active["status"])
        if kind == "token":
            if self.command != "POST":
                return error(405, "BadRequest", "The endpoint only accepts POST requests.")
            tenant = self.path.split("/")[1]
            status, body = emu.entra.answer(tenant, self, active, self.note)
            headers = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}
            if "aadsts" in active:
                headers.update(retry_headers(active["aadsts"]))
            return Answer(status, body, headers=headers)
        if kind in KINDS:
            return emu.nac2.answer(self, kind, active)
        path = self.path
        if not path.lower().startswith("/v1.0/"):
            return error(400 if path.lower().startswith("/beta/") else 404, "BadRequest",
                         "Invalid version: only v1.0 is here.", self.client_id_header)
        bad = emu.graph.authorise(self)
        if bad:
            return bad
        if kind == "batch" and self.command == "POST":
            return emu.graph.batch(self, active)
        return emu.graph.answer(self, self.command, path[len("/v1.0"):], active)

    @staticmethod
    def failure(kind, fault):
        """A status fault, in the form of error that the service has."""
        status = fault.number("code", 500)
        if status < 400:			# as a portal would, not Microsoft
            return Answer(status, raw=b"", headers={"Location": v for k, v in fault.args.items()
                                                    if k == "location"})
        if kind in KINDS:
            return XmlAnswer(status, headers=retry_headers(fault))
        if kind != "token":
            return status_answer(status, fault)
        code = {401: 7000215, 403: 53003, 429: 90055}.get(status, 90033)
        return Answer(status, error_body(code)[1], headers=retry_headers(fault))

    # The way out

    def send(self, kind, answer, active):
        body, mime = answer.body, "application/json;odata.metadata=minimal;charset=utf-8"
        if kind == "token":
            mime = "application/json; charset=utf-8"
        mime = getattr(answer, "mime", mime)
        if "wrong-types" in active and mime.startswith("application/json"):
            body = wrong_types(body, active["wrong-types"].args.get("field"))
        if "huge" in active:
            pad = b"x" * (active["huge"].number("mb", 50) << 20)
            body = b'{"@padding":"' + pad + b'",' + body[1:]
        if "deep" in active:
            n = active["deep"].number("levels", 100000)
            body = b'{"@deep":' + b"[" * n + b"]" * n + b"," + body[1:]
        if "headers" in active:
            answer.headers = dict(answer.headers)
            for n in range(active["headers"].number("kb", 100)):
                answer.headers[f"X-Padding-{n}"] = "x" * 1000
        if "html" in active:
            answer, body, mime = Answer(200, {}), HTML, "text/html; charset=utf-8"
        if "garbage" in active:
            body = b'{"value":[{"id":"\x00\xff\xfe' + os.urandom(200)
        if "empty" in active:
            body = b""
        if "truncate" in active:
            body = body[:len(body) * active["truncate"].number("at", 50) // 100]
        slow = active.get("slow")
        if slow and slow.args.get("part", "headers") == "headers":
            self.server.stopping.wait(float(slow.args.get("seconds", 5)))
        self.write(kind, answer, body, mime, active)

    def write(self, kind, answer, body, mime, active):
        """Sends it: the token with a length, Graph's answers in chunks, as the real ones."""
        encode = "gzip" in self.headers.get("Accept-Encoding", "").lower() and len(body) > 512
        if encode:
            body = gzip.compress(body, 1)
        chunked = kind != "token" and self.request_version == "HTTP/1.1"
        head = {"Content-Type": mime, **answer.headers}
        head.update({"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))})
        if encode:
            head["Content-Encoding"] = "gzip"
            head["Vary"] = "Accept-Encoding"
        head["Strict-Transport-Security"] = "max-age=31536000"
        head["request-id"] = str(uuid.uuid4())
        if self.client_id_header:
            head["client-request-id"] = self.client_id_header
        if kind not in ("token", "other", *KINDS):
            head["OData-Version"] = "4.0"
        cut = active.get("cut")
        if cut:
            self.close_connection = True
        if self.close_connection:
            head["Connection"] = "close"
        self.send_response(answer.status)
        for name, value in head.items():
            self.send_header(name, value)
        self.flush_body(body, chunked, cut, active)

    def flush_body(self, body, chunked, cut, active):
        slow, stall = active.get("slow"), active.get("stall")
        head = b"".join(self._headers_buffer) + b"\r\n"
        self._headers_buffer = []
        if self.command == "HEAD":
            body, chunked = b"", False
        framed, end = body, b""
        if chunked and body:
            framed, end = b"%x\r\n%s\r\n" % (len(body), body), b"0\r\n\r\n"
        elif chunked:
            end = b"0\r\n\r\n"
        try:
            if cut:
                self.wfile.write(head + framed[:len(framed) * cut.number("at", 50) // 100])
                self.hang_up()
            elif stall:
                self.wfile.write(head + framed[:len(framed) * stall.number("at", 50) // 100])
                self.await_end()
            elif slow and slow.args.get("part") == "body":
                self.wfile.write(head)
                self.drip(framed + end, float(slow.args.get("seconds", 5)))
            else:
                self.wfile.write(head + framed + end)
        except OSError:
            self.close_connection = True	# the client went away

    def drip(self, data, seconds):
        step = max(1, len(data) // 10)
        for at in range(0, len(data), step):
            self.wfile.write(data[at:at + step])
            if self.server.stopping.wait(seconds / 10):
                break

    def await_end(self):
        """Says nothing more until the client gives up, or for a while."""
        self.close_connection = True
        try:
            self.connection.recv(1)
        except OSError:
            pass

    def hang_up(self):
        """Ends the connection without a TLS goodbye."""
        self.close_connection = True
        try:
            socket.socket.shutdown(self.connection, socket.SHUT_RDWR)
        except OSError:
            pass

    def version_string(self):
        return "Microsoft-IIS/10.0"

    def log_message(self, format, *args):
        if self.server.verbose:
            print(f"intune-emulator: {format % args}", file=sys.stderr, flush=True)


class Emulator:
    """One tenant: its devices, its tokens, its listening socket."""

    def __init__(self, options):
        self.host, self.port = options.listen, options.port
        self.dir, self.verbose = options.dir, options.verbose
        self.stopping = threading.Event()
        self.faults, self.counts, self.store = Faults(), Counts(), Store()
        self.quiet = {}
        self.by_proxy = set()			# the ports of its connections
        self.requests = collections.deque(maxlen=LOG_MAX)
        self.total = 0
        self.live = set()
        self.live_lock = threading.Lock()
        self.entra = Entra(options, self.names)
        self.nac2 = Nac2(self.store, self.entra, self.counts)
        self.graph = Graph(options, self.store, self.entra, self.faults, self.counts, self.nac2)
        self.contexts = {"server": pki.context(*pki.make_server(self.dir))}
        self.listener = None
        self.up_lock = threading.Lock()

    # Addresses

    def names(self):
        """host:port as a client may write them; without the port where it is 443."""
        hosts = {"localhost", "127.0.0.1", "[::1]", self.url_host()}
        return {h if self.port == 443 else f"{h}:{self.port}" for h in hosts}

    def url_host(self):
        if self.host in ("0.0.0.0", "127.0.0.1"):
            return "127.0.0.1"
        if self.host in ("::", "::1"):
            return "[::1]"
        return f"[{self.host}]" if ":" in self.host else self.host

    def base(self, host=""):
        """Where links point: back at the name the client used, if it is one of ours."""
        if host.lower() in self.names():
            return "https://" + host.lower()
        return f"https://{self.url_host()}" + ("" if self.port == 443 else f":{self.port}")

    # Up and down

    def bind(self):
        info = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM,
                                  flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(info[0], info[1])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(info[4])
        except OSError:
            sock.close()
            raise
        self.port = sock.getsockname()[1]
        return sock

    def up(self):
        with self.up_lock:
            if self.listener and self.listener[1]:
                return
            sock = self.listener[0] if self.listener else self.bind()
            sock.listen(BACKLOG)
            self.listener = (sock, True)
            threading.Thread(target=self.accept, args=(sock,), daemon=True).start()

    def down(self, for_good=False):
        """Refuses connections and ends those there are.  The port stays bound, so that
        nobody else takes it meanwhile."""
        with self.up_lock:
            if not self.listener:
                return
            if self.listener[1]:
                sock = self.listener[0]
                sock.shutdown(socket.SHUT_RDWR)	# wakes accept()
                sock.close()
                self.listener = None
                if not for_good:
                    self.listener = (self.bind(), False)
        with self.live_lock:
            live = list(self.live)
        for sock in live:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass

    def accept(self, listener):
        while True:
            try:
                sock, addr = listener.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                return				# shut down
            threading.Thread(target=self.serve, args=(sock, addr), daemon=True).start()

    def context(self, fault):
        which = fault.args["cert"] if fault else "server"
        with self.live_lock:			# one thread makes it, the others wait
            if which not in self.contexts:
                self.contexts[which] = pki.context(*pki.make_server(self.dir, which))
            return self.contexts[which]

    def serve(self, sock, addr):
        self.counts.add("connections")
        with self.live_lock:
            self.live.add(sock)
        raw = sock
        try:
            active = self.faults.active("connection")
            if "no-way-but-proxy" in active and addr[1] not in self.by_proxy:
                return
            sock.settimeout(IDLE_SECONDS)
            sock = self.context(active.get("tls")).wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
            with self.live_lock:
                self.live.discard(raw)
                self.live.add(sock)
            sock.do_handshake()
            Handler(sock, addr, self)
        except (OSError, ValueError, pki.PkiError) as e:	# a bad handshake is the client's business
            if self.verbose:
                print(f"intune-emulator: connection: {e}", file=sys.stderr, flush=True)
        finally:
            with self.live_lock:
                self.live.discard(sock)
                self.live.discard(raw)
            sock.close()

    # What was asked

    def early(self, area):
        """Counts a request that came before Retry-After was over."""
        if time.monotonic() < self.quiet.get(area, 0):
            self.counts.add("early")

    def log_request(self, handler, kind):
        path = handler.path.partition("?")[0] if kind == "token" else handler.path
        headers = {}
        for name, value in handler.headers.items():
            if name.lower() == "authorization":
                scheme, _, token = value.partition(" ")
                known = self.entra.token(token.strip()) if scheme.lower() == "bearer" else None
                value = f"{scheme[:10]} <token {known['n']}>" if known else f"{scheme[:10]} <hidden>"
            headers[name] = value
        self.total += 1
        handler.entry = {"n": self.total, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                         "ms": int(time.monotonic() * 1000),
                         "kind": kind, "method": handler.command, "path": path, "headers": headers}
        self.requests.append(handler.entry)

    def log_lines(self):
        return [json.dumps(e) for e in list(self.requests)]
