//! The emulator for a container whose image is for another architecture than this machine.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::base::trace;
use crate::oci::Platform;
use crate::runtime::foreign::{HEADER, emulators, handler_of_machine, is_static, registration, works_in_containers};
use crate::spec::container::ContainerConfig;

/// What registers the emulator; none where the machine runs such programs by itself, or cannot run them at all. Then it is the
/// kernel that refuses them: what an image says of its architecture may be wrong.
pub(super) fn registration_for(config: &ContainerConfig) -> Option<String> {
    let (architecture, own) = (&config.image.architecture, Platform::host());
    let platform = Platform::new("linux", architecture, None);
    if architecture.is_empty() || own.architecture == *architecture || own.matches(&platform) {
        return None;
    }
    let handler = handler_of_machine(architecture).map(|path| beginning(Path::new(&path)));
    if handler.is_some_and(|text| works_in_containers(&String::from_utf8_lossy(&text))) {
        trace::step(|| format!("the machine runs programs for {architecture}"));
        return None;
    }
    let emulator: Option<PathBuf> = emulators(architecture).into_iter().find(|path| is_static(&beginning(path)));
    trace::step(|| match &emulator {
        Some(path) => format!("programs for {architecture} run in {}", path.display()),
        None => format!("there is no emulator of {architecture} that needs no libraries"),
    });
    registration(architecture, &emulator?)
}

/// The beginning of a file; empty if it cannot be read.
fn beginning(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(HEADER as u64).read_to_end(&mut bytes);
    }
    bytes
}
