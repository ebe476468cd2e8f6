"""The control socket: one command per connection, its answer, and the end."""

import json
import os
import shlex
import socket
import threading

from .devices import ABSENT, NoSuchDevice, typed
from .faults import FaultError
from .pki import ClientCert, PkiError, PublicKey
from .tell import NAME, at_directory

COMMAND_MAX = 64 << 20


class Usage(Exception):
    pass


class Control:
    def __init__(self, emu):
        self.emu = emu
        path = os.path.join(emu.dir, NAME)
        if os.path.exists(path):
            os.unlink(path)			# of a run that was killed
        self.sock = socket.socket(socket.AF_UNIX)
        at_directory(emu.dir, "bind", self.sock)
        os.chmod(path, 0o600)
        self.sock.listen(64)
        self.hold = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            conn, _ = self.sock.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        data = b""
        while len(data) < COMMAND_MAX:
            more = conn.recv(1 << 16)
            if not more:
                break
            data += more
        try:
            status, text = 0, self.run(data.decode())
        except (Usage, FaultError, ValueError) as e:
            status, text = 64, str(e)
        except (NoSuchDevice, PkiError) as e:
            status, text = 1, str(e)
        except Exception as e:			# a fault of ours: say so, and go on
            status, text = 70, f"{type(e).__name__}: {e}"
        try:
            conn.sendall(f"{status}\n{text}".encode())
            if data.strip() == b"stop":
                self.hold.append(conn)	# ends with the process: the client sees it go
                conn.shutdown(socket.SHUT_WR) if status else self.emu.stopping.set()
                return
        except OSError:
            pass
        conn.close()

    def run(self, line):
        word, _, rest = line.strip().partition(" ")
        method = getattr(self, "do_" + word.replace("-", "_"), None)
        if method is None:
            names = sorted(n[3:].replace("_", "-") for n in dir(self) if n.startswith("do_"))
            raise Usage(f"{word}: no such command; there are {', '.join(names)}")
        return method(rest.strip()) or ""

    # The commands: each takes the rest of the line and gives the text to print.

    def device(self, text):
        words = shlex.split(text)
        if len(words) != 1:
            raise Usage("name one device, by its Intune id, Entra id or name")
        return self.emu.store.find(words[0])

    def do_set(self, rest):
        words = shlex.split(rest)
        if len(words) < 2:
            raise Usage("set DEVICE property=value ...")
        dev, values = self.emu.store.find(words[0]), {}
        for w in words[1:]:
            name, eq, text = w.partition("=")
            if not eq or not name.rstrip(":"):
                raise Usage(f"{w}: not property=value")
            if name.endswith(":"):
                values[name[:-1]] = json.loads(text)
            else:
                values[name] = typed(name, text)
        self.emu.store.change(dev, values)

    def do_unset(self, rest):
        words = shlex.split(rest)
        if len(words) < 2 or "id" in words[1:]:
            raise Usage("unset DEVICE property ...; a device always has its id")
        self.emu.store.change(self.emu.store.find(words[0]), dict.fromkeys(words[1:], ABSENT))

    def do_add(self, rest):
        data = json.loads(rest)
        added = [self.emu.store.add(d) for d in (data if isinstance(data, list) else [data])]
        return "".join(d.value("id") + "\n" for d in added)

    def do_remove(self, rest):
        self.emu.store.remove(self.device(rest))

    def do_show(self, rest):
        return json.dumps(self.device(rest).properties(), indent=2) + "\n"

    def do_list(self, rest):
        if rest:
            raise Usage("list takes nothing")
        names = ("id", "azureADDeviceId", "deviceName", "wiFiMacAddress", "ethernetMacAddress",
                 "complianceState")
        rows = (d.properties() for d in list(self.emu.store.order))
        return "".join("\t".join(str(p.get(n) or "-") for n in names) + "\n" for p in rows)

    def do_count(self, rest):
        n = self.emu.counts.n
        if rest:
            if rest not in n:
                raise Usage(f"{rest}: not counted; there are {', '.join(n)}")
            return f"{n[rest]}\n"
        return "".join(f"{k}\t{v}\n" for k, v in n.items())

    def do_reset_counts(self, _):
        self.emu.counts.reset()
        self.emu.quiet.clear()

    def do_fault(self, rest):
        self.emu.faults.add(rest)

    def do_faults(self, _):
        return "".join(f.describe() + "\n" for f in self.emu.faults.all)

    def do_clear_faults(self, _):
        self.emu.faults.clear()

    def do_down(self, _):
        self.emu.down()

    def do_up(self, _):
        self.emu.up()

    def do_expire_tokens(self, _):
        self.emu.entra.expire_all()

    def do_client_cert(self, rest):
        self.emu.entra.certs.append(ClientCert(rest))

    def do_federated(self, rest):
        words = shlex.split(rest)
        if len(words) != 4:
            raise Usage("federated ISSUER SUBJECT AUDIENCE FILE, a public key in PEM")
        self.emu.entra.federated.append((*words[:3], PublicKey(words[3])))

    def do_limit(self, rest):
        words = rest.split()
        windows = {"token": self.emu.entra.window, "graph": self.emu.graph.throttle}
        if len(words) != 2 or words[0] not in windows or not words[1].isdigit():
            raise Usage("limit token|graph NUMBER; 0 is no limit")
        windows[words[0]].limit = int(words[1])
        windows[words[0]].times.clear()

    def do_page_size(self, rest):
        if not rest.isdigit() or not 1 <= int(rest) <= 1000:
            raise Usage("page-size is from 1 to 1000")
        self.emu.graph.page_size = int(rest)

    def do_nac2_page_size(self, rest):
        if not rest.isdigit() or not 1 <= int(rest) <= 1000:
            raise Usage("nac2-page-size is from 1 to 1000")
        self.emu.nac2.page_size = int(rest)

    def do_window(self, rest):
        return self.emu.nac2.control_window(rest.split())

    def do_move(self, rest):
        return self.emu.nac2.control_move(rest.split())

    def do_token_lifetime(self, rest):
        if not rest.isdigit() or int(rest) < 1:
            raise Usage("token-lifetime is a number of seconds")
        self.emu.entra.lifetime = int(rest)

    def do_log(self, rest):
        if rest not in ("", "clear"):
            raise Usage("log, or log clear")
        if rest:
            self.emu.requests.clear()
            return ""
        return "".join(line + "\n" for line in self.emu.log_lines())

    def do_stop(self, _):
        return ""

