#!/usr/bin/env python3
"""Overlay-semantics probe: semantics.py prepare LOWER | semantics.py run MERGED LOWER   (one line per property, as root in the userns)"""
import ctypes, errno, fcntl, mmap, os, select, socket, stat, struct, sys
L = ctypes.CDLL(None, use_errno=True)
def renameat2(a, b, fl):
    if L.syscall(316, -100, a.encode(), -100, b.encode(), fl): raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def w(p, s="lower"):
    with open(p, "w") as f: f.write(s)
def prepare(l):
    os.makedirs(l + "/dir/sub"); os.makedirs(l + "/odir"); os.makedirs(l + "/dir2")
    for n in "ro ino hl1 ex1 ex2 wh mm lock unl noti cap acl suid ren wo at".split(): w(l + "/" + n)
    os.link(l + "/hl1", l + "/hl2"); w(l + "/dir/f"); w(l + "/odir/old"); os.mkfifo(l + "/fifo")
    os.setxattr(l + "/cap", "user.foo", b"bar"); os.chmod(l + "/suid", 0o4755)
    s = socket.socket(socket.AF_UNIX); s.bind(l + "/sock")
    with open(l + "/sparse", "wb") as f: f.truncate(64 << 20); f.seek(32 << 20); f.write(b"x" * 4096)
def run(m, l):
    T = {}
    def t(name, f):
        try: r = f()
        except OSError as e: r = errno.errorcode.get(e.errno, str(e))
        except Exception as e: r = type(e).__name__ + ": " + str(e)[:60]
        print(f"{name:44s} {r}")
    def stale():
        fd = os.open(m + "/ro", os.O_RDONLY); os.pread(fd, 5, 0); w(m + "/ro", "UPPER"); return "fresh" if os.pread(fd, 5, 0) == b"UPPER" else "STALE"
    t("O_RDONLY fd opened before copy-up sees write", stale)
    def ino():
        a = os.stat(m + "/ino"); fd = os.open(m + "/ino", os.O_RDONLY); os.chmod(m + "/ino", 0o600); b = os.stat(m + "/ino"); c = os.fstat(fd)
        return f"{'same' if (a.st_ino, a.st_dev) == (b.st_ino, b.st_dev) else 'CHANGED'}; open fd {'same' if c.st_ino == b.st_ino else 'DIFFERS'}"
    t("st_dev/st_ino across copy-up", ino)
    t("one st_dev for files and dirs", lambda: os.stat(m + "/wh").st_dev == os.stat(m).st_dev)
    def rdino(): return all(e.inode() == os.lstat(e.path).st_ino for e in os.scandir(m))
    t("readdir d_ino == st_ino", rdino)
    def hl():
        os.chmod(m + "/hl1", 0o600); a, b = os.stat(m + "/hl1"), os.stat(m + "/hl2")
        w(m + "/hl1", "NEW"); return f"nlink {a.st_nlink}/{b.st_nlink}, {'same inode' if a.st_ino == b.st_ino else 'BROKEN'}, data {'shared' if open(m + '/hl2').read() == 'NEW' else 'SPLIT'}"
    t("lower hardlink pair after copy-up", hl)
    t("rename lower (merged) directory", lambda: os.rename(m + "/dir2", m + "/dir2r") or "ok")
    t("rename RENAME_EXCHANGE (files)", lambda: renameat2(m + "/ex1", m + "/ex2", 2) or "ok")
    t("rename RENAME_NOREPLACE on existing", lambda: renameat2(m + "/ex1", m + "/ex2", 1) or "SILENTLY REPLACED")
    t("rename RENAME_WHITEOUT", lambda: renameat2(m + "/ren", m + "/ren2", 4) or "ok")
    def opq():
        import shutil; shutil.rmtree(m + "/odir"); os.mkdir(m + "/odir"); return "ok" if os.listdir(m + "/odir") == [] else "OLD CONTENT BACK"
    t("rmdir + mkdir hides lower content (opaque)", opq)
    def tmpf():
        fd = os.open(m + "/dir", os.O_TMPFILE | os.O_RDWR); os.write(fd, b"x"); r = L.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, (m + "/dir/fromtmp").encode(), 0x400); return "ok, linkable" if r == 0 else "opens; link " + errno.errorcode[ctypes.get_errno()]
    t("O_TMPFILE", tmpf)
    def mm():
        fd = os.open(m + "/mm", os.O_RDWR); q = mmap.mmap(fd, 5); q[0:5] = b"MMAP!"; r = os.pread(fd, 5, 0) == b"MMAP!"; os.pwrite(fd, b"PWRIT", 0); return "coherent" if r and q[0:5] == b"PWRIT" else "NOT COHERENT"
    t("mmap(MAP_SHARED) vs read/write", mm)
    def romap():
        fd = os.open(m + "/wo", os.O_RDONLY); q = mmap.mmap(fd, 5, prot=mmap.PROT_READ); q[0]; w(m + "/wo", "UPPER"); return "fresh" if q[0:5] == b"UPPER" else "STALE"
    t("read-only mapping made before copy-up", romap)
    def lock():
        a = os.open(m + "/lock", os.O_RDONLY); fcntl.flock(a, fcntl.LOCK_EX); pid = os.fork()
        if pid == 0:
            try: b = os.open(m + "/lock", os.O_RDWR); fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB); os._exit(1)
            except OSError: os._exit(0)
        return "excluded" if os.waitpid(pid, 0)[1] == 0 else "LOCK LOST ACROSS COPY-UP"
    t("flock held on RO fd, other opens RDWR", lock)
    def unl():
        fd = os.open(m + "/unl", os.O_RDWR); os.unlink(m + "/unl"); os.write(fd, b"abc"); os.fchmod(fd, 0o600); return f"ok size {os.fstat(fd).st_size} nlink {os.fstat(fd).st_nlink}"
    t("write/fchmod/fstat on open-unlinked file", unl)
    def noti():
        i = L.inotify_init1(0o4000); L.inotify_add_watch(i, (m + "/noti").encode(), 2); w(m + "/noti", "zz"); return "event" if select.select([i], [], [], .2)[0] else "NO EVENT"
    t("inotify watch set on lower file sees write", noti)
    t("user xattr from lower", lambda: os.getxattr(m + "/cap", "user.foo"))
    def cap():
        os.setxattr(m + "/cap", "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)); return f"ok {len(os.getxattr(m + '/cap', 'security.capability'))} bytes; user.foo kept: {'user.foo' in os.listxattr(m + '/cap')}"
    t("set security.capability", cap)
    def acl():
        os.setxattr(m + "/acl", "system.posix_acl_access", struct.pack("<IHHIHHIHHIHHIHHI", 2, 1, 6, 0xffffffff, 2, 4, 1000, 4, 4, 0xffffffff, 16, 4, 0xffffffff, 32, 4, 0xffffffff)); return "ok"
    t("set POSIX ACL", acl)
    def suid():
        before = os.stat(m + "/suid").st_mode & 0o7777; pid = os.fork()
        os.chmod(m + "/suid", 0o4777) if pid else None
        if pid == 0:
            import time; time.sleep(.1); os.setgid(1); os.setuid(1); f = os.open(m + "/suid", os.O_WRONLY); os.write(f, b"x"); os._exit(0)
        os.waitpid(pid, 0); return f"{before:o} -> {os.stat(m + '/suid').st_mode & 0o7777:o}"
    t("setuid bit cleared by non-owner write", suid)
    t("chown to unmapped id 70000", lambda: os.chown(m + "/at", 70000, 70000) or "ok")
    t("mknod char 1:3", lambda: os.mknod(m + "/null", stat.S_IFCHR | 0o666, os.makedev(1, 3)) or "ok")
    t("mknod char 0:0", lambda: os.mknod(m + "/zero", stat.S_IFCHR | 0o666, 0) or f"ok visible={os.path.lexists(m + '/zero')}")
    t("fifo from lower is a fifo", lambda: stat.S_ISFIFO(os.lstat(m + "/fifo").st_mode))
    def sk():
        s = socket.socket(socket.AF_UNIX); s.bind(m + "/newsock"); s.listen(1); c = socket.socket(socket.AF_UNIX); c.connect(m + "/newsock"); return "ok"
    t("unix socket bind+connect", sk)
    def sp():
        with open(m + "/sparse", "ab") as f: f.write(b"y")
        s = os.stat(m + "/sparse"); return f"{s.st_blocks * 512 >> 20} MiB of {s.st_size >> 20}"
    t("sparse file after copy-up", sp)
    def seek(): fd = os.open(m + "/sparse", os.O_RDONLY); return os.lseek(fd, 0, os.SEEK_DATA) == 32 << 20
    t("SEEK_DATA/SEEK_HOLE", seek)
    t("fallocate PUNCH_HOLE", lambda: (lambda fd: "ok" if L.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(4096)) == 0 else errno.errorcode[ctypes.get_errno()])(os.open(m + "/ino", os.O_RDWR)))
    t("statfs type / free > 0", lambda: os.statvfs(m).f_bavail > 0)
    t("whiteout visible in merged", lambda: os.unlink(m + "/wh") or ("hidden" if "wh" not in os.listdir(m) else "VISIBLE"))
    t(".wh.foo as an ordinary name", lambda: w(m + "/.wh.foo") or ("ok" if ".wh.foo" in os.listdir(m) else "HIDDEN"))
    t("user.overlay.opaque settable by user", lambda: os.setxattr(m + "/dir", "user.overlay.opaque", b"y") or f"ok; dir still merged: {'f' in os.listdir(m + '/dir')}")
    t("name_to_handle_at", lambda: (lambda b: "ok" if L.name_to_handle_at(-100, (m + "/dir").encode(), b, ctypes.byref(ctypes.c_int()), 0) == 0 else errno.errorcode[ctypes.get_errno()])(ctypes.create_string_buffer(struct.pack("<Ii", 128, 0) + b"\0" * 128)))
    t("O_DIRECT open", lambda: os.close(os.open(m + "/ex1", os.O_RDONLY | os.O_DIRECT)) or "ok")
if __name__ == "__main__": prepare(sys.argv[2]) if sys.argv[1] == "prepare" else run(sys.argv[2], sys.argv[3])
