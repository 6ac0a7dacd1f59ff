"""A world of networks for measurements: a "laptop" with an address of its own, and a machine outside, beyond a virtual
cable. Everything happens in namespaces of an ordinary user, and ends with them. See `peers` for the rest of the world.
"""

import glob
import os
import subprocess
import sys
import time

from peers import become_user, need

HERE = os.path.dirname(os.path.realpath(__file__))
LAPTOP, LAPTOP6, OUTSIDE, CABLE = "10.99.0.1", "fd99::1", "10.98.0.2", "10.98.0.1"
NOWHERE = "10.96.0.1"


def enter(binary):
    """Starts the calling program again as an ordinary user in fresh namespaces, unless it is there already."""
    need("unshare", "nsenter", "newuidmap", "ip", "busybox", "docker-registry", "skopeo", "umoci")
    if "CORACLE_BENCH_NS" not in os.environ:
        become_user(sys.argv[1:], binary)
        os.environ["CORACLE_BENCH_NS"] = "1"
        os.execvp("unshare", ["unshare", "--user", "--map-auto", "--map-root-user", "--net", "--mount", "--pid", "--fork",
                              "--kill-child", "--mount-proc", sys.executable, os.path.realpath(sys.argv[0]), *sys.argv[1:]])


def map_subordinates(world):
    """Within this namespace the user is root, and what root may map is the user's subordinate range."""
    world.write("subid", "root:1:65535\n")
    for path in ("/etc/subuid", "/etc/subgid"):
        call("mount", "--bind", world.path("subid"), path)


def call(*command, quiet=False):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0 and not quiet:
        sys.exit(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def until(what, condition):
    deadline = time.monotonic() + 20
    while not (value := condition()):
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not after 20 seconds")
        time.sleep(0.01)
    return value


def inside(pid, users=False):
    """The beginning of a command that runs in the network namespace of a process."""
    return ["nsenter", "-t", str(pid), *(["-U", "--preserve-credentials"] if users else []), "-n", "--"] if pid else []


def sleeper(*prefix):
    """A process that holds its namespaces."""
    process = subprocess.Popen([*prefix, "sleep", "100000"], stdin=subprocess.DEVNULL)
    own = os.readlink("/proc/self/ns/net")
    until("a namespace", lambda: os.readlink(f"/proc/{process.pid}/ns/net") != own)
    return process.pid


def processes(*names):
    """The process ids of programs by the beginnings of their names."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            name = os.path.basename(open(path).read().split("\0")[0])
        except OSError:
            continue
        if name.startswith(names):
            found.append(int(path.split("/")[2]))
    return found


def used(pids):
    """Seconds of processor time that processes have used."""
    total = 0
    for pid in pids:
        try:
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def topology():
    """The laptop's addresses, and the machine outside: a process in its namespace."""
    call("ip", "link", "set", "lo", "up")
    call("ip", "address", "add", f"{LAPTOP}/32", "dev", "lo")
    call("ip", "-6", "address", "add", f"{LAPTOP6}/128", "dev", "lo")
    outside = sleeper("unshare", "--net")
    call("ip", "link", "add", "cable", "type", "veth", "peer", "name", "eth0", "netns", str(outside))
    call("ip", "address", "add", f"{CABLE}/24", "dev", "cable")
    call("ip", "link", "set", "cable", "up")
    there = inside(outside)
    call(*there, "ip", "link", "set", "lo", "up")
    call(*there, "ip", "address", "add", f"{OUTSIDE}/24", "dev", "eth0")
    call(*there, "ip", "link", "set", "eth0", "up")
    call(*there, "ip", "route", "add", "default", "via", CABLE)
    call("ip", "route", "add", "default", "via", OUTSIDE)
    call("ip", "route", "add", "unreachable", f"{NOWHERE}/32")
    with open("/proc/sys/net/ipv4/ping_group_range", "w") as file:
        file.write("0 65535")
    return outside


def start_container(world, *arguments):
    """A container of coracle on the default network that does nothing: its name, and a process in it."""
    if not world.registries:
        recipe = os.environ.get("CORACLE_MAKE_IMAGE", os.path.join(HERE, "../../../tests/support/make-image"))
        world.call("sh", recipe, "busybox", world.path("layout"))
        world.image = f"{world.start_registry()}/busybox:latest"
        world.push(world.path("layout"), world.image)
        world.coracle("pull", "-q", world.image)
    name = world.coracle("run", "-d", "--network", "bridge", *arguments, world.image, "sleep", "100000")
    return name, int(world.coracle("inspect", "-f", "{{.State.Pid}}", name))
