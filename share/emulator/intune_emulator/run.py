"""From the options to a running emulator, and to its end."""

import json
import os
import secrets
import signal
import sys

from . import EX_CONFIG, EX_DATAERR, EX_IOERR, EX_UNAVAILABLE, EX_USAGE, control, die, pki, tell
from .faults import Fault, FaultError
from .identity import Identity
from .proxy import Proxy
from .server import Emulator


def prepare(o):
    """Makes DIR, reads the secret and the certificates."""
    for spec in o.faults:
        try:
            Fault(spec)
        except FaultError as e:
            die(EX_USAGE, f"--fault: {e}")
    try:
        os.makedirs(o.dir, mode=0o700, exist_ok=True)
    except OSError as e:
        die(EX_IOERR, f"{o.dir}: {e.strerror}")
    try:
        tell.send(o.dir, "count")
        die(EX_CONFIG, f"{o.dir}: an emulator is running there already")
    except OSError:
        pass
    if o.secret_file is None:
        o.secret_file = os.path.join(o.dir, "client.secret")
        if not os.path.exists(o.secret_file):
            fd = os.open(o.secret_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w") as f:
                f.write(f"Em8Q~{secrets.token_urlsafe(27)}\n")
    try:
        with open(o.secret_file, encoding="utf-8") as f:
            o.secret = f.read().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as e:
        die(EX_IOERR, f"{o.secret_file}: {getattr(e, 'strerror', None) or 'not text'}")
    if not o.secret:
        die(EX_DATAERR, f"{o.secret_file}: empty")
    try:
        o.certs = [pki.ClientCert(path) for path in o.cert_files]
    except pki.PkiError as e:
        die(EX_DATAERR, e)


def load(emu, o):
    if o.devices:
        try:
            with open(o.devices, encoding="utf-8") as f:
                data = json.load(f)
        except OSError as e:
            die(EX_IOERR, f"{o.devices}: {e.strerror}")
        except json.JSONDecodeError as e:
            die(EX_DATAERR, f"{o.devices}:{e.lineno}:{e.colno}: {e.msg}")
        except (ValueError, RecursionError):
            die(EX_DATAERR, f"{o.devices}: not JSON text")
        if not isinstance(data, list):
            die(EX_DATAERR, f"{o.devices}: an array of devices is wanted")
        for n, device in enumerate(data, 1):
            try:
                emu.store.add(device)
            except ValueError as e:
                die(EX_DATAERR, f"{o.devices}: device {n}: {e}")
    emu.store.add_fleet(o.fleet, o.seed)
    for spec in o.faults:
        emu.faults.add(spec)


def write_file(path, facts):
    """Writes `key = value` lines in one step, so that nobody reads half of them."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.writelines(f"{k} = {v}\n" for k, v in facts.items())
    os.rename(path + ".new", path)


def write_ready(emu, o):
    """Says where it listens: nac.conf for the programs, then ready for scripts."""
    host = emu.base()[len("https://"):]
    known = {"tenant": o.tenant, "client_id": o.client_id,
             "client_secret_file": os.path.abspath(o.secret_file),
             "ca_file": os.path.abspath(os.path.join(o.dir, "ca.pem"))}
    tokens = os.path.abspath(os.path.join(o.dir, "tokens"))
    os.makedirs(tokens, mode=0o700, exist_ok=True)
    write_file(os.path.join(o.dir, "nac.conf"),
               {**known, "authority": host, "graph": host, "intune_hosts": host,
                "token_dir": tokens})
    write_file(os.path.join(o.dir, "ready"),
               {"url": emu.base(), "host": host, "port": emu.port, **known,
                "identity_host": emu.identity.host(), "arc_key_dir": emu.identity.keys,
                "proxy": emu.proxy.url(), "pid": os.getpid()})


def into_background():
    """Forks; the parent waits for word from the child, and passes its status on.
    Gives the descriptor to say `ready` with."""
    sys.stdout.flush()
    r, w = os.pipe()
    if os.fork() > 0:
        os.close(w)
        said = os.read(r, 1)
        sys.exit(0 if said == b"0" else os.waitstatus_to_exitcode(os.wait()[1]) or 1)
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    # Nothing of the caller may be held open: bats waits for its descriptor 3, a
    # shell for the end of a pipe.
    os.dup2(w, 3)
    os.set_inheritable(3, False)
    os.closerange(4, 1024)
    return 3


def leave_terminal(dirname):
    log = os.open(os.path.join(dirname, "emulator.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def wait_for_end(emu, watch):
    while not emu.stopping.wait(1 if watch else None):
        try:
            os.kill(watch, 0)
        except ProcessLookupError:
            break
        except PermissionError:
            pass


def run(options):
    """Serves until a signal, the command to stop, or the end of --while."""
    os.umask(0o077)
    try:
        prepare(options)
        said = into_background() if options.daemon else None
        emu = Emulator(options)
        load(emu, options)
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(sig, lambda *_: emu.stopping.set())
        emu.up()
        emu.identity = Identity(emu, options.dir)
        emu.proxy = Proxy(emu)
        control.Control(emu)
        write_ready(emu, options)
    except pki.PkiError as e:
        die(EX_UNAVAILABLE, e)
    except OSError as e:
        die(EX_IOERR, f"{e.filename or f'{options.listen}:{options.port}'}: {e.strerror or e}")
    if said is not None:
        leave_terminal(options.dir)
        os.write(said, b"0")
        os.close(said)
    else:
        print(f"intune-emulator: {len(emu.store)} devices at {emu.base()}, see "
              f"{os.path.join(options.dir, 'ready')}", flush=True)
    wait_for_end(emu, options.watch)
    emu.down(for_good=True)
    for name in ("ready", tell.NAME):
        try:
            os.unlink(os.path.join(options.dir, name))
        except FileNotFoundError:
            pass
    # Threads that still drip an answer out must not keep us.
    sys.stdout.flush()
    os._exit(0)
