#!/usr/bin/env python3
"""Per-operation latency of a mounted union directory, robust on a shared machine.

  latency.py run MERGED [-o JSON] [--name N] [-n OPS]     (MERGED shows the tree made by workloads.py prepare)
  latency.py table JSON...          p10 in microseconds and ratio to the first file's driver

Every operation is timed alone; p10 is close to the unloaded latency even when other processes steal the CPU,
p50 is what a user sees under the present load.
"""
import argparse, json, os, sys, time
T = time.perf_counter_ns
R = {}

def ops(name, f, items):
    v = []
    for i in items:
        a = T(); f(i); v.append(T() - a)
    v.sort()
    R[name] = {"p10": v[len(v) // 10] / 1e3, "p50": v[len(v) // 2] / 1e3, "n": len(v)}
    print(f"  {name:22s} p10 {R[name]['p10']:9.1f} us   p50 {R[name]['p50']:9.1f} us", file=sys.stderr)

def run(m, n):
    W = m + "/micro"; os.mkdir(W)
    D = [f"{W}/d{i:04d}" for i in range(n // 50)]
    ops("mkdir", os.mkdir, D)
    F = [f"{D[i // 50]}/f{i:06d}" for i in range(n // 50 * 50)]
    ops("create_empty", lambda p: os.close(os.open(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)), F)
    buf = b"x" * 4000
    def wr(p):
        fd = os.open(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644); os.write(fd, buf); os.close(fd)
    ops("create_write_4k", wr, [p + ".w" for p in F])
    ops("stat_upper_warm", os.stat, F)
    def no(p):
        try: os.stat(p)
        except FileNotFoundError: pass
    ops("stat_enoent_first", no, [p + ".no" for p in F]); ops("stat_enoent_again", no, [p + ".no" for p in F])
    ops("chmod_upper", lambda p: os.chmod(p, 0o600), F)
    ops("utimens_upper", lambda p: os.utime(p, (1, 2)), F)
    ops("symlink", lambda p: os.symlink("target", p + ".s"), F[:n // 2])
    ops("readlink_warm", lambda p: os.readlink(p + ".s"), F[:n // 2])
    ops("link_upper", lambda p: os.link(p, p + ".l"), F[:n // 2])
    ops("rename_upper", lambda p: os.rename(p, p + ".r"), F)
    ops("unlink_upper", lambda p: os.unlink(p + ".r"), F)
    ops("unlink_with_data", lambda p: os.unlink(p + ".w"), F)
    files = []
    for a, ds, fs in os.walk(m + "/srcA"): ds.sort(); files += [os.path.join(a, f) for f in sorted(fs)]; 
    dirs = sorted({os.path.dirname(f) for f in files})
    ops("listdir_again", os.listdir, dirs)
    def st(d):
        with os.scandir(d) as it: return [e.stat(follow_symlinks=False) for e in it]
    ops("scandir40_stat_again", st, dirs)
    def rd(p):
        fd = os.open(p, os.O_RDONLY); os.read(fd, 65536); os.close(fd)
    ops("open_read_close_cold", rd, files[:n]); ops("open_read_close_warm", rd, files[:n])
    sub = sorted(d for d in (os.path.join(m, "srcB", x, y) for x in sorted(os.listdir(m + "/srcB")) for y in sorted(os.listdir(m + "/srcB/" + x))))
    names = [f"file_{i:03d}.c" for i in range(40)]
    L = [f"{d}/{x}" for d in sub for x in names][:n]
    ops("lookup_lower_cold", os.stat, L)                      # never listed: one LOOKUP each
    ops("getxattr_absent", lambda p: no_attr(p), L[:n // 2])
    ops("chmod_lower(copyup)", lambda p: os.chmod(p, 0o600), L[:n // 4])
    def ap(p):
        fd = os.open(p, os.O_WRONLY | os.O_APPEND); os.write(fd, b"y"); os.close(fd)
    ops("append_lower(copyup)", ap, L[n // 4:n // 2])
    ops("unlink_lower(whiteout)", os.unlink, L[n // 2:3 * n // 4])
    ops("recreate_over_whiteout", wr, L[n // 2:3 * n // 4])
    ops("rename_lower", lambda p: os.rename(p, p + ".r"), L[3 * n // 4:])
    ops("listdir20k_first", os.listdir, [m + "/bigdir"]); ops("listdir20k_again", os.listdir, [m + "/bigdir"] * 5)
    fd = os.open(W + "/s", os.O_CREAT | os.O_RDWR)
    def fsy(_): os.write(fd, buf); os.fsync(fd)
    ops("write4k_fsync", fsy, range(max(50, n // 20)))
    ops("write4k_only", lambda _: os.write(fd, buf), range(n))
    os.fsync(fd)
    big = b"z" * 131072
    ops("write128k", lambda _: os.write(fd, big), range(n // 4)); os.close(fd)
    fd = os.open(m + "/read.dat", os.O_RDONLY); sz = os.fstat(fd).st_size
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    ops("pread4k_cold", lambda i: os.pread(fd, 4096, (i * 2654435761) % (sz // 4096) * 4096), range(n))
    ops("pread4k_warm", lambda i: os.pread(fd, 4096, (i * 2654435761) % (sz // 4096) * 4096), range(n))
    fd2 = os.open(m + "/map.dat", os.O_RDONLY); sz2 = os.fstat(fd2).st_size
    ops("seqread128k_cold", lambda i: os.pread(fd2, 131072, i * 131072), range(sz2 // 131072))
    ops("seqread128k_warm", lambda i: os.pread(fd2, 131072, i * 131072), range(sz2 // 131072))
    os.close(fd); os.close(fd2)
    c = [m + "/rt/ld.so", "--library-path", m + "/rt", m + "/rt/true"]
    def ex(_): pid = os.posix_spawn(c[0], c, {}); os.waitpid(pid, 0)
    ops("exec_dynamic", ex, range(max(40, n // 20)))

def no_attr(p):
    try: os.getxattr(p, "user.none")
    except OSError: pass

def table(files, key):
    runs, order, keys = {}, [], []
    for f in files:
        j = json.load(open(f))
        if j["name"] not in runs: order.append(j["name"])
        for k, v in j["r"].items():
            if k not in keys: keys.append(k)
            d = runs.setdefault(j["name"], {}); d[k] = min(d.get(k, 1e18), v[key])
    print(f"| op ({key}, us) | " + " | ".join(order) + " |"); print("|---|" + "---:|" * len(order))
    for k in keys:
        b = runs[order[0]].get(k)
        print(f"| {k} | " + " | ".join(f"{runs[n][k]:.0f}" + (f" ({runs[n][k] / b:.2f})" if n != order[0] else "") if k in runs[n] else "-" for n in order) + " |")

if __name__ == "__main__":
    ap_ = argparse.ArgumentParser(); ap_.add_argument("cmd"); ap_.add_argument("paths", nargs="+"); ap_.add_argument("-o")
    ap_.add_argument("--name", default="x"); ap_.add_argument("-n", type=int, default=2000); ap_.add_argument("--key", default="p10")
    ap_.add_argument("--scale"); ap_.add_argument("--only")
    a = ap_.parse_args()
    if a.cmd == "table": table(a.paths, a.key)
    else:
        try: run(a.paths[0], a.n)
        finally: json.dump({"name": a.name, "r": R}, open(a.o, "w") if a.o else sys.stdout)
