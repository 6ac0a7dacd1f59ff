//! `.volume`, `.network`, `.image`, `.build` and `.artifact`: services that make something once.

use super::{Converter, Severity};
use crate::units::names::Named;

impl Converter<'_> {
    pub fn volume(&mut self, named: &Named) {
        let mut line = self.line("ExecStart", &["volume", "create"]);
        line.own(&["--ignore"]);
        self.table(&mut line);
        if self.filled("Driver") == Some("image") {
            match self.filled("Image") {
                None => self.wrong(self.place("Driver"), "Driver=image needs the key `Image`"),
                Some(image) => {
                    if let Some(image) = self.image_source(image) {
                        line.flag(self.place("Image"), &["--opt", &format!("image={image}")]);
                    }
                }
            }
        } else {
            self.local_volume(&mut line);
        }
        self.podman_args(&mut line);
        line.operand(self.place("VolumeName"), named.resource.as_str());
        self.command(line);
        self.oneshot(true);
    }

    /// Options of a volume of the local driver.
    fn local_volume(&mut self, line: &mut super::CommandLine) {
        let mut options = Vec::new();
        for (key, option) in [("User", "uid"), ("Group", "gid")] {
            if let Some(value) = self.filled(key) {
                match value.parse::<u32>() {
                    Ok(id) => options.push(format!("{option}={id}")),
                    Err(_) => self.find(
                        Severity::Error,
                        self.place(key),
                        format!("`{key}` of a volume is a number"),
                        Some("names are those of a container's /etc/passwd, which a volume has not".into()),
                    ),
                }
            }
        }
        match self.read().switch("Volume", "Copy") {
            Some(true) => line.flag(self.place("Copy"), &["--opt", "copy"]),
            Some(false) => line.flag(self.place("Copy"), &["--opt", "nocopy"]),
            None => {}
        }
        let device = self.filled("Device");
        if let Some(device) = device {
            line.flag(self.place("Device"), &["--opt", &format!("device={device}")]);
        }
        match (self.filled("Type"), device) {
            (None, _) => {}
            (Some(_), None) => self.wrong(self.place("Type"), "`Type` of a volume needs `Device`"),
            (Some(kind), Some(device)) => {
                line.flag(self.place("Type"), &["--opt", &format!("type={kind}")]);
                if kind == "bind" {
                    self.unit.add("Unit", "RequiresMountsFor", crate::units::words::quote(device));
                }
            }
        }
        options.extend(self.filled("Options").map(String::from));
        if !options.is_empty() {
            let place = self.place("Options").or(self.place("User")).or(self.place("Group"));
            line.flag(place, &["--opt", &format!("o={}", options.join(","))]);
        }
    }

    pub fn network(&mut self, named: &Named) {
        if self.read().switch("Network", "NetworkDeleteOnStop") == Some(true) {
            let mut remove = self.line("ExecStopPost", &["network", "rm"]);
            remove.operand(None, named.resource.as_str());
            self.command(remove);
        }
        let mut line = self.line("ExecStart", &["network", "create"]);
        line.own(&["--ignore"]);
        self.table(&mut line);
        let (subnets, gateways, ranges) = (self.lines("Subnet"), self.lines("Gateway"), self.lines("IPRange"));
        for (key, given) in [("Gateway", &gateways), ("IPRange", &ranges)] {
            if given.len() > subnets.len() {
                let place = given.last().and_then(|entry| entry.place.clone());
                self.wrong(place, format!("every `{key}` needs a `Subnet`"));
            }
        }
        for (at, subnet) in subnets.iter().enumerate() {
            line.flag(subnet.place.clone(), &["--subnet", &subnet.value]);
            for (flag, given) in [("--gateway", &gateways), ("--ip-range", &ranges)] {
                if let Some(entry) = given.get(at) {
                    line.flag(entry.place.clone(), &[flag, &entry.value]);
                }
            }
        }
        self.podman_args(&mut line);
        line.operand(self.place("NetworkName"), named.resource.as_str());
        self.command(line);
        self.oneshot(true);
    }

    pub fn image(&mut self) {
        self.pulled("Image", &["image", "pull"]);
    }

    pub fn artifact(&mut self) {
        self.pulled("Artifact", &["artifact", "pull"]);
    }

    fn pulled(&mut self, key: &str, verb: &'static [&'static str]) {
        let mut line = self.line("ExecStart", verb);
        self.table(&mut line);
        self.podman_args(&mut line);
        match self.filled(key) {
            Some(name) => line.operand(self.place(key), name),
            None => self.wrong(None, format!("the key `{key}` is missing")),
        }
        self.command(line);
        self.oneshot(true);
    }

    pub fn build(&mut self, named: &Named) {
        if named.resource.is_empty() {
            self.wrong(None, "the key `ImageTag` is missing");
        }
        let mut line = self.line("ExecStart", &["build"]);
        self.table(&mut line);
        self.networks(&mut line);
        self.volumes(&mut line);
        let file = self.filled("File");
        let context = self.working_directory(|converter| {
            if file.is_none() {
                let place = converter.place("SetWorkingDirectory");
                converter.wrong(place, "SetWorkingDirectory=file needs the key `File`");
            }
            file.map(String::from)
        });
        let directory = self.unit.filled("Service", "WorkingDirectory").map(String::from);
        if let Some(file) = file {
            line.flag(self.place("File"), &["--file", file]);
        }
        self.podman_args(&mut line);
        let relative = file.is_some_and(|file| !file.starts_with(['/', '%']) && !is_url(file));
        match (context, directory, file) {
            (Some(context), ..) => line.operand(self.place("SetWorkingDirectory"), context),
            (None, Some(directory), Some(_)) if relative => line.operand(None, directory),
            (None, Some(directory), None) => line.operand(None, directory),
            (None, None, Some(_)) if relative => {
                let hint = "SetWorkingDirectory=unit takes the directory of this file";
                self.find(
                    Severity::Error,
                    self.place("File"),
                    "a relative `File` needs `SetWorkingDirectory`".into(),
                    Some(hint.into()),
                );
            }
            (None, None, None) => {
                let hint = "SetWorkingDirectory=unit builds with the directory of this file";
                self.find(
                    Severity::Error,
                    None,
                    "one of `SetWorkingDirectory` and `File` is needed".into(),
                    Some(hint.into()),
                );
            }
            (None, _, Some(_)) => {}
        }
        self.command(line);
        self.oneshot(false);
    }
}

/// Whether a context is fetched from elsewhere.
pub fn is_url(text: &str) -> bool {
    ["http://", "https://", "git://", "github.com/"].iter().any(|start| text.starts_with(start))
}
