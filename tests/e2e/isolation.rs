//! What a container is kept from, and what it is given: namespaces, capabilities, seccomp, masked paths, devices.

use crate::support::images::{Image, Tar};
use crate::support::is_root;
use crate::support::registry::Registry;

#[test]
fn namespaces_are_its_own() {
    let env = ready!(busybox);
    for name in ["user", "mnt", "pid", "ipc", "uts", "cgroup", "net"] {
        let ours = std::fs::read_link(format!("/proc/self/ns/{name}")).expect("a namespace");
        let theirs = env
            .coracle(&format!("run --rm --network none IMAGE readlink /proc/self/ns/{name}"))
            .succeeds()
            .line()
            .to_owned();
        assert!(theirs.starts_with(&format!("{name}:[")), "{theirs}");
        // Root maps ids one to one and may keep its user namespace.
        assert!(theirs != ours.to_string_lossy() || (name == "user" && is_root()), "{name} is shared with the host");
    }
}

#[test]
fn two_containers_share_no_namespace() {
    let env = ready!(busybox);
    let (first, second) = (env.run_detached("IMAGE sleep 1000"), env.run_detached("IMAGE sleep 1000"));
    for name in ["user", "mnt", "pid", "ipc", "uts", "cgroup", "net"] {
        let of = |id: &str| env.coracle(&format!("exec {id} readlink /proc/self/ns/{name}")).succeeds().stdout;
        assert!(of(&first) != of(&second) || (name == "user" && is_root()), "{name} is shared");
    }
}

#[test]
fn it_is_process_1_and_sees_only_its_own() {
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE sh -c 'echo $$; ls /proc | grep -c \"^[0-9]\"'").succeeds().stdout_has("1\n");
    let output = env.coracle("run --rm IMAGE sh -c 'ls -d /proc/[0-9]* | wc -l'").succeeds();
    let count: u32 = output.line().trim().parse().expect("a number");
    assert!(count <= 3, "{count} processes are visible");
}

#[test]
fn root_inside_is_the_user_outside() {
    let env = ready!(busybox);
    let id = env.run_detached("IMAGE sleep 1000");
    let status = std::fs::read_to_string(format!("/proc/{}/status", env.pid(&id))).expect("it runs");
    let uid = status.lines().find(|line| line.starts_with("Uid:")).expect("a user");
    assert!(uid.contains(&format!("\t{}\t", nix::unistd::getuid())), "{uid}");
    env.coracle(&format!("exec {id} id -u")).succeeds().stdout_is("0\n");
    // Other users are subordinate ids, 65,536 of them and the user's own.
    env.coracle("run --rm -u 65535 IMAGE id -u").succeeds().stdout_is("65535\n");
}

#[test]
fn capabilities_are_dockers_default_set() {
    let env = ready!(busybox);
    let output = env.coracle("run --rm IMAGE cat /proc/self/status").succeeds();
    for wanted in [
        "CapEff:\t00000000a80425fb",
        "CapPrm:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
    ] {
        assert!(output.stdout.contains(wanted), "{wanted} is not in\n{}", output.stdout);
    }
    let output = env.coracle("run --rm -u user IMAGE cat /proc/self/status").succeeds();
    for wanted in ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapBnd:\t00000000a80425fb"] {
        assert!(output.stdout.contains(wanted), "{wanted} is not in\n{}", output.stdout);
    }
}

#[test]
fn seccomp_filters_and_privileges_can_be_given_up() {
    let env = ready!(busybox);
    let output = env.coracle("run --rm IMAGE cat /proc/self/status").succeeds();
    assert!(output.stdout.contains("Seccomp:\t2"), "{}", output.stdout);
    assert!(output.stdout.contains("NoNewPrivs:\t0"), "{}", output.stdout);
    env.coracle("run --rm --security-opt no-new-privileges IMAGE grep NoNewPrivs /proc/self/status")
        .succeeds()
        .stdout_is("NoNewPrivs:\t1\n");
}

#[test]
fn dangerous_calls_are_refused() {
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE mount -t tmpfs none /tmp").fails().stderr_has("permi");
    env.coracle("run --rm IMAGE mount -o remount,rw /proc/sys").fails();
    env.coracle("run --rm IMAGE umount /proc").fails();
    env.coracle("run --rm IMAGE unshare -U true").fails().stderr_has("not permitted");
    env.coracle("run --rm IMAGE hostname changed").fails().stderr_has("not permitted");
    env.coracle("run --rm IMAGE mknod /tmp/sda b 8 0").fails();
    env.coracle("run --rm IMAGE date -s 2020-01-01").stderr_has("not permitted");
}

#[test]
fn the_kernels_knobs_are_masked_or_read_only() {
    let env = ready!(busybox);
    for path in ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug"] {
        env.coracle(&format!("run --rm IMAGE sh -c 'if [ -e {path} ]; then cat {path}; fi'")).succeeds().stdout_is("");
    }
    for path in ["/proc/acpi", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"] {
        env.coracle(&format!("run --rm IMAGE sh -c 'if [ -e {path} ]; then ls {path}; fi'")).succeeds().stdout_is("");
    }
    for path in ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/sys/vm/swappiness"] {
        env.coracle(&format!(
            "run --rm IMAGE sh -c 'test -e {path} || echo read-only file system >&2; echo 1 >{path}'"
        ))
        .fails()
        .stderr_has("read-only file system");
    }
    env.coracle("run --rm IMAGE sh -c 'mkdir /sys/fs/cgroup/x'").fails();
}

#[test]
fn devices_are_few_and_work() {
    let env = ready!(busybox);
    let output = env.coracle("run --rm IMAGE ls /dev").succeeds();
    let mut devices = output.lines();
    devices.retain(|name| !matches!(*name, "console" | "core"));
    assert_eq!(
        devices,
        [
            "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
            "urandom", "zero"
        ]
    );
    env.coracle(
        "run --rm IMAGE sh -c 'echo x >/dev/null; head -c 4 /dev/zero | wc -c; head -c 9 /dev/urandom | wc -c'",
    )
    .succeeds()
    .stdout_is("4\n9\n");
    env.coracle("run --rm IMAGE sh -c 'echo x >/dev/full'").fails_with(1).stderr_has("no space left");
    env.coracle("run --rm IMAGE grep /dev/shm /proc/mounts").succeeds().stdout_has("size=65536k");
}

#[test]
fn no_network_is_a_loopback_device() {
    let env = ready!(busybox);
    env.coracle("run --rm --network none IMAGE ls /sys/class/net").succeeds().stdout_is("lo\n");
    env.coracle("run --rm --net=none IMAGE ip -o addr show lo").succeeds().stdout_has("127.0.0.1/8");
    env.coracle("run --rm --network none IMAGE ping -c 1 -W 5 127.0.0.1").succeeds();
    env.coracle("run --rm --network none IMAGE ping -c 1 -W 5 localhost").succeeds();
}

#[test]
fn the_hosts_network_on_request() {
    let env = ready!(busybox);
    let ours = std::fs::read_link("/proc/self/ns/net").expect("a namespace");
    env.coracle("run --rm --network host IMAGE readlink /proc/self/ns/net")
        .succeeds()
        .stdout_is(&format!("{}\n", ours.display()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let client = env.command(&format!("run --rm --network host IMAGE nc -w 5 127.0.0.1 {port}")).spawn();
    let (mut stream, _) = listener.accept().expect("the container connects");
    std::io::Write::write_all(&mut stream, b"hello\n").expect("a connection");
    drop(stream);
    client.wait().succeeds().stdout_is("hello\n");
}

#[test]
fn unknown_networks_are_refused() {
    let env = ready!(busybox);
    env.coracle("run --rm --network nosuch IMAGE true").fails_with(125).explains().stderr_has("nosuch");
}

#[test]
fn setuid_programs_work_unless_forbidden() {
    let env = ready!(debian);
    env.coracle("run --rm -u 1000 DEBIAN setuid-id -u").succeeds().stdout_is("0\n");
    env.coracle("run --rm -u 1000 --security-opt no-new-privileges DEBIAN setuid-id -u").succeeds().stdout_is("1000\n");
    env.coracle("run --rm DEBIAN su -s /bin/sh nobody -c id").succeeds().stdout_has("uid=65534(nobody)");
}

#[test]
fn links_of_the_image_do_not_lead_our_own_files_out() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let outside = env.write("outside", "untouched\n");
    // What we write into every container: each is a link to a file of the host here.
    let target = outside.to_string_lossy().into_owned();
    let mut layer = Tar::new().directory("etc");
    for name in ["etc/hosts", "etc/hostname", "etc/resolv.conf"] {
        layer = layer.symlink(name, &target);
    }
    let name = registry.push(&Image::busybox().layer(layer), "trap");
    let _ = env.coracle(&format!("run --rm --hostname box {name} true"));
    assert_eq!(std::fs::read_to_string(&outside).expect("still there"), "untouched\n");
}

#[test]
fn our_executable_cannot_be_reached_for_writing() {
    let env = ready!(busybox);
    let before = std::fs::read(env.program()).expect("readable");
    let id = env.run_detached("--init IMAGE sleep 1000");
    // runc's CVE-2019-5736: overwrite the runtime through /proc/PID/exe.
    let _ =
        env.coracle(&format!("exec {id} sh -c 'for exe in /proc/[0-9]*/exe; do echo x 2>/dev/null >$exe; done; true'"));
    let registry = Registry::start();
    let name = registry.push(&Image::busybox().layer(Tar::new().symlink("entry", "/proc/self/exe")), "exe");
    let _ = env.coracle(&format!("run --rm {name} /entry"));
    let _ = env.coracle(&format!("run --rm {name} sh -c 'echo x >/proc/1/exe; echo x >/proc/self/exe'"));
    assert!(std::fs::read(env.program()).expect("readable") == before, "the executable was changed");
}

#[test]
fn no_descriptor_of_ours_is_left_open() {
    let env = ready!(busybox);
    // 0, 1, 2, and the directory that `ls` reads.
    env.coracle("run --rm IMAGE ls /proc/self/fd").succeeds().stdout_is("0\n1\n2\n3\n");
    let id = env.run_detached("IMAGE sleep 1000");
    env.coracle(&format!("exec {id} ls /proc/self/fd")).succeeds().stdout_is("0\n1\n2\n3\n");
    env.coracle(&format!("exec {id} ls /proc/1/fd")).succeeds().stdout_is("0\n1\n2\n");
}

/// As docker and rootless podman: the host's devices are there, and may be used by whom their owner and mode allow.
#[test]
fn devices_of_the_host() {
    let env = ready!(busybox);
    let list = "run --rm --network none {} IMAGE sh -c 'find /dev -type c; test -c /dev/fuse && : <>/dev/fuse && echo opened; true'";
    let run = |options: &str| env.coracle(&list.replace("{}", options));
    run("").stdout_lacks("/dev/fuse").stdout_lacks("opened");
    run("--device /dev/fuse").succeeds().stdout_has("/dev/fuse\n").stdout_has("opened");
    run("--privileged").succeeds().stdout_has("/dev/fuse\n").stdout_has("/dev/net/tun\n").stdout_has("opened");
    let renamed = "run --rm --network none --device /dev/zero:/dev/nested/name:rwm IMAGE head -c 3 /dev/nested/name";
    env.coracle(renamed).succeeds().stdout_is("\0\0\0");
    env.coracle("create --name one --device /dev/net IMAGE true").succeeds();
    let shown = "{{range .HostConfig.Devices}}{{.PathOnHost}} {{.PathInContainer}} {{.CgroupPermissions}}{{end}}";
    assert_eq!(env.inspect("one", shown), "/dev/net/tun /dev/net/tun rwm");
    for (wrong, said) in [
        ("/dev/nosuch", "no such file"),
        ("/etc/passwd", "not a device node"),
        ("/dev/null:/dev/x:r", "cannot be enforced"),
        ("vendor.com/net=eth0", "CDI"),
        ("null", "absolute"),
    ] {
        env.coracle(&format!("run --rm --device {wrong} IMAGE true")).fails_with(125).explains().stderr_has(said);
    }
}

#[test]
fn the_kernels_files_are_masked_as_asked() {
    let env = ready!(busybox);
    let run = |options: &str, script: &str| {
        env.coracle(&format!("run --rm --network none {options} IMAGE sh -c '{script}'")).succeeds().stdout
    };
    let look = "wc -c </proc/interrupts; wc -c </proc/uptime; grep -c \" /proc/sys \" /proc/self/mountinfo; true";
    let sizes = |options: &str| -> Vec<bool> { run(options, look).lines().map(|line| line.trim() != "0").collect() };
    // Whether there is something in each, and whether /proc/sys is a mount of its own.
    assert_eq!(sizes(""), [false, true, true]);
    assert_eq!(sizes("--security-opt unmask=/proc/interrupts"), [true, true, true]);
    assert_eq!(sizes("--security-opt systempaths=unconfined --security-opt mask=/proc/uptime"), [true, false, false]);
    env.coracle("create --name one --security-opt unmask=ALL IMAGE true").succeeds();
    assert_eq!(env.inspect("one", "{{len .HostConfig.MaskedPaths}} {{len .HostConfig.ReadonlyPaths}}"), "0 0");
    env.coracle("run --rm --security-opt mask=/etc/passwd IMAGE true").fails_with(125).explains();
}
