"""What the benchmarks stand on: an unprivileged user with fresh directories, a registry, coracle and podman in them,
timing of processes, and tables.

Everything is measured in one run, round by round in turn, so that all tools see the same machine. Python 3 alone.
"""

import os
import platform
import pwd
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
BUILT = os.path.join(HERE, "../../target/x86_64-unknown-linux-gnu/release/coracle")


def need(*tools):
    """Ends with a message when a tool is not installed."""
    missing = [tool for tool in tools if not shutil.which(tool, path=PATH)]
    if missing:
        sys.exit(f"not installed: {' '.join(missing)} (Debian: apt-get install uidmap podman crun bubblewrap conmon "
                 "busybox-static docker-registry skopeo umoci)")


def become_user(arguments, binary):
    """Started by root: starts the benchmark again as an unprivileged user, where /sys/fs/cgroup is cgroup v2's.

    The scripts and the binary are copied to a directory that the user can read."""
    if not os.access(binary, os.X_OK):
        sys.exit(f"no {binary}: build it first (cargo build --release), or name another with --binary")
    if os.getuid() != 0:
        return
    name = os.environ.get("SUDO_USER") or os.environ.get("CORACLE_TEST_USER") or "coracle-test"
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        sys.exit(f"no user {name}: `sh tests/run e2e` makes one, or name another in CORACLE_TEST_USER")
    work = tempfile.mkdtemp(prefix="coracle-bench.", dir="/var/tmp")
    shutil.copytree(HERE, os.path.join(work, "bench"))
    shutil.copytree(os.path.join(HERE, "../../tests/support"), os.path.join(work, "support"))
    shutil.copy(binary, os.path.join(work, "coracle"))
    subprocess.run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", work], check=True)
    os.chmod(work, 0o755)
    command = ["sh", os.path.join(work, "bench/cgroup2-view"), "setpriv", f"--reuid={user.pw_uid}",
               f"--regid={user.pw_gid}", "--init-groups", "--inh-caps=-all", "env", "-i", f"PATH={PATH}", f"USER={name}",
               f"HOME={user.pw_dir}", "CORACLE_MAKE_IMAGE=" + os.path.join(work, "support/make-image"),
               "python3", os.path.join(work, "bench", os.path.relpath(os.path.realpath(sys.argv[0]), HERE)),
               *arguments, "--binary", os.path.join(work, "coracle")]
    code = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL).returncode
    subprocess.run(["rm", "-rf", work], check=False)
    sys.exit(code)


class World:
    """Fresh directories of one user: home, data, configuration, runtime. Leaving it removes everything."""

    def __init__(self, binary):
        self.binary = os.path.realpath(binary)
        self.root = tempfile.mkdtemp(prefix="coracle-world.", dir="/var/tmp")
        os.chmod(self.root, 0o755)
        for name in ("home", "data", "run", "config/containers"):
            os.makedirs(os.path.join(self.root, name), mode=0o700)
        self.write("config/containers/storage.conf", '[storage]\ndriver = "overlay"\n')
        self.write("config/containers/policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}\n')
        self.write("config/containers/containers.conf",
                   '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n')
        self.environment = {"PATH": PATH, "HOME": self.path("home"), "USER": os.environ.get("USER", "root"), "TZ": "UTC",
                            "XDG_DATA_HOME": self.path("data"), "XDG_CONFIG_HOME": self.path("config"),
                            "XDG_RUNTIME_DIR": self.path("run")}
        self.registries = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for registry in self.registries:
            registry.kill()
            registry.wait()
        for tool in ([self.binary], ["podman"]):
            listed = subprocess.run([*tool, "ps", "-aq"], env=self.environment, capture_output=True, text=True)
            ids = listed.stdout.split()
            if ids:
                force = ["-t", "0"] if tool == ["podman"] else []
                subprocess.run([*tool, "rm", "-f", *force, *ids], env=self.environment, capture_output=True)
        subprocess.run(["podman", "system", "migrate"], env=self.environment, capture_output=True)
        if subprocess.run(["rm", "-rf", self.root], capture_output=True).returncode != 0:
            subprocess.run(["unshare", "--map-auto", "--map-root-user", "rm", "-rf", self.root])

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def call(self, *command, check=True):
        """Runs a command in this world; its standard output. A failure ends the benchmark."""
        done = subprocess.run(command, env=self.environment, cwd=self.root, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise SystemExit(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}exit code {done.returncode}")
        return done.stdout.strip()

    def coracle(self, *arguments, **options):
        return self.call(self.binary, *arguments, **options)

    def podman(self, *arguments, **options):
        return self.call("podman", *arguments, **options)

    def start_registry(self, name="registry"):
        """Starts docker-registry on a port that the kernel chooses; gives its address. Each name is one with blobs of its own."""
        self.write(f"{name}.yml", "version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\n"
                   f"storage: {{filesystem: {{rootdirectory: {self.path(name)}}}}}\n"
                   "http: {addr: '127.0.0.1:0', secret: x}\n")
        log = self.path(f"{name}.log")
        self.registries.append(subprocess.Popen(["docker-registry", "serve", self.path(f"{name}.yml")], env=self.environment,
                                                stdout=subprocess.DEVNULL, stderr=open(log, "w")))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = re.search(r"listening on (127\.0\.0\.1:\d+)", open(log).read())
            if found:
                return found.group(1)
            time.sleep(0.02)
        raise SystemExit("docker-registry does not start:\n" + open(log).read())

    def push(self, layout, name):
        self.call("skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}:latest",
                  f"docker://{name}")

    def timed(self, command):
        """(seconds, exit code, peak resident KiB of the largest process) of one run."""
        quiet = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
        program = shutil.which(command[0], path=PATH) or command[0]
        begun = time.perf_counter()
        pid = os.posix_spawn(program, command, self.environment, file_actions=quiet)
        _, status, usage = os.wait4(pid, 0)
        return time.perf_counter() - begun, os.waitstatus_to_exitcode(status), usage.ru_maxrss


def in_turn(world, commands, rounds, warm=2, after=None):
    """Medians and minima in milliseconds: {name: (median, minimum)}, measured round by round in turn."""
    times = {name: [] for name in commands}
    for number in range(rounds + warm):
        for name, command in commands.items():
            seconds, code, _ = world.timed(command)
            if code != 0:
                raise SystemExit(f"{name} failed with {code}: {' '.join(command)}")
            if number >= warm:
                times[name].append(seconds * 1000)
            if after:
                after(name)
    return {name: (statistics.median(list_), min(list_)) for name, list_ in times.items()}


class Table:
    """Rows of figures beside each other, with ratios to ours, and the budgets that hold or do not."""

    def __init__(self):
        self.rows = []
        self.budgets = []

    def add(self, what, figures, unit="ms"):
        ours = figures.get("coracle", (None, None))[0]
        for name, (median, least) in figures.items():
            ratio = "" if not ours or name == "coracle" else f"{median / ours:.2f} x ours"
            self.rows.append((what, name, f"{median:.2f} {unit}", f"{least:.2f}", ratio))
            what = ""

    def budget(self, text, value, limit):
        self.budgets.append((text, value, limit))

    def show(self):
        print(f"\n{'what':34} {'tool':12} {'median':>12} {'least':>9}  ratio")
        for what, name, median, least, ratio in self.rows:
            print(f"{what:34} {name:12} {median:>12} {least:>9}  {ratio}")
        print(f"\n{'budget':58} {'figure':>9} {'limit':>9}")
        for text, value, limit in self.budgets:
            print(f"{text:58} {value:9.3f} {limit:9.3f}  {'ok' if value <= limit else 'MISSED'}")


def machine():
    """One line on what this was measured on."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal")) >> 20
    load = os.getloadavg()[0]
    versions = []
    for tool in ("podman", "crun", "bwrap"):
        if shutil.which(tool, path=PATH):
            text = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout.split("\n")[0]
            versions.append(text.replace(" version", ""))
    return (f"{os.cpu_count()} x {model}, {memory} GiB, Linux {platform.release()}, load {load:.2f}\n" + ", ".join(versions))
