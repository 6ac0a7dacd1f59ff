//! `.pod` and `.kube`: services that run several containers.

use super::container::{AUTO_UPDATE, UNIT_VARIABLE};
use super::{Converter, Severity};
use crate::base::text;
use crate::units::names::Named;
use crate::units::words::Escapes;

impl Converter<'_> {
    pub fn pod(&mut self, named: &Named) {
        for service in &named.starts {
            self.unit.add("Unit", "Wants", service.as_str());
            self.unit.add("Unit", "Before", service.as_str());
        }
        self.unit.add_missing("Service", "SyslogIdentifier", "%N");
        let name = named.resource.as_str();
        let mut start = self.line("ExecStart", &["pod", "start"]);
        start.operand(None, name);
        self.command(start);

        let mut stop = self.line("ExecStop", &["pod", "stop"]);
        stop.own(&["--ignore"]);
        let timeout = self.filled("StopTimeout").unwrap_or("10");
        stop.flag(self.place("StopTimeout"), &[&format!("--time={timeout}")]);
        stop.operand(None, name);
        self.command(stop);

        let mut remove = self.line("ExecStopPost", &["pod", "rm"]);
        remove.own(&["--ignore"]);
        remove.own(&["--force"]);
        remove.operand(None, name);
        self.command(remove);

        let mut create = self.line("ExecStartPre", &["pod", "create"]);
        create.own(&["--infra-conmon-pidfile=%t/%N.pid"]);
        create.own(&["--replace"]);
        create.flag(self.place("ExitPolicy"), &["--exit-policy", self.filled("ExitPolicy").unwrap_or("stop")]);
        self.table(&mut create);
        self.remapped_users(&mut create);
        self.networks(&mut create);
        self.volumes(&mut create);
        create.own(&["--infra-name", &format!("{name}-infra")]);
        create.flag(self.place("PodName"), &["--name", name]);
        self.podman_args(&mut create);
        self.command(create);

        self.unit.add("Service", "Environment", UNIT_VARIABLE);
        self.unit.set("Service", "Type", "forking");
        self.unit.set("Service", "PIDFile", "%t/%N.pid");
        self.unit.add_missing("Service", "Restart", "on-failure");
    }

    pub fn kube(&mut self) {
        let files = self.words("Yaml", Escapes::Keep);
        if files.is_empty() {
            self.wrong(self.place("Yaml"), "the key `Yaml` is missing");
        }
        self.kill_mode();
        self.unit.add("Service", "Environment", UNIT_VARIABLE);
        let service_type = self.unit.value("Service", "Type").map(String::from);
        match service_type.as_deref() {
            Some("oneshot") => {}
            None | Some("notify") => {
                self.unit.set("Service", "Type", "notify");
                self.unit.set("Service", "NotifyAccess", "all");
            }
            Some(other) => {
                let place = self.read().last("Service", "Type").and_then(|entry| entry.place.clone());
                let message = format!("a service of Kubernetes YAML cannot be of type `{}`", text::clean(other));
                self.find(Severity::Error, place, message, Some("notify (the default) or oneshot".into()));
            }
        }
        self.unit.add_missing("Service", "SyslogIdentifier", "%N");

        let mut play = self.line("ExecStart", &["kube", "play"]);
        play.own(&["--replace"]);
        play.own(&["--service-container=true"]);
        self.table(&mut play);
        self.remapped_users(&mut play);
        self.networks(&mut play);
        for (update, place) in self.words("AutoUpdate", Escapes::Keep) {
            let annotation = match update.split_once('/') {
                Some((container, policy)) => format!("--annotation={AUTO_UPDATE}/{container}={policy}"),
                None => format!("--annotation={AUTO_UPDATE}={update}"),
            };
            play.flag(place, &[&annotation]);
        }
        for (map, place) in self.words("ConfigMap", Escapes::Keep) {
            play.flag(place, &["--configmap", &self.absolute(&map)]);
        }
        self.podman_args(&mut play);
        let mut down = self.line("ExecStopPost", &["kube", "down"]);
        self.switch("KubeDownForce", "--force", &mut down);
        for (file, place) in &files {
            play.operand(place.clone(), self.absolute(file));
            down.operand(place.clone(), self.absolute(file));
        }
        self.command(play);
        self.command(down);
        self.working_directory(|converter| match files.as_slice() {
            [(file, _)] => Some(file.clone()),
            _ => {
                let place = converter.place("SetWorkingDirectory");
                converter.wrong(place, "SetWorkingDirectory=yaml needs exactly one Yaml=");
                None
            }
        });
    }

    /// `SetWorkingDirectory=`: the directory of the YAML or Dockerfile, or of the unit. What else it says, a build takes as
    /// its context, which is returned.
    pub fn working_directory(&mut self, file: impl FnOnce(&mut Self) -> Option<String>) -> Option<String> {
        let value = self.filled("SetWorkingDirectory")?;
        let is_build = self.section() == "Build";
        let own = self.source.path.display().to_string();
        let (beside, context) = match value.to_ascii_lowercase().as_str() {
            "yaml" if !is_build => (file(self), None),
            "file" if is_build => (file(self), None),
            "unit" => (Some(own), None),
            _ if is_build => {
                let relative = !value.starts_with('/') && !super::resources::is_url(value);
                (relative.then_some(own), Some(value.to_owned()))
            }
            _ => {
                let message = format!("unknown SetWorkingDirectory `{}`", text::clean(value));
                let place = self.place("SetWorkingDirectory");
                self.find(Severity::Error, place, message, Some("yaml or unit".into()));
                return None;
            }
        };
        if let Some(beside) = beside {
            if self.read().filled("Service", "WorkingDirectory").is_some() {
                return None;
            }
            let beside = self.absolute(&beside);
            let directory = std::path::Path::new(&beside).parent().map(|parent| parent.display().to_string());
            self.unit.add("Service", "WorkingDirectory", directory.unwrap_or_default());
        }
        context
    }
}
