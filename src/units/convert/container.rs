//! `.container`: a service that runs a container.

use super::{Converter, Severity};
use crate::base::text;
use crate::spec::ports;
use crate::units::names;
use crate::units::words::Escapes;

/// The label that says how a container's image is renewed.
pub const AUTO_UPDATE: &str = "io.containers.autoupdate";

/// How the service knows itself: coracle writes it into a label, so that `auto-update` can start it again.
pub const UNIT_VARIABLE: &str = "PODMAN_SYSTEMD_UNIT=%n";

impl Converter<'_> {
    pub fn container(&mut self) {
        let image = match (self.filled("Image"), self.filled("Rootfs")) {
            (None, None) => {
                self.wrong(None, "the key `Image` is missing");
                None
            }
            (Some(_), Some(_)) => {
                self.wrong(self.place("Rootfs"), "`Image` and `Rootfs` cannot be used together");
                None
            }
            (Some(image), None) => self.image_source(image),
            (None, Some(_)) => None,
        };
        let name = names::container(self.source);
        self.unit.add("Service", "Environment", UNIT_VARIABLE);
        self.kill_mode();
        let mut stop = self.line("ExecStop", &["rm"]);
        stop.own(&["-v", "-f", "-i"]);
        stop.operand(None, name.as_str());
        let mut stop_post = stop.clone();
        (stop_post.setting, stop_post.may_fail) = ("ExecStopPost", true);
        self.command(stop);
        self.command(stop_post);
        self.reload(&name);

        let mut line = self.line("ExecStart", &["run"]);
        line.own(&["--name", &name]);
        line.own(&["--replace"]);
        line.own(&["--rm"]);
        self.unit.add("Service", "Delegate", "yes");
        match self.filled("CgroupsMode") {
            Some(mode) => line.flag(self.place("CgroupsMode"), &["--cgroups", mode]),
            None => line.own(&["--cgroups=split"]),
        }
        self.service_type(&mut line);
        if let Some(entrypoint) = self.read().value("Container", "Entrypoint") {
            line.flag(self.place("Entrypoint"), &[&format!("--entrypoint={entrypoint}")]);
        }
        self.table(&mut line);
        self.networks(&mut line);
        self.privileges(&mut line);
        self.user(&mut line);
        self.remapped_users(&mut line);
        self.volumes(&mut line);
        self.mounts(&mut line);
        if let Some(policy) = self.filled("AutoUpdate") {
            line.flag(self.place("AutoUpdate"), &["--label", &format!("{AUTO_UPDATE}={policy}")]);
        }
        for entry in self.lines("ExposeHostPort") {
            match ports::exposed(&[entry.value.trim().to_owned()]) {
                Ok(_) => line.flag(entry.place.clone(), &["--expose", entry.value.trim()]),
                Err(error) => self.wrong(entry.place.clone(), error.chain()),
            }
        }
        for (file, place) in self.words("EnvironmentFile", Escapes::Read) {
            line.flag(place, &["--env-file", &self.absolute(&file)]);
        }
        self.pod_of_container(&mut line);
        self.podman_args(&mut line);
        match (image, self.filled("Rootfs")) {
            (Some(image), _) => line.operand(self.place("Image"), image),
            (None, Some(rootfs)) => {
                line.flag(self.place("Rootfs"), &["--rootfs"]);
                line.operand(self.place("Rootfs"), rootfs);
            }
            (None, None) => {}
        }
        self.operands_of_last("Exec", &mut line);
        self.command(line);
    }

    /// Words of the last line of a key, after everything else.
    fn operands_of_last(&mut self, key: &str, line: &mut super::CommandLine) {
        let Some(entry) = self.lines(key).last().copied() else { return };
        match crate::units::words::split(&entry.value, Escapes::Read) {
            Ok(words) => words.into_iter().for_each(|word| line.operand(entry.place.clone(), word)),
            Err(error) => self.wrong(entry.place.clone(), format!("`{key}` cannot be read: {}", error.chain())),
        }
    }

    /// systemd may kill the supervisor after the container, not before it.
    pub fn kill_mode(&mut self) {
        match self.unit.value("Service", "KillMode").map(String::from) {
            None => self.unit.add("Service", "KillMode", "mixed"),
            Some(mode) if mode == "mixed" || mode == "control-group" => {}
            Some(mode) => {
                let place = self.read().last("Service", "KillMode").and_then(|entry| entry.place.clone());
                let hint = "mixed or control-group: with others, processes of the container stay";
                let message = format!("KillMode `{}` does not work for containers", text::clean(&mode));
                self.find(Severity::Error, place, message, Some(hint.into()));
            }
        }
    }

    fn service_type(&mut self, line: &mut super::CommandLine) {
        let service_type = self.unit.value("Service", "Type").map(String::from);
        if let Some(other) = service_type.as_deref().filter(|known| !["notify", "oneshot"].contains(known)) {
            let place = self.read().last("Service", "Type").and_then(|entry| entry.place.clone());
            let message = format!("a service of a container cannot be of type `{}`", text::clean(other));
            self.find(Severity::Error, place, message, Some("notify (the default) or oneshot".into()));
            return;
        }
        if service_type.as_deref() != Some("oneshot") {
            let notify = self.filled("Notify").unwrap_or_default();
            let who = match self.read().switch("Container", "Notify") {
                _ if notify.eq_ignore_ascii_case("healthy") => "healthy",
                Some(true) => "container",
                _ => "conmon",
            };
            line.flag(self.place("Notify"), &[&format!("--sdnotify={who}")]);
            self.unit.set("Service", "Type", "notify");
            self.unit.set("Service", "NotifyAccess", "all");
            line.own(&["-d"]);
        }
        self.unit.add_missing("Service", "SyslogIdentifier", "%N");
    }

    /// `AddDevice`, `DropCapability`, `AddCapability` and the deprecated `VolatileTmp`.
    fn privileges(&mut self, line: &mut super::CommandLine) {
        for (device, place) in self.words("AddDevice", Escapes::Keep) {
            // `-/dev/x`: only where it is there when the files are read.
            match device.strip_prefix('-') {
                Some(device) => {
                    let path = device.split_once(':').map_or(device, |(path, _)| path);
                    if std::path::Path::new(path).exists() {
                        line.flag(place, &["--device", device]);
                    }
                }
                None => line.flag(place, &["--device", &device]),
            }
        }
        for (key, flag) in [("DropCapability", "--cap-drop"), ("AddCapability", "--cap-add")] {
            for (capability, place) in self.words(key, Escapes::Keep) {
                line.flag(place, &[flag, &capability.to_ascii_lowercase()]);
            }
        }
        let read_only = self.read().switch("Container", "ReadOnly") == Some(true);
        if self.read().switch("Container", "VolatileTmp") == Some(true) && !read_only {
            line.flag(self.place("VolatileTmp"), &["--tmpfs", "/tmp:rw,size=512M,mode=1777"]);
        }
    }

    fn user(&mut self, line: &mut super::CommandLine) {
        match (self.filled("User"), self.filled("Group")) {
            (None, None) => {}
            (None, Some(_)) => self.wrong(self.place("Group"), "`Group` needs `User`"),
            (Some(user), None) => line.flag(self.place("User"), &["--user", user]),
            (Some(user), Some(group)) => line.flag(self.place("User"), &["--user", &format!("{user}:{group}")]),
        }
    }

    /// `ReloadCmd` and `ReloadSignal`.
    fn reload(&mut self, name: &str) {
        let command = self.filled("ReloadCmd").is_some();
        match (command, self.filled("ReloadSignal")) {
            (false, None) => {}
            (true, Some(_)) => {
                self.wrong(self.place("ReloadSignal"), "`ReloadCmd` and `ReloadSignal` cannot be used together");
            }
            (true, None) => {
                let mut line = self.line("ExecReload", &["exec"]);
                line.operand(None, name);
                self.operands_of_last("ReloadCmd", &mut line);
                self.command(line);
            }
            (false, Some(signal)) => {
                let mut line = self.line("ExecReload", &["kill"]);
                line.flag(self.place("ReloadSignal"), &["--signal", signal]);
                line.operand(None, name);
                self.command(line);
            }
        }
    }

    fn pod_of_container(&mut self, line: &mut super::CommandLine) {
        let Some(pod) = names::pod(self.source) else { return };
        let place = self.place("Pod");
        if !pod.ends_with(".pod") {
            let message = format!("`{}` is no pod of Quadlet", text::clean(&pod));
            self.find(Severity::Error, place, message, Some("name a file that ends with .pod".into()));
            return;
        }
        let Some(named) = self.names.get(&pod) else { return self.missing(place, &pod) };
        line.flag(place, &["--pod", &named.resource]);
        self.unit.add("Unit", "BindsTo", named.service_file());
        self.unit.add("Unit", "After", named.service_file());
    }
}
