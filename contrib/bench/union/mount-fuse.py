#!/usr/bin/env python3
"""Mounts coracle's FUSE union at a directory, as its supervisor does: mount-fuse.py CORACLE [--volatile] CONTAINER MERGED LAYER...

CONTAINER has the directories upper and work; layers are given base first. To be run as root of a user and mount
namespace. Prints the server's process id when the union is mounted; the server ends when it is unmounted."""
import ctypes, os, sys

# No translation of owners, no limit of the size.
OPTIONS = '{"owners": {"uids": [], "gids": []}, "size": null}'
args = sys.argv[1:]
volatile = "--volatile" in args
coracle, container, merged, *layers = [a for a in args if a != "--volatile"]
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other"
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"coracle", merged.encode(), b"fuse", 0, options.encode()):
    sys.exit("mount: " + os.strerror(ctypes.get_errno()))
heard, status = os.pipe()
server = os.fork()
if server == 0:
    os.setsid()
    os.dup2(device, 0)
    os.dup2(status, 1)
    os.closerange(3, 64)
    os.execv(coracle, ["coracle-fused", "volatile" if volatile else "durable", OPTIONS, container, *layers])
os.close(status)
os.close(device)
answer = os.read(heard, 4096).decode()
if answer != "ready":
    sys.exit(f"the server says: {answer or 'nothing'}")
print(server)
