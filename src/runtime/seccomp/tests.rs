//! Filters against profiles: every filter is run by an interpreter of BPF and compared with a naive reading of its profile,
//! for every call number and for arguments around every value that a rule names.

use std::collections::BTreeSet;
use std::time::Instant;

use proptest::prelude::*;

use super::bpf::SockFilter;
use super::bpf::interpreter::{Data, run};
use super::compile::compile_for;
use super::profile::{Action, Arch, Comparison, Condition, Filter, Host, Profile, Rule, row_of};
use super::syscalls::{NONE, SYSCALLS};
use crate::spec::capabilities::{CapSet, Capability};

const X32_BIT: u32 = 0x4000_0000;
const X86: Host = Host { arch: Some(Arch::X86_64), kernel: (6, 18) };
const ARM: Host = Host { arch: Some(Arch::Aarch64), kernel: (6, 18) };
const ENOSYS: u32 = 0x0005_0026;
const EPERM: u32 = 0x0005_0001;
const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;

/// The profile read as its documentation says it, with no cleverness.
fn naive(profile: &Profile, capabilities: CapSet, host: &Host, data: &Data) -> u32 {
    let listed = |arch: Arch| host.arch == Some(arch) || profile.architectures.contains(&arch);
    let is_x32 = data.arch == Arch::X86_64.audit() && data.nr >= X32_BIT;
    let (arch, number) = match Arch::ALL.into_iter().find(|arch| arch.audit() == data.arch && listed(*arch)) {
        Some(Arch::X86_64) if is_x32 && listed(Arch::X32) => (Arch::X32, data.nr - X32_BIT),
        Some(Arch::X86_64) if is_x32 => return KILL,
        Some(arch) => (arch, data.nr),
        None => return KILL,
    };
    let rules: Vec<&Rule> = profile.rules.iter().filter(|rule| rule.applies(capabilities, host)).collect();
    let number_of = |row: &u16| Some(SYSCALLS[usize::from(*row)].1[arch.column()]).filter(|&number| number != NONE);
    let mine: Vec<&&Rule> =
        rules.iter().filter(|rule| rule.calls.iter().any(|row| number_of(row) == Some(number))).collect();
    if mine.is_empty() {
        let newest =
            rules.iter().flat_map(|rule| rule.calls.iter().filter_map(number_of)).filter(|&n| n < 0xf0000).max();
        let refuses = !matches!(profile.default_action, Action::Allow | Action::Log | Action::Trace(_));
        return match newest {
            Some(newest) if number > newest && refuses => ENOSYS,
            _ => profile.default_action.code(),
        };
    }
    let relevant: Vec<&&Rule> = mine.into_iter().filter(|rule| rule.action != profile.default_action).collect();
    if let Some(always) = relevant.iter().find(|rule| rule.conditions.is_empty()) {
        return always.action.code();
    }
    let width = if matches!(arch, Arch::X86_64 | Arch::Aarch64) { u64::MAX } else { u64::from(u32::MAX) };
    let holds = |condition: &Condition| {
        let argument = data.args[usize::from(condition.argument)] & width;
        match condition.comparison {
            Comparison::NotEqual => argument != condition.value,
            Comparison::Less => argument < condition.value,
            Comparison::LessOrEqual => argument <= condition.value,
            Comparison::Equal => argument == condition.value,
            Comparison::GreaterOrEqual => argument >= condition.value,
            Comparison::Greater => argument > condition.value,
            Comparison::MaskedEqual(mask) => argument & mask == condition.value & mask,
        }
    };
    for rule in relevant {
        let arguments: BTreeSet<u8> = rule.conditions.iter().map(|condition| condition.argument).collect();
        let matched = match arguments.len() == rule.conditions.len() {
            true => rule.conditions.iter().all(holds),
            false => rule.conditions.iter().any(holds),
        };
        if matched {
            return rule.action.code();
        }
    }
    profile.default_action.code()
}

/// Values on and around those that the profile compares with.
fn interesting_arguments(profile: &Profile) -> Vec<u64> {
    let mut values = BTreeSet::from([0, 1, 17, 0xffff_ffff, 0x1_0000_0000, u64::MAX, 0x0100_0000_0000_0011]);
    for condition in profile.rules.iter().flat_map(|rule| &rule.conditions) {
        let mask = if let Comparison::MaskedEqual(mask) = condition.comparison { mask } else { 0 };
        for value in [condition.value, mask, condition.value | 1 << 32, mask & mask.wrapping_neg()] {
            values.extend([value.wrapping_sub(1), value, value.wrapping_add(1)]);
        }
    }
    values.into_iter().collect()
}

/// Compares filter and profile; the calls that no rule judges by arguments see one argument only.
fn assert_equal(profile: &Profile, capabilities: CapSet, host: &Host) -> Vec<SockFilter> {
    let program = compile_for(profile, capabilities, host).unwrap();
    let values = interesting_arguments(profile);
    let conditional: BTreeSet<u32> = profile
        .rules
        .iter()
        .filter(|rule| !rule.conditions.is_empty())
        .flat_map(|rule| rule.calls.iter().flat_map(|&row| SYSCALLS[usize::from(row)].1))
        .collect();
    let numbers = (0..600).chain([0xf_0000, 0xf_0001, 0xf_0005, 0xf_0006, 0x3fff_ffff, 0x7fff_ffff, 0x8000_0000, NONE]);
    let numbers: Vec<u32> = numbers.flat_map(|number| [number, number | X32_BIT]).collect();
    let audits = [0xc000_003e, 0x4000_0003, 0xc000_00b7, 0x4000_0028, 0, 0xc000_0016];
    for (&nr, arch) in numbers.iter().flat_map(|nr| audits.map(|audit| (nr, audit))) {
        let count = if conditional.contains(&(nr & !X32_BIT)) { values.len() } else { 1 };
        for position in 0..count {
            let argument = |number: usize| values[(position + number * 7) % values.len()];
            let same = Data { nr, arch, args: [values[position]; 6] };
            let mixed = Data { nr, arch, args: std::array::from_fn(argument) };
            for data in [same, mixed] {
                let (got, expected) = (run(&program, &data), naive(profile, capabilities, host, &data));
                assert_eq!(got, expected, "{data:x?} with {capabilities:?}: got {got:#x}, expected {expected:#x}");
            }
        }
    }
    program
}

fn capabilities(names: &[&str]) -> CapSet {
    CapSet::from_names(names).unwrap()
}

/// The value for a call of the default profile.
fn judged(host: &Host, capabilities: CapSet, arch: Arch, name: &str, args: [u64; 6]) -> u32 {
    let program = compile_for(&Profile::default_for(host), capabilities, host).unwrap();
    let number = SYSCALLS[usize::from(row_of(name).unwrap())].1[arch.column()];
    assert_ne!(number, NONE, "{name} on {arch:?}");
    let nr = if arch == Arch::X32 { number | X32_BIT } else { number };
    run(&program, &Data { nr, arch: arch.audit(), args })
}

#[test]
fn the_default_filter_is_the_default_profile() {
    for host in [X86, ARM] {
        let profile = Profile::default_for(&host);
        for set in [CapSet::DEFAULT, CapSet::EMPTY, CapSet::ALL, capabilities(&["BPF", "SYS_PTRACE", "SYS_NICE"])] {
            let program = assert_equal(&profile, set, &host);
            // The kernel compiles and interprets the whole program at every start of a container: keep it short.
            assert!(program.len() < 420, "{} instructions", program.len());
        }
    }
}

#[test]
fn each_capability_makes_the_difference_that_docker_documents() {
    for (name, call) in [
        ("DAC_READ_SEARCH", "open_by_handle_at"),
        ("SYS_ADMIN", "mount"),
        ("SYS_ADMIN", "clone3"),
        ("SYS_BOOT", "reboot"),
        ("SYS_CHROOT", "chroot"),
        ("SYS_MODULE", "finit_module"),
        ("SYS_PACCT", "acct"),
        ("SYS_PTRACE", "pidfd_getfd"),
        ("SYS_RAWIO", "iopl"),
        ("SYS_TIME", "clock_settime"),
        ("SYS_TTY_CONFIG", "vhangup"),
        ("SYS_NICE", "mbind"),
        ("SYSLOG", "syslog"),
        ("BPF", "bpf"),
        ("PERFMON", "perf_event_open"),
        ("SYS_ADMIN", "open_tree"),
        ("SYS_ADMIN", "fanotify_init"),
    ] {
        let capability = Capability::parse(name).unwrap();
        let refused = if call == "clone3" { ENOSYS } else { EPERM };
        assert_eq!(judged(&X86, CapSet::EMPTY, Arch::X86_64, call, [0; 6]), refused, "{call}");
        assert_eq!(judged(&X86, CapSet::EMPTY.with(capability), Arch::X86_64, call, [0; 6]), ALLOW, "{call}");
    }
}

#[test]
fn no_way_leads_to_a_refused_address_family() {
    // With any capability and without: AF_ALG and AF_VSOCK are not a question of power over the container.
    for set in [CapSet::EMPTY, CapSet::DEFAULT, CapSet::ALL] {
        for (host, arches) in [(X86, &[Arch::X86_64, Arch::I386, Arch::X32][..]), (ARM, &[Arch::Aarch64, Arch::Arm])] {
            for arch in arches {
                for (call, family) in [("socket", 38), ("socket", 40), ("socketpair", 38), ("socketpair", 40)] {
                    // What lies above the 32 bits of the argument is for the kernel not there.
                    for family in [family, family | 0xabcd_0000_0000] {
                        let value = judged(&host, set, *arch, call, [family, 1, 0, 0, 0, 0]);
                        assert_eq!(value, EPERM, "{call}({family}) on {arch:?}");
                    }
                }
                assert_eq!(judged(&host, set, *arch, "io_uring_setup", [0; 6]), EPERM, "makes sockets, too");
            }
        }
    }
    let xdp = |set| judged(&X86, set, Arch::X86_64, "socket", [44, 3, 0, 0, 0, 0]);
    assert_eq!((xdp(CapSet::DEFAULT), xdp(capabilities(&["NET_ADMIN"]))), (EPERM, ALLOW));
}

#[test]
fn facts_of_the_default_profile() {
    let judge = |arch, name, first| judged(&X86, CapSet::DEFAULT, arch, name, [first, 0, 0, 0, 0, 0]);
    for (arch, name, first, expected) in [
        (Arch::X86_64, "read", 0, ALLOW),
        (Arch::I386, "read", 0, ALLOW),
        (Arch::X32, "read", 0, ALLOW),
        (Arch::I386, "mmap2", 0, ALLOW),
        // A multiplexer whose arguments a filter cannot see: with it, every address family would be allowed.
        (Arch::I386, "socketcall", 1, ENOSYS),
        (Arch::I386, "socketcall", 8, ENOSYS),
        (Arch::I386, "ipc", 0, ALLOW),
        (Arch::I386, "signal", 0, ALLOW),
        (Arch::X86_64, "ptrace", 0, ALLOW),
        (Arch::X86_64, "keyctl", 0, EPERM),
        (Arch::X86_64, "io_uring_setup", 0, EPERM),
        (Arch::X86_64, "userfaultfd", 0, EPERM),
        (Arch::X86_64, "socket", 1, ALLOW),
        (Arch::X86_64, "socket", 2, ALLOW),
        (Arch::X86_64, "socket", 16, ALLOW),
        (Arch::X86_64, "socket", 38, EPERM),
        (Arch::X86_64, "socket", 40, EPERM),
        (Arch::X86_64, "socket", 46, EPERM),
        (Arch::X86_64, "socket", 44, EPERM),
        (Arch::X32, "socket", 38, EPERM),
        (Arch::X32, "socket", 40, EPERM),
        (Arch::I386, "socket", 38, EPERM),
        (Arch::I386, "socket", 40, EPERM),
        (Arch::X86_64, "socketpair", 1, ALLOW),
        (Arch::X86_64, "socketpair", 38, EPERM),
        (Arch::I386, "socketpair", 40, EPERM),
        (Arch::X86_64, "socket", 0x1_0000_0002, EPERM),
        (Arch::I386, "socket", 0x1_0000_0002, ALLOW),
        (Arch::X86_64, "personality", 0xffff_ffff, ALLOW),
        (Arch::X86_64, "personality", 0x4_0000, EPERM),
        // fork(), a thread, and a new user, pid or network namespace.
        (Arch::X86_64, "clone", 17, ALLOW),
        (Arch::X86_64, "clone", 0x003d_0f00, ALLOW),
        (Arch::X86_64, "clone", 0x1000_0011, EPERM),
        (Arch::X86_64, "clone", 0x2000_0000, EPERM),
        (Arch::I386, "clone", 0x4000_0000, EPERM),
        (Arch::X86_64, "clone3", 0, ENOSYS),
        // CLONE_FS, as Samba does; then new user, time and pid namespaces.
        (Arch::X86_64, "unshare", 0, ALLOW),
        (Arch::X86_64, "unshare", 0x200, ALLOW),
        (Arch::X86_64, "unshare", 0x1000_0000, EPERM),
        (Arch::X86_64, "unshare", 0x80, EPERM),
        (Arch::I386, "unshare", 0x2000_0200, EPERM),
        (Arch::X86_64, "setns", 0, EPERM),
        (Arch::X86_64, "open_tree", 0, EPERM),
        (Arch::X86_64, "mount_setattr", 0, EPERM),
        (Arch::X86_64, "mbind", 0, EPERM),
        (Arch::X86_64, "pidfd_getfd", 0, EPERM),
        (Arch::X86_64, "fanotify_init", 0, EPERM),
        (Arch::X86_64, "pivot_root", 0, EPERM),
        (Arch::X86_64, "syslog", 0, EPERM),
        (Arch::X86_64, "cachestat", 0, ENOSYS),
        (Arch::X86_64, "vmsplice", 0, ALLOW),
        (Arch::X86_64, "listmount", 0, ALLOW),
        (Arch::X86_64, "open_tree_attr", 0, ENOSYS),
        (Arch::X86_64, "removexattrat", 0, ALLOW),
        (Arch::X86_64, "arch_prctl", 0, ALLOW),
        (Arch::I386, "modify_ldt", 0, ALLOW),
    ] {
        assert_eq!(judge(arch, name, first), expected, "{name}({first:#x}) on {arch:?}");
    }
    let program = compile_for(&Profile::default_for(&X86), CapSet::DEFAULT, &X86).unwrap();
    for (nr, arch, expected) in
        [(9999, 0xc000_003e, ENOSYS), (400, 0xc000_003e, EPERM), (0, 0xc000_00b7, KILL), (0, 0x4000_0003, ALLOW)]
    {
        assert_eq!(run(&program, &Data { nr, arch, args: [0; 6] }), expected, "{nr}");
    }
}

#[test]
fn the_kernel_takes_the_default_filter_and_agrees() {
    // A filter belongs to a thread and goes with it.
    let inside = std::thread::spawn(|| {
        let program = super::compile(&Profile::default_profile(), CapSet::DEFAULT).unwrap();
        nix::sys::prctl::set_no_new_privs().unwrap();
        crate::sys::process::set_seccomp_filter(&program, 0).unwrap();
        let family = |family: i32| {
            let family = rustix::net::AddressFamily::from_raw(family as u16);
            rustix::net::socket(family, rustix::net::SocketType::SEQPACKET, None).err().map(|e| e.raw_os_error())
        };
        let unshare = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS).err();
        (family(libc::AF_ALG), family(libc::AF_VSOCK), family(libc::AF_UNIX), unshare, rustix::process::getppid())
    });
    let (alg, vsock, unix, unshare, parent) = inside.join().unwrap();
    assert_eq!((alg, vsock, unix), (Some(libc::EPERM), Some(libc::EPERM), None));
    assert_eq!(unshare, Some(nix::errno::Errno::EPERM));
    assert_eq!(parent, rustix::process::getppid());
}

#[test]
fn unconditional_rules_decide_and_redundant_ones_do_not() {
    let rule = |call: &str, action, conditions: &[(u8, Comparison, u64)]| Rule {
        calls: vec![row_of(call).unwrap()],
        action,
        conditions: conditions
            .iter()
            .map(|&(argument, comparison, value)| Condition { argument, comparison, value })
            .collect(),
        includes: Filter::default(),
        excludes: Filter::default(),
    };
    let (eq, errno) = (Comparison::Equal, Action::Errno);
    let profile = Profile {
        default_action: errno(1),
        architectures: vec![],
        flags: 0,
        rules: vec![
            rule("read", errno(5), &[(0, eq, 1)]),
            rule("read", Action::Allow, &[]),
            rule("write", errno(1), &[(0, eq, 1)]),
            rule("write", Action::Allow, &[(0, Comparison::NotEqual, 2)]),
            rule("open", errno(9), &[(0, eq, 1), (1, eq, 2)]),
            rule("open", Action::Log, &[(0, eq, 1)]),
            rule("close", Action::Allow, &[(0, eq, 1), (0, eq, 2)]),
        ],
    };
    let program = assert_equal(&profile, CapSet::EMPTY, &X86);
    for (name, first, second, expected) in [
        ("read", 1, 0, ALLOW),
        ("write", 1, 0, ALLOW),
        ("write", 2, 0, EPERM),
        ("open", 1, 2, 0x0005_0009),
        ("open", 1, 3, 0x7ffc_0000),
        ("open", 2, 2, EPERM),
        ("close", 2, 0, ALLOW),
        ("close", 3, 0, EPERM),
    ] {
        let nr = SYSCALLS[usize::from(row_of(name).unwrap())].1[0];
        let data = Data { nr, arch: Arch::X86_64.audit(), args: [first, second, 0, 0, 0, 0] };
        assert_eq!(run(&program, &data), expected, "{name}({first}, {second})");
    }
    let x32 = Data { nr: X32_BIT, arch: Arch::X86_64.audit(), args: [0; 6] };
    assert_eq!(run(&program, &x32), KILL);
}

#[test]
fn a_profile_too_large_for_the_kernel_is_refused() {
    let condition = |value| Condition { argument: 0, comparison: Comparison::MaskedEqual(u64::MAX), value };
    let calls: Vec<u16> = ["read", "write"].into_iter().filter_map(row_of).collect();
    let rule = |value| Rule {
        calls: calls.clone(),
        action: Action::Allow,
        conditions: vec![condition(value)],
        includes: Filter::default(),
        excludes: Filter::default(),
    };
    let profile = Profile {
        default_action: Action::KillProcess,
        architectures: vec![],
        flags: 0,
        rules: (0..1000).map(rule).collect(),
    };
    assert!(compile_for(&profile, CapSet::EMPTY, &X86).unwrap_err().message().contains("instructions"));
    let nowhere = Host { arch: None, kernel: (6, 1) };
    assert!(compile_for(&profile, CapSet::EMPTY, &nowhere).unwrap_err().hints()[0].contains("unconfined"));
}

/// Prints the figures; `cargo test --release -- --nocapture seccomp::tests::figures --ignored`.
#[test]
#[ignore = "a measurement"]
fn figures() {
    let profile = Profile::default_for(&X86);
    let mut best = [u128::MAX; 2];
    for _ in 0..200 {
        let start = Instant::now();
        let built = Profile::default_for(&X86);
        best[0] = best[0].min(start.elapsed().as_nanos());
        let start = Instant::now();
        let program = compile_for(&profile, CapSet::DEFAULT, &X86).unwrap();
        best[1] = best[1].min(start.elapsed().as_nanos());
        assert!(built.rules.len() > 10 && program.len() > 10);
    }
    let length = compile_for(&profile, CapSet::DEFAULT, &X86).unwrap().len();
    println!("profile {} us, filter {} us, {length} instructions", best[0] / 1000, best[1] / 1000);
}

/// Any rule over a few calls that are neighbours or not, on every architecture.
fn any_rule() -> impl Strategy<Value = Rule> {
    let calls =
        prop::collection::vec(prop::sample::select(vec!["read", "write", "open", "mmap", "clone", "mseal"]), 1..4);
    let value =
        prop::sample::select(vec![0u64, 1, 5, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0005, u64::MAX, 0xff00_0000]);
    let comparison = (0..7u8, value.clone()).prop_map(|(kind, mask)| match kind {
        0 => Comparison::NotEqual,
        1 => Comparison::Less,
        2 => Comparison::LessOrEqual,
        3 => Comparison::Equal,
        4 => Comparison::GreaterOrEqual,
        5 => Comparison::Greater,
        _ => Comparison::MaskedEqual(mask),
    });
    let condition =
        (0..3u8, comparison, value).prop_map(|(argument, comparison, value)| Condition { argument, comparison, value });
    let action =
        prop::sample::select(vec![Action::Allow, Action::Errno(1), Action::Errno(7), Action::Trap, Action::Log]);
    (calls, action, prop::collection::vec(condition, 0..4)).prop_map(|(calls, action, conditions)| Rule {
        calls: calls.into_iter().filter_map(row_of).collect(),
        action,
        conditions,
        includes: Filter::default(),
        excludes: Filter::default(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_filter_is_its_profile(
        rules in prop::collection::vec(any_rule(), 0..12),
        default_action in prop::sample::select(vec![Action::Allow, Action::Errno(1), Action::KillProcess]),
        architectures in prop::sample::subsequence(vec![Arch::I386, Arch::X32], 0..=2),
    ) {
        let profile = Profile { default_action, architectures, flags: 0, rules };
        assert_equal(&profile, CapSet::EMPTY, &X86);
    }
}
