#!/usr/bin/env python3
"""Union-filesystem benchmark: one mounted (or plain) directory in, one JSON out.

  workloads.py prepare LOWER          build the deterministic lower tree
  workloads.py run MERGED [-o JSON] [--only a,b] [--scale S] [--fs-size MiB]
                                       measure; MERGED shows the lower tree and is writable
  workloads.py table|table-cpu JSON... ratios to the first JSON (min over repeats of one name)

Driver-agnostic: it never mounts. drivers mounts each driver the same way and calls it.
All numbers are seconds (lower is better) except keys ending in _MBps / _iops.
"""
import argparse, json, os, random, shutil, stat, subprocess, sys, threading, time

def sh(cmd, **kw):
    return subprocess.run(cmd, shell=isinstance(cmd, str), check=kw.pop("check", True),
                          stdout=kw.pop("stdout", subprocess.DEVNULL), stderr=subprocess.DEVNULL, **kw)

# ---------------------------------------------------------------- prepare
def tree(root, ndirs, nper, rng, lo=500, hi=16000):
    blob = bytes(rng.getrandbits(8) for _ in range(65536))
    for d in range(ndirs):
        p = os.path.join(root, f"d{d % 20:02d}", f"s{d:03d}")
        os.makedirs(p, exist_ok=True)
        for f in range(nper):
            n = int(lo * (hi / lo) ** rng.random())
            o = rng.randrange(0, 65536 - 32000)
            with open(os.path.join(p, f"file_{f:03d}.c"), "wb") as fh:
                fh.write(blob[o:o + n])

def prepare(lower, scale):
    rng = random.Random(42)
    os.makedirs(lower, exist_ok=True)
    n = lambda x: max(2, int(x * scale))
    for name in ("srcA", "srcB", "srcC", "srcD"):       # 4 x 8000 small files, one per experiment
        tree(os.path.join(lower, name), n(200), 40, rng)
    big = os.path.join(lower, "bigdir"); os.makedirs(big, exist_ok=True)
    for i in range(n(20000)):
        open(os.path.join(big, f"entry-{i:06d}"), "w").close()
    for nm in ("ren", "lnk"):
        p = os.path.join(lower, nm); os.makedirs(p, exist_ok=True)
        for i in range(n(2000)):
            with open(os.path.join(p, f"f{i:05d}"), "wb") as fh: fh.write(b"x" * 4096)
    mib = os.urandom(1 << 20)
    for nm, sz in (("big.dat", int(1024 * scale)), ("read.dat", int(512 * scale)), ("map.dat", int(256 * scale)),
                   ("chmod.dat", int(256 * scale))):
        with open(os.path.join(lower, nm), "wb") as fh:
            for _ in range(max(8, sz)): fh.write(mib)
    # a dynamically linked program + python stdlib out of the union
    rt = os.path.join(lower, "rt"); os.makedirs(rt, exist_ok=True)
    true = shutil.which("true")
    out = subprocess.run(["ldd", true], capture_output=True, text=True).stdout
    shutil.copy(true, rt + "/true")
    for l in out.splitlines():
        parts = l.split()
        lib = parts[2] if "=>" in l and len(parts) > 2 else (parts[0] if parts and parts[0].startswith("/") else None)
        if lib and os.path.exists(lib):
            shutil.copy(lib, rt + "/" + ("ld.so" if "ld-" in os.path.basename(lib) else os.path.basename(lib)))
    shutil.copytree(os.path.dirname(os.__file__), rt + "/pystd", dirs_exist_ok=True, symlinks=True,
                    ignore=shutil.ignore_patterns("test", "dist-packages", "site-packages", "config-*"))
    if shutil.which("git"):
        g = ["git", "-C", lower + "/srcD", "-c", "user.name=b", "-c", "user.email=b@b"]
        sh(g + ["init", "-q"]); sh(g + ["add", "."]); sh(g + ["commit", "-qm", "x"])
    sh(["tar", "-C", lower, "-cf", lower + "/srcA.tar", "srcA"])

# ---------------------------------------------------------------- run
R = {}
CPU = {}                      # benchmark + its children + the FUSE daemon, user+sys seconds: robust on a shared machine
ONLY = None
def cpu_now():
    t = os.times(); s = t.user + t.system + t.children_user + t.children_system
    for pid in os.environ.get("UB_DAEMON_PIDS", "").split():
        try:
            f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            s += (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")
        except OSError: pass
    return s
def bench(name):
    def deco(f):
        if ONLY is None or any(o in name for o in ONLY):
            os.sync()
            c0 = cpu_now(); t = time.perf_counter()
            try:
                v = f()
                dt = time.perf_counter() - t; CPU[name] = round(cpu_now() - c0, 3)
                if isinstance(v, dict): R.update(v)
                else: R[name] = v if isinstance(v, float) else dt
            except Exception as e:                    # a driver may refuse an operation: record it
                R[name] = f"FAIL {type(e).__name__}: {e}"[:120]
            print(f"  {name:24s} {R.get(name)}  cpu={CPU.get(name)}", file=sys.stderr, flush=True)
        return f
    return deco

def fio(d, name, rw, bs, size, file=None, extra=()):
    f = file or os.path.join(d, "fio." + name)
    cmd = ["fio", "--name=x", "--filename=" + f, "--rw=" + rw, "--bs=" + bs, f"--size={size}M", "--ioengine=psync",
           "--output-format=json", "--randrepeat=1", "--invalidate=1", *extra]
    j = json.loads(subprocess.run(cmd, check=True, capture_output=True, text=True).stdout)["jobs"][0]
    k = "read" if "read" in rw else "write"
    return j[k]["bw_bytes"] / 1e6, j[k]["iops"]

def run(m, scale, fsmb):
    n = lambda x: max(2, int(x * scale))
    W = os.path.join(m, "w"); os.makedirs(W, exist_ok=True)
    walk = lambda p: [os.path.join(a, f) for a, _, fs in os.walk(p) for f in fs]
    N = n(20000)
    names = [os.path.join(W, f"m{i // 200:03d}", f"f{i:05d}") for i in range(N)]
    for i in range(0, N, 200): os.makedirs(os.path.dirname(names[i]), exist_ok=True)

    @bench("create_20k")
    def _():
        for p in names: os.close(os.open(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    @bench("stat_20k")
    def _():
        for p in names: os.stat(p)
    @bench("stat_enoent_20k")
    def _():
        for p in names:
            try: os.stat(p + ".no")
            except FileNotFoundError: pass
    @bench("chmod_20k")
    def _():
        for p in names: os.chmod(p, 0o600)
    @bench("rename_upper_20k")
    def _():
        for p in names: os.rename(p, p + ".r")
    @bench("unlink_20k")
    def _():
        for p in names: os.unlink(p + ".r")
    @bench("find_lower_cold")
    def _(): sh(["find", m + "/srcA", m + "/srcB", m + "/srcC", "-type", "f", "-size", "+1k", "-newermt", "2001-01-01"])
    @bench("find_lower_warm")
    def _(): sh(["find", m + "/srcA", m + "/srcB", m + "/srcC", "-type", "f", "-size", "+1k", "-newermt", "2001-01-01"])
    @bench("read_small_cold")
    def _():
        for p in walk(m + "/srcB"):
            with open(p, "rb") as f: f.read()
    @bench("read_small_warm")
    def _():
        for p in walk(m + "/srcB"):
            with open(p, "rb") as f: f.read()
    @bench("read_small_par4")
    def _():
        fs = walk(m + "/srcC")
        def w(part):
            for p in part:
                fd = os.open(p, os.O_RDONLY); os.read(fd, 65536); os.close(fd)
        ts = [threading.Thread(target=w, args=(fs[i::4],)) for i in range(4)]
        [t.start() for t in ts]; [t.join() for t in ts]
    @bench("readdir_big_ls")
    def _():
        for _ in range(5): os.listdir(m + "/bigdir")
    @bench("readdir_big_stat")
    def _():
        for e in os.scandir(m + "/bigdir"): e.stat(follow_symlinks=False)
    @bench("tar_x")
    def _(): sh(["tar", "-C", W, "-xf", m + "/srcA.tar"])
    @bench("tar_c")
    def _(): sh(f"tar -C {W} -cf - srcA | cat > /dev/null")
    @bench("cp_a")
    def _(): sh(["cp", "-a", m + "/srcA", W + "/cpA"])
    @bench("rm_rf_upper")
    def _(): sh(["rm", "-rf", W + "/cpA"])
    @bench("rm_rf_lower")
    def _(): sh(["rm", "-rf", m + "/srcC"])
    if os.path.isdir(m + "/srcD/.git"):
        g = ["git", "-c", "safe.directory=*", "-C", m + "/srcD"]
        @bench("git_status_first")
        def _(): sh(g + ["status", "--porcelain"])
        @bench("git_status_x5")
        def _():
            for _ in range(5): sh(g + ["status", "--porcelain"])
    @bench("rename_lower_2k")
    def _():
        for e in sorted(os.listdir(m + "/ren")): os.rename(f"{m}/ren/{e}", f"{m}/ren/r-{e}")
    @bench("rename_dir_lower")
    def _(): os.rename(m + "/srcB/d00", m + "/srcB/d00-renamed")
    @bench("hardlink_lower_2k")
    def _():
        for e in sorted(os.listdir(m + "/lnk")): os.link(f"{m}/lnk/{e}", f"{m}/lnk/l-{e}")
    @bench("copyup_small_2k")
    def _():
        for e in sorted(os.listdir(m + "/srcD/d01/s001") * 1 + []):
            with open(f"{m}/srcD/d01/s001/{e}", "ab") as f: f.write(b"x")
        for d in range(2, 20):
            for s in (sorted(os.listdir(f"{m}/srcD/d{d:02d}"))[:3] if os.path.isdir(f"{m}/srcD/d{d:02d}") else []):
                for e in os.listdir(f"{m}/srcD/d{d:02d}/{s}"):
                    with open(f"{m}/srcD/d{d:02d}/{s}/{e}", "ab") as f: f.write(b"x")
    @bench("chmod_256M_lower")
    def _(): os.chmod(m + "/chmod.dat", 0o640)
    @bench("copyup_1G")
    def _():
        with open(m + "/big.dat", "ab") as f: f.write(b"x")
    @bench("fsync_300")
    def _():
        fd = os.open(W + "/fs.dat", os.O_CREAT | os.O_WRONLY)
        for _ in range(300): os.write(fd, b"z" * 4096); os.fsync(fd)
        os.close(fd)
    if shutil.which("fio"):
        rf = m + "/read.dat"; rs = os.path.getsize(rf) >> 20
        for nm, rw, bs in (("seqread_1m", "read", "1m"), ("seqread_128k", "read", "128k"), ("seqread_4k", "read", "4k")):
            @bench(nm + "_MBps")
            def _():
                fio(W, nm, rw, bs, rs, rf); return fio(W, nm, rw, bs, rs, rf)[0]
        @bench("randread_4k_cold_iops")
        def _(): return fio(W, "rr", "randread", "4k", rs, rf, ["--io_size=128M", "--fadvise_hint=random"])[1]
        @bench("randread_4k_warm_iops")
        def _():
            sh(["cat", rf]); return fio(W, "rr", "randread", "4k", rs, rf, ["--io_size=512M", "--invalidate=0"])[1]
        @bench("mmap_read_MBps")
        def _():
            return fio(W, "mm", "read", "4k", os.path.getsize(m + "/map.dat") >> 20, m + "/map.dat", ["--ioengine=mmap"])[0]
        for nm, rw, bs in (("seqwrite_1m", "write", "1m"), ("seqwrite_128k", "write", "128k"), ("seqwrite_4k", "write", "4k"),
                           ("randwrite_4k", "randwrite", "4k")):
            @bench(nm + "_MBps")
            def _():
                v = fio(W, nm, rw, bs, fsmb)[0]; os.unlink(W + "/fio." + nm); return v
        @bench("mmap_write_MBps")
        def _():
            v = fio(W, "mw", "randwrite", "4k", min(128, fsmb), None, ["--ioengine=mmap"])[0]; os.unlink(W + "/fio.mw"); return v
    @bench("exec_500")
    def _():
        c = [m + "/rt/ld.so", "--library-path", m + "/rt", m + "/rt/true"]
        for _ in range(500):
            pid = os.posix_spawn(c[0], c, {}); os.waitpid(pid, 0)
    @bench("python_start_10")
    def _():
        env = dict(os.environ, PYTHONPATH=m + "/rt/pystd", PYTHONDONTWRITEBYTECODE="1")
        for _ in range(10):
            sh([sys.executable, "-c", "import json,argparse,asyncio,unittest,email.message,http.client,xml.dom.minidom,sqlite3"], env=env)

def table(files, cpu=False):
    runs = {}
    for f in files:
        j = json.load(open(f)); runs.setdefault(j["name"], []).append(j["cpu"] if cpu else j["r"])
    order = list(runs)
    keys = []
    for n in order:
        for r in runs[n]:
            for k in r:
                if k not in keys: keys.append(k)
    best = {}
    for n in order:
        for k in keys:
            vs = [r[k] for r in runs[n] if isinstance(r.get(k), (int, float))]
            if vs: best[n, k] = (max if (not cpu and k.endswith(("_MBps", "_iops"))) else min)(vs)
            else: best[n, k] = next((r[k] for r in runs[n] if k in r), None)
    print("| benchmark | " + order[0] + " | " + " | ".join(f"{n} (x slower)" for n in order[1:]) + " |")
    print("|---|" + "---:|" * len(order))
    for k in keys:
        b = best[order[0], k]; row = []
        for n in order[1:]:
            v = best[n, k]
            if not isinstance(v, (int, float)) or not isinstance(b, (int, float)): row.append(str(v)[:40]); continue
            row.append("-" if not b or not v else f"{(b / v if k.endswith(('_MBps', '_iops')) else v / b):.2f}")
        print(f"| {k} | {b if not isinstance(b, float) else f'{b:.3f}' if b < 100 else f'{b:.0f}'} | " + " | ".join(row) + " |")

if __name__ == "__main__":
    ap = argparse.ArgumentParser(); ap.add_argument("cmd"); ap.add_argument("paths", nargs="+")
    ap.add_argument("-o"); ap.add_argument("--name", default="x"); ap.add_argument("--only")
    ap.add_argument("--scale", type=float, default=1.0); ap.add_argument("--fs-size", type=int, default=256)
    a = ap.parse_args()
    if a.cmd == "prepare": prepare(a.paths[0], a.scale)
    elif a.cmd == "table": table(a.paths)
    elif a.cmd == "table-cpu": table(a.paths, True)
    else:
        ONLY = a.only.split(",") if a.only else None
        run(a.paths[0], a.scale, a.fs_size)
        json.dump({"name": a.name, "r": R, "cpu": CPU}, open(a.o, "w") if a.o else sys.stdout, indent=1)
