"""A network of the engine's own.

The engine opens a dozen ports on the loopback interface that ask nobody for a password: its meta services, which hold the catalogue and
the keys of stages in clear. Any user of the machine could talk to them. Where the kernel allows it, this process therefore goes into a
network namespace of its own before the engine is loaded. Two sockets lead out of it, both inherited: that of the front, opened before,
and a proxy's, opened inside and served by the parent outside, through which the engine reaches object stores by HTTP.
"""

import fcntl
import os
import socket
import struct

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def enter(channel: int) -> int:
    """Enters a network of its own and hands the proxy's socket to the parent; returns the proxy's port, or 0 where that cannot be."""
    with socket.socket(fileno=channel) as parent:
        try:
            _unshare()
            _loopback_up()
            proxy = socket.create_server(("127.0.0.1", 0), backlog=128)
        except (OSError, AttributeError):  # not Linux, or not allowed
            parent.send(b"-")
            return 0
        socket.send_fds(parent, [b"+"], [proxy.fileno()])
        return int(proxy.getsockname()[1])


def _unshare() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        try:
            os.unshare(os.CLONE_NEWNET)
            return
        except PermissionError:  # root of a container
            pass
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as f:
            f.write(text)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = fcntl.ioctl(s, _SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16sH14x", request)[1]
        fcntl.ioctl(s, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))
