"""The client's end of the control socket.  Small on purpose: a script may call it a
hundred times."""

import os
import socket

NAME = "control"


def at_directory(dirname, action, sock):
    """Binds or connects DIR/control, however long the name of DIR is: sun_path has
    room for 108 bytes only."""
    fd = os.open(dirname, os.O_RDONLY | os.O_DIRECTORY)
    try:
        getattr(sock, action)(f"/proc/self/fd/{fd}/{NAME}")
    finally:
        os.close(fd)


def send(dirname, command):
    """Sends one command to the emulator of DIR: its status and text.  OSError if
    none is running there."""
    with socket.socket(socket.AF_UNIX) as sock:
        at_directory(dirname, "connect", sock)
        sock.sendall(command.encode("utf-8", "surrogateescape"))
        sock.shutdown(socket.SHUT_WR)
        data = b""
        while True:
            more = sock.recv(1 << 16)
            if not more:
                break
            data += more
    status, _, text = data.decode().partition("\n")
    if not status:
        raise ConnectionError("it went away")
    return int(status), text
