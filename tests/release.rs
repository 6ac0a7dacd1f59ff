//! `contrib/make-release`: the same bytes twice, and an installation that leaves nothing behind.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory that goes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("coracle-release-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a release around this program, and unpacks it.
fn release(output: &Path) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/make-release");
    let mut command = Command::new("sh");
    command.arg(script).args(["--binary", env!("CARGO_BIN_EXE_coracle"), "--output"]).arg(output);
    run(command.env("SOURCE_DATE_EPOCH", "1700000000"));
    let mut files = fs::read_dir(output).unwrap().map(|entry| entry.unwrap().path());
    let tarball = files.find(|path| path.extension().is_some_and(|ending| ending == "gz")).unwrap();
    run(Command::new("tar").arg("-C").arg(output).arg("-xf").arg(tarball));
    let mut trees = fs::read_dir(output).unwrap().map(|entry| entry.unwrap().path());
    trees.find(|path| path.is_dir()).unwrap()
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_below(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn what_is_installed_can_be_removed_without_a_trace() {
    let scratch = Scratch::new("install");
    let tree = release(&scratch.0.join("one"));
    let script = |name: &str, root: &Path, prefix: &str| {
        let mut command = Command::new("sh");
        command.arg(tree.join(name)).args(["--prefix", prefix]).env("DESTDIR", root);
        run(&mut command)
    };
    let root = scratch.0.join("root");
    fs::create_dir(&root).unwrap();
    script("install.sh", &root, "/usr");
    for path in [
        "usr/bin/coracle",
        "usr/share/man/man1/coracle-run.1",
        "usr/share/man/man5/coracle-quadlet.5",
        "usr/share/man/man7/coracle-network.7",
        "usr/share/bash-completion/completions/coracle",
        "usr/lib/systemd/user/coracle-restart.service",
        "etc/apparmor.d/coracle",
        "usr/share/coracle/SBOM.json",
    ] {
        assert!(root.join(path).exists(), "{path}");
    }
    let generator = fs::read_link(root.join("usr/lib/systemd/user-generators/coracle-user-generator")).unwrap();
    assert_eq!(generator, Path::new("/usr/bin/coracle"));
    let version = run(Command::new(root.join("usr/bin/coracle")).arg("--version"));
    assert!(version.starts_with("coracle version "), "{version}");
    script("install.sh", &root, "/usr");
    script("uninstall.sh", &root, "/usr");
    assert_eq!(files_below(&root), [""; 0].map(PathBuf::from), "nothing is left");
    // Below a home directory there are no units of all users.
    script("install.sh", &root, "/home/me/.local");
    assert!(!root.join("home/me/.local/lib").exists() && !root.join("etc").exists());
    script("uninstall.sh", &root, "/home/me/.local");
    assert_eq!(files_below(&root), [""; 0].map(PathBuf::from), "nothing is left");
}

#[test]
fn two_releases_have_the_same_bytes() {
    let scratch = Scratch::new("twice");
    let sums = ["one", "two"].map(|name| {
        release(&scratch.0.join(name));
        fs::read_to_string(scratch.0.join(name).join("SHA256SUMS")).unwrap()
    });
    assert_eq!(sums[0], sums[1]);
    let tree =
        fs::read_dir(scratch.0.join("one")).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
    let bill = fs::read_to_string(tree.unwrap().join("SBOM.json")).unwrap();
    let bill: serde_json::Value = serde_json::from_str(&bill).unwrap();
    let crates = bill["components"].as_array().unwrap();
    assert!(crates.len() > 100 && crates.iter().all(|part| part["purl"].as_str().unwrap().starts_with("pkg:cargo/")));
}
