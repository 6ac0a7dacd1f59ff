#!/usr/bin/env python3
"""Both ends of the traffic of contrib/bench/net/soak.

    traffic.py server PORT                            TCP and UDP, both families
    traffic.py resolver ADDRESS                       answers every question for an address with RESOLVED
    traffic.py client PORTS SECONDS PLAN ADDRESS...   of every two seconds a line of JSON: what was done, what failed
    traffic.py burst PORTS COUNT PORT ADDRESS         so many short connections as fast as they go; one line of JSON

A short connection sends 64 bytes, gets 1 KiB, and is closed by the server first. Its own port is one of the PORTS
(FIRST-LAST), which are used in turn, again and again. PLAN is JSON: {"port": of the servers, "short", "datagrams",
"lookups": how many each second, "bulk": bytes each second and direction, "names": {name: expected address},
"resolver": address}. What streams carry is checked byte by byte.
"""

import json
import os
import socket
import struct
import sys
import threading
import time

MESSAGE, REPLY, CHUNK = 64, 1024, 64 * 1024
# A stream: so many bytes there and as many back, then a new one.
STREAM = 16 * 1024 * 1024
PATTERN = bytes((at * 167 >> 8) + at & 255 for at in range(251)) * (2 * CHUNK // 251 + 2)
PATIENCE = 15
RESOLVED = "192.0.2.53"
# A datagram may be lost; so many times it is sent.
ATTEMPTS = 3
# Sockets of datagrams, and how long each of them is used, in seconds.
SOCKETS, SOCKET_LIFE = 8, 80


def pattern(at, length):
    """What a stream has at this position."""
    return PATTERN[at % 251:at % 251 + length]


def read_exactly(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise EOFError(f"end after {len(data)} bytes of {length}")
        data += more
    return data


def read_checked(stream, length):
    """Reads so many bytes of the pattern."""
    at = 0
    while at < length:
        data = stream.recv(min(CHUNK, length - at))
        if not data:
            raise EOFError(f"end after {at} bytes of {length}")
        if data != pattern(at, len(data)):
            raise ValueError(f"wrong bytes at {at}")
        at += len(data)


def write_paced(stream, length, rate):
    """Writes so many bytes of the pattern, not faster than this; the other end is told that they are all."""
    begun, at = time.monotonic(), 0
    while at < length:
        stream.sendall(pattern(at, min(CHUNK, length - at)))
        at += min(CHUNK, length - at)
        time.sleep(max(0, begun + at / rate - time.monotonic()))
    stream.shutdown(socket.SHUT_WR)


# --- servers ---------------------------------------------------------------------------------------------------------


def serve_one(stream):
    with stream:
        stream.settimeout(PATIENCE)
        try:
            if stream.recv(1, socket.MSG_PEEK) == b"S":
                _, length, rate = struct.unpack("!cQQ", read_exactly(stream, 17))
                writing = threading.Thread(target=write_paced, args=(stream, length, rate))
                writing.start()
                read_checked(stream, length)
                writing.join()
            else:
                read_exactly(stream, MESSAGE)
                stream.sendall(bytes(REPLY))
        except (OSError, EOFError, ValueError, struct.error) as error:
            # The client sees it as well, and tells.
            print(f"server: {error}", file=sys.stderr, flush=True)


def serve_datagrams(datagrams):
    while True:
        data, sender = datagrams.recvfrom(65535)
        try:
            datagrams.sendto(data, sender)
        except OSError as error:
            print(f"server: {error}", file=sys.stderr, flush=True)


def server(port):
    with socket.create_server(("::", port), family=socket.AF_INET6, backlog=1024, dualstack_ipv6=True) as listener:
        datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        datagrams.bind(("::", port))
        threading.Thread(target=serve_datagrams, args=(datagrams,), daemon=True).start()
        print("ready", flush=True)
        while True:
            threading.Thread(target=serve_one, args=(listener.accept()[0],), daemon=True).start()


def resolver(address):
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((address, 53))
    print("ready", flush=True)
    while True:
        query, sender = datagrams.recvfrom(4096)
        end = query.find(b"\0", 12) + 5
        if end < 5 + 12 or len(query) < end:
            continue
        wants = query[end - 4:end - 2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(RESOLVED) if wants else b""
        header = query[:2] + b"\x81\x80\0\1" + struct.pack("!H", int(wants)) + bytes(4)
        datagrams.sendto(header + query[12:end] + answer, sender)


# --- clients ---------------------------------------------------------------------------------------------------------


class Counts:
    """What was done, of each kind, and what failed."""

    def __init__(self):
        self.lock, self.done, self.failures = threading.Lock(), {}, []

    def add(self, kind, number=1):
        with self.lock:
            self.done[kind] = self.done.get(kind, 0) + number

    def fail(self, kind, error):
        with self.lock:
            self.failures.append(f"{time.strftime('%H:%M:%S')} {kind}: {type(error).__name__}: {error}")

    def take(self):
        with self.lock:
            taken = {"done": self.done, "failures": self.failures}
            self.done, self.failures = {}, []
            return taken


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def connect(address, port, own=0):
    stream = socket.socket(family(address), socket.SOCK_STREAM)
    try:
        stream.settimeout(PATIENCE)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stream.bind(("", own))
        stream.connect((address, port))
        return stream
    except OSError:
        stream.close()
        raise


def short(address, port, own):
    with connect(address, port, own) as stream:
        stream.sendall(bytes(MESSAGE))
        read_exactly(stream, REPLY)
        # The server closes first, so that who remembers the pair of ports is never this end.
        if stream.recv(1):
            raise ValueError("more than there is")


def attempt(counts, kind, call, *arguments):
    try:
        call(*arguments)
        counts.add(kind)
    except (OSError, EOFError, ValueError) as error:
        counts.fail(f"{kind} {' '.join(str(argument) for argument in arguments if isinstance(argument, (str, int)))}", error)


def paced(rate, until):
    """Numbers, so many each second."""
    begun, number = time.monotonic(), 0
    while (now := time.monotonic()) < until:
        yield number
        number += 1
        time.sleep(max(0, begun + number / rate - now))


def short_connections(counts, plan, addresses, ports, until):
    for number in paced(plan["short"], until):
        own = ports[number // len(addresses) % len(ports)]
        attempt(counts, "short", short, addresses[number % len(addresses)], plan["port"], own)


def bulk(counts, plan, address, until):
    rate = plan["bulk"]

    def one():
        length = STREAM
        with connect(address, plan["port"]) as stream:
            stream.sendall(struct.pack("!cQQ", b"S", length, rate))
            errors = []

            def write():
                try:
                    write_paced(stream, length, rate)
                except OSError as error:
                    errors.append(error)
            writing = threading.Thread(target=write)
            writing.start()
            try:
                read_checked(stream, length)
                if stream.recv(1):
                    raise ValueError("more than there is")
            finally:
                writing.join()
            if errors:
                raise errors[0]
        counts.add("bytes", 2 * length)

    while time.monotonic() < until:
        attempt(counts, f"stream to {address}", one)
        if counts.failures:
            time.sleep(1)


def exchange(counts, datagrams, question, matches):
    """Asks until somebody answers."""
    for number in range(ATTEMPTS):
        datagrams.send(question)
        end = time.monotonic() + 2
        while (left := end - time.monotonic()) > 0:
            datagrams.settimeout(left)
            try:
                answer = datagrams.recv(65535)
            except TimeoutError:
                break
            if matches(answer):
                if number:
                    counts.add("sent again", number)
                return answer
    raise TimeoutError(f"no answer to {ATTEMPTS} datagrams")


def open_datagrams(address, port):
    datagrams = socket.socket(family(address), socket.SOCK_DGRAM)
    datagrams.connect((address, port))
    return datagrams


def datagrams(counts, plan, addresses, until):
    sockets = [None] * SOCKETS
    every = max(1, int(plan["datagrams"] * SOCKET_LIFE / SOCKETS))

    def one(number):
        place = number % SOCKETS
        if sockets[place] is None:
            sockets[place] = open_datagrams(addresses[place % len(addresses)], plan["port"])
        question = struct.pack("!Q", number) + os.urandom(number % 1200)
        exchange(counts, sockets[place], question, lambda answer: answer == question)

    for number in paced(plan["datagrams"], until):
        if number % every == every - 1 and (old := sockets[number // every % SOCKETS]):
            old.close()
            sockets[number // every % SOCKETS] = None
        attempt(counts, "datagram", one, number)


def look_up(counts, resolver_, name, expected):
    number = os.urandom(2)
    question = number + b"\1\0\0\1\0\0\0\0\0\0"
    question += b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
    with open_datagrams(resolver_, 53) as socket_:
        answer = exchange(counts, socket_, question, lambda answer: answer[:2] == number)
    if answer[3] & 15 or answer[-4:] != socket.inet_aton(expected):
        raise ValueError(f"answered {answer.hex()}")


def look_ups(counts, plan, until):
    names = list(plan["names"].items())
    for number in paced(plan["lookups"], until):
        name, expected = names[number % len(names)]
        attempt(counts, "look-up", look_up, counts, plan["resolver"], name.replace("*", str(number)), expected)


def client(ports, seconds, plan, *addresses):
    first, last = ports.split("-")
    until, plan, counts = time.monotonic() + float(seconds), json.loads(plan), Counts()
    work = [(short_connections, counts, plan, addresses, range(int(first), int(last) + 1), until),
            (datagrams, counts, plan, addresses, until), *((bulk, counts, plan, address, until) for address in addresses)]
    if plan.get("names"):
        work.append((look_ups, counts, plan, until))
    threads = [threading.Thread(target=task[0], args=task[1:]) for task in work]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(2)
        print(json.dumps(counts.take()), flush=True)
    print(json.dumps(counts.take()), flush=True)


def burst(ports, count, port, address):
    first, last = (int(number) for number in ports.split("-"))
    workers, counts, begun = 4, Counts(), time.monotonic()
    # Each has ports of its own, and one address of the other end: the same pair comes again and again.
    share = (last + 1 - first) // workers

    def work(worker):
        for number in range(int(count) // workers):
            attempt(counts, "short", short, address, int(port), first + worker * share + number % share)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({**counts.take(), "seconds": time.monotonic() - begun}), flush=True)


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    if role == "server":
        server(int(arguments[0]))
    else:
        {"resolver": resolver, "client": client, "burst": burst}[role](*arguments)
