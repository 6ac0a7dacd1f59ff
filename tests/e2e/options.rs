//! Options about what a container's processes get of the kernel: settings, groups, masks, execution domains, time zones, inits.

use std::fs;
use std::path::Path;

use crate::support::images::{Image, Tar};
use crate::support::registry::Registry;
use crate::support::{skip, which};

#[test]
fn settings_of_the_kernel_are_the_containers_own() {
    let env = ready!(busybox);
    let show = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/accept_redirects";
    let options = "--sysctl net.ipv4.ip_forward=1 --sysctl net/ipv4/conf/all/accept_redirects=1";
    env.coracle(&format!("run --rm {options} IMAGE {show}")).succeeds().stdout_is("1\n1\n");
    // coracle's own defaults come first.
    let port = "net.ipv4.ip_unprivileged_port_start";
    let file = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    env.coracle(&format!("run --rm --sysctl {port}=1000 --network none IMAGE cat {file}"))
        .succeeds()
        .stdout_is("1000\n");
    let id = env.run_detached(&format!("--sysctl {port}=5 IMAGE sleep 1000"));
    assert_eq!(env.inspect(&id, &format!("{{{{index .HostConfig.Sysctls \"{port}\"}}}}")), "5");
    env.coracle(&format!("restart -t 0 {id}")).succeeds();
    env.coracle(&format!("exec {id} cat {file}")).succeeds().stdout_is("5\n");
}

#[test]
fn settings_of_others_are_refused_by_name() {
    let env = ready!(busybox);
    for (options, reason) in [
        ("--sysctl vm.swappiness=1", "sysctl 'vm.swappiness' is not allowed"),
        ("--sysctl kernel.core_pattern=x", "sysctl 'kernel.core_pattern' is not allowed"),
        ("--sysctl net/../kernel/core_pattern=x", "is not allowed"),
        ("--network host --sysctl net.ipv4.ip_forward=1", "not allowed in host network namespace"),
    ] {
        env.coracle(&format!("run --rm {options} IMAGE true"))
            .fails_with(125)
            .explains()
            .stdout_is("")
            .stderr_has(reason);
    }
    for (option, reason) in [
        ("net.ipv4.frob=1", "cannot set sysctl 'net.ipv4.frob' to `1`"),
        ("net.ipv4.ip_forward=much", "cannot set sysctl 'net.ipv4.ip_forward' to `much`"),
    ] {
        env.coracle(&format!("run --rm --sysctl {option} IMAGE true")).fails_with(125).explains().stderr_has(reason);
    }
}

#[test]
fn groups_are_added_by_name_and_number() {
    let env = ready!(busybox);
    let id = env.run_detached("--group-add staff --group-add 1234 IMAGE sleep 1000");
    for command in ["id -G", "id -G"] {
        env.coracle(&format!("exec {id} {command}")).succeeds().stdout_is("0 50 1234\n");
    }
    env.coracle("run --rm -u 7:8 --group-add 9 IMAGE id -G").succeeds().stdout_is("8 9\n");
    env.coracle("run --rm --group-add nobody-knows IMAGE id")
        .fails()
        .explains()
        .stderr_has("unable to find group `nobody-knows`");
    let both = "run --rm --group-add keep-groups --group-add 7 IMAGE id";
    env.coracle(both).fails_with(125).explains().stderr_has("not allowed with any other");
    assert_eq!(env.inspect(&id, "{{.HostConfig.GroupAdd}}"), "[staff 1234]");
}

#[test]
fn masks_domains_and_words_of_systemd() {
    let env = ready!(busybox);
    let show = "sh -c 'umask; touch /new; stat -c %a /new'";
    env.coracle(&format!("run --rm IMAGE {show}")).succeeds().stdout_is("0022\n644\n");
    let id = env.run_detached("--umask 0077 IMAGE sleep 1000");
    env.coracle(&format!("exec {id} {show}")).succeeds().stdout_is("0077\n600\n");
    env.coracle("run --rm --umask 0888 IMAGE true").fails_with(125).explains().stderr_has("invalid umask `0888`");
    if cfg!(target_arch = "x86_64") {
        env.coracle("run --rm --personality=LINUX32 IMAGE uname -m").succeeds().stdout_is("i686\n");
        env.coracle("run --rm --personality=LINUX IMAGE uname -m").succeeds().stdout_is("x86_64\n");
    }
    let show = "sh -c 'echo $container ${#container_uuid}; grep -c \" /run tmpfs\\| /tmp tmpfs\\| /var/log/journal tmpfs\" /proc/mounts'";
    env.coracle(&format!("run --rm --systemd=always IMAGE {show}")).succeeds().stdout_is("oci 32\n3\n");
    env.coracle(&format!("run --rm IMAGE {show}")).fails().stdout_is("0\n0\n");
    let id = env.coracle("create --systemd=always IMAGE sleep 1000").succeeds().line().to_owned();
    assert_eq!(env.inspect(&id, "{{.Config.StopSignal}}"), "37");
    env.coracle("run --rm --init --systemd=always IMAGE true")
        .fails_with(125)
        .explains()
        .stderr_has("--init and systemd");
}

#[test]
fn the_time_zone_is_the_machines_or_another() {
    if !Path::new("/usr/share/zoneinfo/Asia/Tokyo").exists() {
        return skip("this machine has no time zones (tzdata)");
    }
    let env = ready!(busybox);
    env.coracle("run --rm --tz=Asia/Tokyo IMAGE date +%Z%z").succeeds().stdout_is("JST+0900\n");
    env.coracle("run --rm --tz=Asia/Nowhere IMAGE date")
        .fails_with(125)
        .explains()
        .stderr_has("no time zone `Asia/Nowhere`");
    env.coracle("run --rm --tz=../../../etc/passwd IMAGE date")
        .fails_with(125)
        .explains()
        .stderr_has("invalid time zone");
    // A link of the image is replaced, not followed: its target stays, wherever it leads.
    let outside = env.write("outside", "untouched");
    let tar = Tar::new().symlink("etc/localtime", "/zones/UTC").file("zones/UTC", "the image's own");
    let registry = Registry::start();
    let image = registry.push(&Image::busybox().layer(tar), "zoned");
    let show =
        format!("run --rm --tls-verify=false --read-only --tz=Asia/Tokyo {image} sh -c 'cat /zones/UTC; date +%z'");
    env.coracle(&show).succeeds().stdout_is("the image's own+0900\n");
    let tar = Tar::new().symlink("etc/localtime", &outside.display().to_string());
    let image = registry.push(&Image::busybox().layer(tar), "outside");
    env.coracle(&format!("run --rm --tls-verify=false --tz=Asia/Tokyo {image} date +%z"))
        .succeeds()
        .stdout_is("+0900\n");
    assert_eq!(fs::read_to_string(outside).expect("it is there"), "untouched");
    env.coracle("run --rm --userns=keep-id:uid=1000,gid=1000 --tz=Asia/Tokyo IMAGE stat -c %u:%g /etc/localtime")
        .succeeds()
        .stdout_is("0:0\n");
}

#[test]
fn another_init_is_pid_1() {
    let Some(tini) = which("tini-static") else { return skip("this machine has no tini-static") };
    let env = ready!(busybox);
    let sum = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    let theirs = sum(&env.tool("sha256sum", &[&tini.display().to_string()]).run().succeeds().stdout);
    let run = format!("run --rm --init --init-path {} IMAGE sh -c 'sha256sum /proc/1/exe; echo $$'", tini.display());
    let output = env.coracle(&run).succeeds();
    assert_eq!((sum(&output.stdout), output.lines()[1] != "1"), (theirs, true), "{}", output.stdout);
    env.coracle("run --rm --init --init-path /absent IMAGE true").fails_with(125).explains().stderr_has("/absent");
}

#[test]
fn devices_by_pattern_and_rules_that_allow() {
    let env = ready!(busybox);
    env.argv(&["run", "--rm", "--device", "/dev/zer[o]:/dev/x", &env.image(), "head", "-c1", "/dev/x/zero"])
        .succeeds()
        .stdout_is("\0");
    env.argv(&["run", "--rm", "--device", "/dev/absent*", &env.image(), "true"])
        .fails_with(125)
        .explains()
        .stderr_has("no device fits the pattern `/dev/absent*`");
    let id = env.argv(&["create", "--device-cgroup-rule", "c 189:* rmw", &env.image()]).succeeds().line().to_owned();
    assert_eq!(env.inspect(&id, "{{.HostConfig.DeviceCgroupRules}}"), "[c 189:* rmw]");
    env.argv(&["run", "--device-cgroup-rule", "189", &env.image()])
        .fails_with(125)
        .stderr_has("invalid device cgroup format");
    if !Path::new("/sys/kernel/security/apparmor/profiles").exists() {
        env.coracle("run --rm --security-opt apparmor=strict IMAGE true")
            .fails_with(125)
            .explains()
            .stderr_has("no AppArmor");
    }
}

/// A program for 64-bit arm that prints `text` and ends with code 7: write(2) and exit(2) as Linux has them there.
fn arm_program(text: &str) -> Vec<u8> {
    const START: u64 = 0x40_0000;
    let move_to = |register: u32, value: u32| 0xd280_0000 | value << 5 | register;
    let code = [
        move_to(8, 64),
        move_to(0, 1),
        // adr x1, to behind the code: 8 instructions, of which this is the third.
        0x1000_0001 | (6 << 5),
        move_to(2, u32::try_from(text.len()).expect("short")),
        0xd400_0001,
        move_to(8, 93),
        move_to(0, 7),
        0xd400_0001,
    ];
    let length = 120 + 4 * code.len() as u64 + text.len() as u64;
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // Executable, for arm64; entry, program headers, no sections.
    bytes.extend([2u16, 183].iter().flat_map(|half| half.to_le_bytes()));
    bytes.extend(1u32.to_le_bytes());
    bytes.extend([START + 120, 64, 0].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(0u32.to_le_bytes());
    bytes.extend([64u16, 56, 1, 64, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    // One segment, to be read and executed.
    bytes.extend([1u32, 5].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend([0, START, START, length, length, 0x1000].iter().flat_map(|word: &u64| word.to_le_bytes()));
    bytes.extend(code.iter().flat_map(|instruction| instruction.to_le_bytes()));
    bytes.extend(text.as_bytes());
    bytes
}

#[test]
fn programs_of_another_architecture_run_in_an_emulator() {
    if cfg!(target_arch = "aarch64") || which("qemu-aarch64-static").is_none() {
        return skip("this machine has no qemu-aarch64-static, or needs none");
    }
    let env = ready!(busybox);
    let tar = Tar::new().entry("arm", tar::EntryType::Regular, 0o755, (0, 0), "", &arm_program("from arm\n"));
    let image = Image::busybox().set_top("architecture", "arm64".into()).layer(tar);
    let registry = Registry::start();
    let image = registry.push(&image, "arm");
    env.coracle(&format!("pull -q --tls-verify=false --platform linux/arm64 {image}")).succeeds();
    let run = env.coracle(&format!("run --rm --platform linux/arm64 {image} /arm"));
    if run.stderr.contains("since Linux 6.7") {
        return skip("this kernel has no emulators of ordinary users");
    }
    run.fails_with(7).stdout_is("from arm\n");
    // Its own programs, exec and the init know the emulator, too.
    let id = env.run_detached(&format!("--init {image} sleep 1000"));
    env.coracle(&format!("exec {id} /arm")).fails_with(7).stdout_is("from arm\n");
    env.coracle(&format!("exec {id} sh -c '/arm; echo $?'")).succeeds().stdout_is("from arm\n7\n");
    // It is the container's alone, and nobody there can change it.
    let show =
        "sh -c 'cat /proc/sys/fs/binfmt_misc/coracle-aarch64 | head -2; echo -1 >/proc/sys/fs/binfmt_misc/status'";
    let output = env.coracle(&format!("exec {id} {show}")).fails();
    assert_eq!(output.stdout, "enabled\ninterpreter /usr/bin/qemu-aarch64-static\n");
    assert!(output.stderr.contains("Read-only"), "{}", output.stderr);
    let own = env.run_detached("IMAGE sleep 1000");
    env.coracle(&format!("exec {own} ls /proc/sys/fs/binfmt_misc")).succeeds().stdout_lacks("coracle");
    env.write("Dockerfile", format!("FROM {image}\nRUN /arm; test $? = 7 && touch /ran\n"));
    let context = env.file("").display().to_string();
    env.coracle(&format!("build -q --platform linux/arm64 -t built -f {context}/Dockerfile {context}")).succeeds();
    env.coracle("run --rm built ls /ran").succeeds().stdout_is("/ran\n");
}
