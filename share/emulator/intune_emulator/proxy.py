"""The proxy between a client and the emulator: CONNECT to it, and to nowhere else."""

import re
import socket
import socketserver
import threading

HEAD_MAX = 16384


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        emu, head = self.server.emu, b""
        while b"\r\n\r\n" not in head and len(head) < HEAD_MAX:
            more = self.request.recv(4096)
            if not more:
                return
            head += more
        emu.counts.add("connect")
        fault = emu.faults.active("connect").get("refuse")
        asked = re.match(rb"CONNECT (\S+) HTTP/1\.[01]\r\n", head)
        if fault or not asked or asked.group(1).decode("latin-1").lower() not in emu.names():
            status = fault.number("code", 403) if fault else 403 if asked else 405
            self.request.sendall(b"HTTP/1.1 %d Refused\r\nContent-Length: 0\r\n\r\n" % status)
            return
        with socket.socket() as out:
            # The other end must know it for ours before it comes.
            out.bind(("127.0.0.1", 0))
            emu.by_proxy.add(out.getsockname()[1])
            out.connect(("127.0.0.1", emu.port))
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            there = threading.Thread(target=pump, args=(self.request, out), daemon=True)
            there.start()
            pump(out, self.request)
            there.join()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, emu):
        self.emu = emu
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"
