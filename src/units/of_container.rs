//! `generate systemd`: a service for a container that is there already. A Quadlet file is better for a container that the
//! service is to make anew; this one starts and stops what was made by hand.

use super::unit_file::UnitFile;
use super::words;
use crate::base::{Error, Result, text};

/// What a service is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The program.
    pub program: String,
    /// The container, by the name or id that the service uses.
    pub container: String,
    /// The name of the service, without `.service`.
    pub service: String,
    /// `Restart=`.
    pub restart: String,
    /// Seconds that the container has to stop.
    pub stop_timeout: u64,
    /// `TimeoutStartSec=`.
    pub start_timeout: Option<u64>,
    /// `RestartSec=`.
    pub restart_delay: Option<u64>,
    /// `Environment=`.
    pub environment: Vec<String>,
    /// `Wants=`, `After=` and `Requires=`.
    pub wants: Vec<String>,
    /// Units that are started before.
    pub after: Vec<String>,
    /// Units without which it does not run.
    pub requires: Vec<String>,
}

/// systemd's words for `Restart=`.
const RESTARTS: &[&str] = &["no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always"];

/// How long systemd waits beyond the container's own time to stop, in seconds.
const MORE: u64 = 60;

/// The service. It stays attached to the container, so that systemd sees the container's exit code, and its output is in
/// the journal.
pub fn service(wanted: &Wanted) -> Result<UnitFile> {
    if !RESTARTS.contains(&wanted.restart.as_str()) {
        return Err(Error::usage(format!("unknown restart policy `{}`", text::clean(&wanted.restart)))
            .hint(format!("systemd knows: {}", RESTARTS.join(", "))));
    }
    let mut unit = UnitFile::default();
    unit.add("Unit", "Description", format!("Container {}", wanted.container.replace('%', "%%")));
    unit.add("Unit", "Documentation", "man:coracle-generate-systemd(1)");
    unit.add("Unit", "Wants", super::convert::WAIT_FOR_NETWORK);
    unit.add("Unit", "After", super::convert::WAIT_FOR_NETWORK);
    unit.add("Unit", "RequiresMountsFor", "%t/coracle");
    for (key, values) in [("Wants", &wanted.wants), ("After", &wanted.after), ("Requires", &wanted.requires)] {
        if !values.is_empty() {
            unit.add("Unit", key, values.join(" "));
        }
    }
    let command = |words_of: &[&str]| {
        let line = [wanted.program.as_str()].into_iter().chain(words_of.iter().copied());
        words::join(line.chain([wanted.container.as_str()]))
    };
    let timeout = wanted.stop_timeout.to_string();
    for variable in &wanted.environment {
        unit.add("Service", "Environment", words::quote(variable));
    }
    unit.add("Service", "Type", "exec");
    unit.add("Service", "ExecStart", command(&["start", "--attach"]));
    unit.add("Service", "ExecStop", command(&["stop", "--ignore", "--timeout", &timeout]));
    unit.add("Service", "ExecStopPost", command(&["stop", "--ignore", "--timeout", &timeout]));
    unit.add("Service", "Restart", wanted.restart.as_str());
    if let Some(delay) = wanted.restart_delay {
        unit.add("Service", "RestartSec", delay.to_string());
    }
    if let Some(timeout) = wanted.start_timeout {
        unit.add("Service", "TimeoutStartSec", timeout.to_string());
    }
    unit.add("Service", "TimeoutStopSec", (wanted.stop_timeout.saturating_add(MORE)).to_string());
    unit.add("Service", "SyslogIdentifier", "%N");
    unit.add("Install", "WantedBy", "default.target");
    Ok(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_starts_and_stops_its_container() {
        let wanted = Wanted {
            program: "/bin/coracle".into(),
            container: "web".into(),
            service: "container-web".into(),
            restart: "on-failure".into(),
            stop_timeout: 10,
            start_timeout: None,
            restart_delay: Some(3),
            environment: vec!["A=b c".into()],
            wants: vec![],
            after: vec!["db.service".into()],
            requires: vec![],
        };
        assert_eq!(
            service(&wanted).unwrap().text(),
            "[Unit]
Description=Container web
Documentation=man:coracle-generate-systemd(1)
Wants=coracle-wait-network.service
After=coracle-wait-network.service
RequiresMountsFor=%t/coracle
After=db.service

[Service]
Environment=\"A=b c\"
Type=exec
ExecStart=/bin/coracle start --attach web
ExecStop=/bin/coracle stop --ignore --timeout 10 web
ExecStopPost=/bin/coracle stop --ignore --timeout 10 web
Restart=on-failure
RestartSec=3
TimeoutStopSec=70
SyslogIdentifier=%N

[Install]
WantedBy=default.target
"
        );
        assert!(service(&Wanted { restart: "perhaps".into(), ..wanted }).is_err());
    }
}
