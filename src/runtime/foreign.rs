//! Programs of other architectures: a handler of binfmt_misc (Documentation/admin-guide/binfmt-misc.rst) that runs them in
//! an emulator of the host, qemu's user mode.
//!
//! Since Linux 6.7 each user namespace may have handlers of its own, so that no root is needed. They are there for as long
//! as their file system is mounted: it is attached read-only at the kernel's place for it below `/proc/sys`. The kernel
//! opens the emulator when the handler is registered (flag `F`), while the host's files are still in sight, so that it need
//! not be in the image; it must therefore be one that needs no libraries.

use std::path::{Path, PathBuf};

/// An architecture by its name in images, the name that qemu has for it, and how its programs begin: class and byte order
/// (`EI_CLASS`, `EI_DATA`) and `e_machine` of elf(5).
const ARCHITECTURES: &[(&str, &str, u8, u8, u16)] = &[
    ("amd64", "x86_64", 2, 1, 62),
    ("386", "i386", 1, 1, 3),
    ("arm64", "aarch64", 2, 1, 183),
    ("arm", "arm", 1, 1, 40),
    ("riscv64", "riscv64", 2, 1, 243),
    ("ppc64le", "ppc64le", 2, 1, 21),
    ("s390x", "s390x", 2, 2, 22),
    ("loong64", "loongarch64", 2, 1, 258),
    ("mips64le", "mips64el", 2, 1, 8),
    ("mips64", "mips64", 2, 2, 8),
];

/// Where distributions put qemu's emulators.
const PLACES: [&str; 2] = ["/usr/bin", "/usr/local/bin"];

/// The most of an emulator's beginning that is looked at.
pub const HEADER: usize = 4096;

/// The emulator of an architecture: where it may be, statically linked ones first; none for one that is not known.
pub fn emulators(architecture: &str) -> Vec<PathBuf> {
    let name = ARCHITECTURES.iter().find(|it| it.0 == architecture).map(|it| it.1);
    let names = name.map_or(Vec::new(), |name| vec![format!("qemu-{name}-static"), format!("qemu-{name}")]);
    names.iter().flat_map(|name| PLACES.iter().map(move |place| Path::new(place).join(name))).collect()
}

/// The handler that the machine itself may have for an architecture.
pub fn handler_of_machine(architecture: &str) -> Option<String> {
    let name = ARCHITECTURES.iter().find(|it| it.0 == architecture)?.1;
    Some(format!("/proc/sys/fs/binfmt_misc/qemu-{name}"))
}

/// Whether the text of such a handler works in a container: it is enabled, and its emulator is open already.
pub fn works_in_containers(handler: &str) -> bool {
    let flags = handler.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default();
    handler.starts_with("enabled\n") && flags.contains('F')
}

/// Whether the beginning of an ELF file is that of a program that needs no interpreter of its own (no `PT_INTERP`).
pub fn is_static(header: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = header.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    // 64-bit, little-endian: the machines that coracle itself runs on.
    if header.get(..6) != Some(b"\x7fELF\x02\x01") {
        return false;
    }
    let (Some(offset), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else { return false };
    (0..count).all(|index| {
        let at = offset.checked_add(index.saturating_mul(size)).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| number(at, 4)).is_some_and(|kind| kind != u64::from(PT_INTERP))
    })
}

/// The line that registers `emulator` for an architecture.
pub fn registration(architecture: &str, emulator: &Path) -> Option<String> {
    let (_, name, class, order, machine) = ARCHITECTURES.iter().find(|it| it.0 == architecture)?;
    let emulator = emulator.to_str().filter(|path| !path.contains([':', '\n']))?;
    let half = |number: u16| if *order == 1 { number.to_le_bytes() } else { number.to_be_bytes() };
    // Programs are files of the type 2 or, position-independent, 3.
    let (kind, kind_mask) = (half(2), half(0xfffe));
    let magic =
        [&[0x7f, b'E', b'L', b'F', *class, *order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &kind, &half(*machine)].concat();
    // The byte after the version names the system, which is 0 or Linux's own number.
    let mask = [&[0xff; 7][..], &[0], &[0xff; 8], &kind_mask, &[0xff; 2]].concat();
    let escaped = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    Some(format!(":coracle-{name}:M::{}:{}:{emulator}:POCF", escaped(&magic), escaped(&mask)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_their_beginning() {
        let line = registration("arm64", Path::new("/usr/bin/qemu-aarch64-static")).unwrap();
        let magic = r"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
        let mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
        assert_eq!(line, format!(":coracle-aarch64:M::{magic}:{mask}:/usr/bin/qemu-aarch64-static:POCF"));
        assert!(registration("s390x", Path::new("/q")).unwrap().contains(r"\x00\x02\x00\x16:"));
        assert_eq!(registration("vax", Path::new("/q")), None);
        assert_eq!(registration("arm64", Path::new("/a:b")), None);
        assert_eq!(emulators("arm64")[0], Path::new("/usr/bin/qemu-aarch64-static"));
        assert!(emulators("vax").is_empty());
    }

    #[test]
    fn handlers_of_the_machine_count_if_their_emulator_is_open() {
        assert!(works_in_containers("enabled\ninterpreter /usr/bin/q\nflags: POCF\noffset 0\n"));
        assert!(!works_in_containers("enabled\ninterpreter /usr/bin/F\nflags: OC\n"));
        assert!(!works_in_containers("disabled\nflags: F\n") && !works_in_containers(""));
    }

    #[test]
    fn static_programs_have_no_interpreter() {
        let program = |kinds: &[u32]| {
            let mut header = vec![0; 64];
            header[..6].copy_from_slice(b"\x7fELF\x02\x01");
            (header[32], header[54], header[56]) = (64, 56, kinds.len() as u8);
            for kind in kinds {
                header.extend(kind.to_le_bytes());
                header.extend([0; 52]);
            }
            header
        };
        assert!(is_static(&program(&[1, 1, 4])) && !is_static(&program(&[1, 3])));
        assert!(!is_static(&program(&[1, 1])[..100]), "cut off");
        assert!(!is_static(b"#!/bin/sh\n") && !is_static(b""));
    }
}
