#!/usr/bin/env python3
"""What programs see of a network when something is unusual, for contrib/bench/net/run.

    semantics.py server PORT                                 where the other end is
    semantics.py client ADDRESS PORT CLOSED UNREACHABLE      in the container: one line of JSON, a word for each situation

CLOSED is a port of ADDRESS where nobody listens, UNREACHABLE an address that the host's routes exclude.
"""

import errno
import json
import socket
import struct
import sys
import threading

PATIENCE = 3


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def echo(datagrams):
    while True:
        data, sender = datagrams.recvfrom(65535)
        datagrams.sendto(sender[0].removeprefix("::ffff:").encode() if data == b"who" else data, sender)


def serve_one(connection, client):
    """The first byte says what is to be seen."""
    try:
        what = connection.recv(1)
        if what == b"H":
            data = b""
            while more := connection.recv(4096):
                data += more
            connection.sendall(b"got " + data)
        elif what == b"R":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif what == b"W":
            connection.sendall(client[0].removeprefix("::ffff:").encode())
        connection.close()
    except OSError:
        pass


def serve(port):
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    listener = socket.socket(socket.AF_INET6)
    for each in (datagrams, listener):
        each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind(("::", port))
    listener.listen(64)
    threading.Thread(target=echo, args=(datagrams,), daemon=True).start()
    print("ready", flush=True)
    while True:
        threading.Thread(target=serve_one, args=listener.accept(), daemon=True).start()


def dial(address, port, kind=socket.SOCK_STREAM, protocol=0):
    connection = socket.socket(family(address), kind, protocol)
    connection.settimeout(PATIENCE)
    connection.connect((address, port))
    return connection


def rest(connection):
    data = b""
    while more := connection.recv(4096):
        data += more
    return data.decode()


def half_close(address, port):
    connection = dial(address, port)
    connection.sendall(b"Habc")
    connection.shutdown(socket.SHUT_WR)
    return rest(connection)


def asked(address, port, what):
    connection = dial(address, port)
    connection.sendall(what)
    return rest(connection) or "end"


def datagram(address, port, data):
    connection = dial(address, port, socket.SOCK_DGRAM)
    connection.send(data)
    return connection.recv(65535)


def ping(address):
    v6 = family(address) == socket.AF_INET6
    protocol = socket.getprotobyname("ipv6-icmp") if v6 else socket.IPPROTO_ICMP
    connection = dial(address, 0, socket.SOCK_DGRAM, protocol)
    connection.send(struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, 1, 1) + b"x" * 56)
    return f"{len(connection.recv(4096))} bytes"


def situations(address, port, closed, unreachable):
    return {
        "refused": lambda: dial(address, closed) and "connected",
        "unreachable": lambda: dial(unreachable, 80) and "connected",
        "half-close": lambda: half_close(address, port),
        "reset": lambda: asked(address, port, b"R"),
        "client seen": lambda: asked(address, port, b"W"),
        "udp": lambda: f"{len(datagram(address, port, b'z' * 1400))} bytes",
        "udp large": lambda: f"{len(datagram(address, port, b'z' * 9000))} bytes",
        "udp empty": lambda: f"{len(datagram(address, port, b''))} bytes",
        "udp refused": lambda: datagram(address, closed, b"z") and "answered",
        "ping": lambda: ping(address),
    }


def word(situation):
    try:
        return situation()
    except TimeoutError:
        return "nothing"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


if sys.argv[1] == "server":
    serve(int(sys.argv[2]))
else:
    address, port, closed, unreachable = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    print(json.dumps({name: word(it) for name, it in situations(address, port, closed, unreachable).items()}))
