#!/usr/bin/env python3
"""What several clients of a mounted union get: parallel.py run MERGED [-o JSON]   (a tree made by workloads.py prepare)

Each figure is the mean time of an operation as one client sees it. With as many clients as CPUs it should be that of one
client alone; `while copying` is beside a client that copies a large file up, and must not be that copy's time."""
import argparse, json, os, sys, time

def worker(m, work, who, n):
    """Mean microseconds of one operation."""
    t = time.perf_counter()
    for i in range(n): work(m, who, i)
    return (time.perf_counter() - t) / n * 1e6

def absent(m, who, i):
    try: os.stat(f"{m}/srcA/no-{who}-{i}")
    except FileNotFoundError: pass

def mixed(m, who, i):
    p = f"{m}/w{who}/f{i}"
    fd = os.open(p, os.O_CREAT | os.O_WRONLY, 0o644); os.write(fd, b"x" * 3000); os.close(fd)
    os.stat(p); os.rename(p, p + "r"); os.unlink(p + "r")

def together(m, work, clients, n):
    """The mean over clients that begin at once."""
    go, start = os.pipe(); heard, say = os.pipe(); pids = []
    for who in clients:
        pid = os.fork()
        if pid == 0:
            os.close(start); os.read(go, 1)
            os.write(say, f"{worker(m, work, who, n):.2f}\n".encode()); os._exit(0)
        pids.append(pid)
    os.close(start); os.close(go)
    for pid in pids: os.waitpid(pid, 0)
    os.close(say)
    with os.fdopen(heard) as f: figures = [float(line) for line in f]
    return sum(figures) / len(figures)

def run(m):
    cpus = os.cpu_count(); R = {}
    for who in range(3 * cpus): os.mkdir(f"{m}/w{who}")
    R["absent, 1 client"] = together(m, absent, ["a"], 2000)
    R[f"absent, {cpus} clients"] = together(m, absent, [f"b{i}" for i in range(cpus)], 2000)
    R["create..unlink, 1 client"] = together(m, mixed, [0], 500)
    R[f"create..unlink, {cpus} clients"] = together(m, mixed, range(cpus), 500)
    pid = os.fork()
    if pid == 0:
        fd = os.open(m + "/big.dat", os.O_WRONLY | os.O_APPEND); os.write(fd, b"x"); os._exit(0)
    R["absent while copying"] = together(m, absent, ["c"], 2000); os.waitpid(pid, 0)
    return R

if __name__ == "__main__":
    ap = argparse.ArgumentParser(); ap.add_argument("cmd"); ap.add_argument("merged"); ap.add_argument("-o")
    a = ap.parse_args()
    json.dump({"r": run(a.merged)}, open(a.o, "w") if a.o else sys.stdout)
