//! Whose machine this is: the user, the distribution, the kernel, and the files that say so.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::rootless::accounts::account_by_uid;
use crate::rootless::outer::is_real_root;

/// What several checks need to know.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The effective user id.
    pub uid: u32,
    /// The effective group id.
    pub gid: u32,
    /// The login name, where /etc/passwd has one.
    pub name: Option<String>,
    /// Whether this is root with all its power.
    pub real_root: bool,
    /// Where packages come from.
    pub packages: Packages,
    /// The kernel's release.
    pub release: String,
    /// The user's `PATH`.
    pub search_path: OsString,
    /// `/proc/thread-self/status`.
    pub status: String,
}

impl Machine {
    /// Reads it; what is missing stays empty.
    pub fn read(search_path: &OsStr) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let os_release = ["/etc/os-release", "/usr/lib/os-release"].into_iter().find_map(|path| read(path).non_empty());
        Self {
            uid,
            gid: rustix::process::getegid().as_raw(),
            name: account_by_uid(&read("/etc/passwd"), uid).map(|account| account.name),
            real_root: is_real_root(),
            packages: Packages::of(&os_release.unwrap_or_default()),
            release: rustix::system::uname().release().to_string_lossy().into_owned(),
            search_path: search_path.to_owned(),
            status: read("/proc/thread-self/status"),
        }
    }

    /// The user in commands and files: the name, or else the uid.
    pub fn user(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uid.to_string())
    }

    /// One field of `/proc/thread-self/status`.
    pub fn status_field(&self, name: &str) -> Option<&str> {
        self.status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    /// The first executable file of this name in the search path.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        let is_program = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        };
        self.search_path
            .as_bytes()
            .split(|&byte| byte == b':')
            .map(|directory| Path::new(OsStr::from_bytes(directory)).join(name))
            .find(is_program)
    }
}

/// `Some` unless empty.
trait NonEmpty: Sized {
    fn non_empty(self) -> Option<Self>;
}

impl NonEmpty for String {
    fn non_empty(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }
}

/// A file's text; empty when it cannot be read.
pub fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A kernel setting, as `kernel/unprivileged_userns_clone`; `None` where the kernel has none.
pub fn sysctl(name: &str) -> Option<u64> {
    read(&format!("/proc/sys/{name}")).trim().parse().ok()
}

/// The package manager, as far as the commands differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packages {
    /// Debian, Ubuntu and their children.
    Apt,
    /// Fedora, RHEL and theirs.
    Dnf,
    /// Arch.
    Pacman,
    /// Alpine.
    Apk,
    /// openSUSE, SLES.
    Zypper,
    /// Another one.
    Other,
}

impl Packages {
    /// From os-release(5): `ID`, and then `ID_LIKE` in its order.
    pub fn of(os_release: &str) -> Self {
        let value = |key: &str| {
            let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let names = format!("{} {}", value("ID"), value("ID_LIKE"));
        let known = |name: &str| match name {
            "debian" | "ubuntu" => Some(Self::Apt),
            "fedora" | "rhel" | "centos" => Some(Self::Dnf),
            "arch" => Some(Self::Pacman),
            "alpine" => Some(Self::Apk),
            "suse" | "opensuse" | "sles" => Some(Self::Zypper),
            name if name.starts_with("opensuse-") => Some(Self::Zypper),
            _ => None,
        };
        names.split_ascii_whitespace().find_map(known).unwrap_or(Self::Other)
    }

    /// The command that installs newuidmap and newgidmap.
    pub fn install_uidmap(self) -> &'static str {
        match self {
            Self::Apt => "sudo apt-get install -y uidmap",
            Self::Dnf => "sudo dnf install -y shadow-utils",
            Self::Pacman => "sudo pacman -S --needed shadow",
            Self::Apk => "sudo apk add shadow-uidmap",
            Self::Zypper => "sudo zypper install -y shadow",
            Self::Other => "sudo apt-get install -y uidmap   # or your distribution's package with newuidmap (shadow)",
        }
    }

    /// The command that makes cgroup v2 the only one from the next start on: systemd is told by the kernel's command
    /// line, OpenRC (Alpine) by its configuration.
    pub fn unified_cgroups(self, systemd: bool) -> Option<String> {
        let argument = "systemd.unified_cgroup_hierarchy=1";
        let edit = format!(r#"sudo sed -i 's/^GRUB_CMDLINE_LINUX="/&{argument} /' /etc/default/grub"#);
        match (systemd, self) {
            (true, Self::Apt) => Some(format!("{edit} && sudo update-grub && sudo reboot")),
            (true, Self::Dnf) => Some(format!("sudo grubby --update-kernel=ALL --args={argument} && sudo reboot")),
            (true, Self::Zypper) => {
                Some(format!("{edit} && sudo grub2-mkconfig -o /boot/grub2/grub.cfg && sudo reboot"))
            }
            (true, _) => Some(format!("{edit} && sudo grub-mkconfig -o /boot/grub/grub.cfg && sudo reboot")),
            (false, Self::Apk) => Some(
                "echo 'rc_cgroup_mode=\"unified\"' | sudo tee -a /etc/rc.conf && sudo rc-update add cgroups && sudo reboot"
                    .to_owned(),
            ),
            (false, _) => None,
        }
    }
}

/// A word for a shell: quoted where it must be.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+,=".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// [`shell_word`] of a path.
pub fn shell_path(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

/// The command that sets a kernel setting now and for good.
pub fn set_sysctl(assignment: &str) -> String {
    format!("echo {assignment} | sudo tee -a /etc/sysctl.d/99-coracle.conf && sudo sysctl --system")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An ordinary user of Debian.
    pub fn someone() -> Machine {
        Machine {
            uid: 1000,
            gid: 1000,
            name: Some("me".into()),
            real_root: false,
            packages: Packages::Apt,
            release: "6.12.1-amd64".into(),
            search_path: "/usr/bin".into(),
            status: "Name:\tx\nNoNewPrivs:\t0\nSeccomp:\t0\n".into(),
        }
    }

    #[test]
    fn distributions() {
        for (text, packages) in [
            ("PRETTY_NAME=\"Debian 13\"\nID=debian\n", Packages::Apt),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Packages::Apt),
            ("ID=fedora\n", Packages::Dnf),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Packages::Dnf),
            ("ID=arch", Packages::Pacman),
            ("ID=alpine", Packages::Apk),
            ("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"", Packages::Zypper),
            ("ID=nixos", Packages::Other),
            ("", Packages::Other),
        ] {
            assert_eq!(Packages::of(text), packages, "{text}");
        }
    }

    #[test]
    fn words_survive_a_shell() {
        for word in ["/usr/bin/x", "", "a b", "it's", "$(rm -rf)", "a\nb", "é"] {
            let output =
                std::process::Command::new("sh").args(["-c", &format!("printf %s {}", shell_word(word))]).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), word);
        }
    }

    #[test]
    fn programs_are_found_in_the_search_path() {
        let machine = Machine { search_path: "/nowhere:/usr/bin:/bin".into(), ..someone() };
        assert!(machine.find_program("sh").is_some_and(|path| path.ends_with("sh")));
        assert_eq!(machine.find_program("no-such-program"), None);
        assert_eq!((machine.status_field("Seccomp"), machine.status_field("Sec")), (Some("0"), None));
    }
}
