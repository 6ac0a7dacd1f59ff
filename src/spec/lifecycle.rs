//! How a container starts, stops and goes away.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::restart::RestartPolicy;
use super::signal;
use super::systemd::{self, Systemd};
use crate::base::{Error, Result, text};
use crate::oci::config::Defaults;

/// How the program calls itself when it is `--init`, pid 1 of a container; followed by `--`, the program and its arguments.
pub const INIT_ROLE: &str = "coracle-init";

/// Before the `--`: the init tells the program its number in `LISTEN_PID` (sd_listen_fds(3)).
pub const INIT_LISTENS: &str = "--listen-pid";

/// docker's default of `--stop-timeout`, in seconds.
const STOP_TIMEOUT: u32 = 10;

/// The life of a container, with its stop signal as decided (a number) or as asked for (perhaps none).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lifecycle<S = StopSignal> {
    /// Removed together with its anonymous volumes when it exits.
    pub remove: bool,
    /// Whether pid 1 is coracle's own init, which reaps and forwards signals.
    pub init: bool,
    /// The program of the host that is pid 1 instead of coracle's own init.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_path: Option<PathBuf>,
    /// It is prepared for systemd; decided, never [`Systemd::True`].
    #[serde(skip_serializing_if = "Systemd::is_off")]
    pub systemd: Systemd,
    /// The signal of `stop`.
    pub stop_signal: S,
    /// Seconds between that signal and SIGKILL.
    pub stop_timeout: u32,
    /// Whether the user or the image chose the signal, and the user the seconds: docker's `inspect` shows no defaults.
    #[serde(skip_serializing_if = "Chosen::is_nothing")]
    pub chosen: Chosen,
    /// What follows when it ends by itself.
    #[serde(skip_serializing_if = "RestartPolicy::is_no")]
    pub restart: RestartPolicy,
    /// Seconds after which a run is ended with SIGKILL; 0 for no limit (`--timeout`).
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: u32,
    /// The side that tells a service manager that it is ready.
    #[serde(skip_serializing_if = "SdNotify::is_default")]
    pub sdnotify: SdNotify,
    /// Files that other programs read.
    #[serde(skip_serializing_if = "PidFiles::is_default")]
    pub files: PidFiles,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// `--sdnotify`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SdNotify {
    /// The container's program.
    #[default]
    Container,
    /// The supervisor, as soon as the program runs.
    Conmon,
    /// The supervisor, when the container is healthy.
    Healthy,
    /// Nobody.
    Ignore,
}

impl SdNotify {
    const ALL: [Self; 4] = [Self::Container, Self::Conmon, Self::Healthy, Self::Ignore];

    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Conmon => "conmon",
            Self::Healthy => "healthy",
            Self::Ignore => "ignore",
        }
    }

    /// Reads the option's value.
    pub fn parse(given: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == given).ok_or_else(|| {
            Error::usage(format!("invalid argument `{}` for `--sdnotify`", text::clean(given)))
                .hint("it is container, conmon, healthy or ignore")
        })
    }
}

/// Files in which other programs find a container's ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PidFiles {
    /// `--cidfile`, which goes with the container; not kept for docker's command line, where it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<PathBuf>,
    /// `--pidfile`: the number of pid 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<PathBuf>,
    /// `--conmon-pidfile`: the number of the supervisor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<PathBuf>,
}

impl PidFiles {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Which values of a [`Lifecycle`] are not the defaults of this program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The stop signal.
    pub stop_signal: bool,
    /// The seconds until SIGKILL.
    pub stop_timeout: bool,
}

impl Chosen {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The life as it was asked for: without a signal, it is the image's.
pub type LifecycleRequest = Lifecycle<Option<StopSignal>>;

/// A signal by its number on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StopSignal(pub i32);

impl Default for StopSignal {
    fn default() -> Self {
        Self(libc::SIGTERM)
    }
}

impl<S: Default> Default for Lifecycle<S> {
    fn default() -> Self {
        let restart = RestartPolicy::No;
        Self {
            remove: false,
            init: false,
            init_path: None,
            systemd: Systemd::False,
            stop_signal: S::default(),
            stop_timeout: STOP_TIMEOUT,
            chosen: Chosen::default(),
            restart,
            timeout: 0,
            sdnotify: SdNotify::default(),
            files: PidFiles::default(),
        }
    }
}

impl LifecycleRequest {
    /// Decides for a container that runs `argv`.
    pub fn resolve(&self, image: &Defaults, argv: &[String]) -> Result<Lifecycle> {
        let systemd = self.systemd.decided(argv);
        if !systemd.is_off() && self.init {
            return Err(Error::usage("conflicting options: --init and systemd as the container's first process")
                .hint("systemd is an init: leave --init out, or use --systemd=false"));
        }
        let stop_signal = match (self.stop_signal, image.stop_signal.as_deref()) {
            (Some(signal), _) => signal,
            (None, None | Some("")) if !systemd.is_off() => StopSignal(systemd::STOP_SIGNAL),
            (None, None | Some("")) => StopSignal::default(),
            (None, Some(name)) => StopSignal(signal::parse(name)?),
        };
        let of_image = image.stop_signal.as_deref().is_some_and(|name| !name.is_empty());
        let chosen = Chosen { stop_signal: self.stop_signal.is_some() || of_image || !systemd.is_off(), ..self.chosen };
        let Self { remove, init, stop_timeout, restart, timeout, sdnotify, .. } = *self;
        let init_path = self.init_path.clone().filter(|_| init);
        let files = self.files.clone();
        Ok(Lifecycle {
            remove,
            init,
            init_path,
            systemd,
            stop_signal,
            stop_timeout,
            chosen,
            restart,
            timeout,
            sdnotify,
            files,
        })
    }
}

/// `--stop-signal`: a name or a number; empty for none.
pub fn stop_signal(text: &str) -> Result<Option<StopSignal>> {
    match text {
        "" => Ok(None),
        text => signal::parse(text).map(|number| Some(StopSignal(number))),
    }
}

/// `--stop-timeout`.
pub fn stop_timeout(seconds: &str) -> Result<u32> {
    seconds.parse().map_err(|_| {
        Error::usage(format!(
            "invalid argument `{}` for `--stop-timeout`: not a number of seconds",
            text::clean(seconds)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stop_signal_is_the_requests_or_the_images() {
        let decide = |asked: &str, image: Option<&str>| {
            let image = Defaults { stop_signal: image.map(String::from), ..Defaults::default() };
            let request = LifecycleRequest { stop_signal: stop_signal(asked)?, ..LifecycleRequest::default() };
            request.resolve(&image, &[]).map(|life| life.stop_signal.0)
        };
        for (asked, image, expected) in [
            ("", None, libc::SIGTERM),
            ("", Some(""), libc::SIGTERM),
            ("", Some("SIGQUIT"), libc::SIGQUIT),
            ("9", Some("SIGQUIT"), 9),
            ("INT", None, libc::SIGINT),
            ("INT", Some("nonsense"), libc::SIGINT),
        ] {
            assert_eq!(decide(asked, image).unwrap(), expected, "{asked} {image:?}");
        }
        let chosen = |asked: &str, image: Option<&str>| {
            let image = Defaults { stop_signal: image.map(String::from), ..Defaults::default() };
            let request = LifecycleRequest { stop_signal: stop_signal(asked).unwrap(), ..LifecycleRequest::default() };
            request.resolve(&image, &[]).unwrap().chosen.stop_signal
        };
        assert!(!chosen("", Some("")) && chosen("15", None) && chosen("", Some("SIGTERM")));
        assert!(decide("nonsense", None).is_err() && decide("", Some("nonsense")).is_err());
        assert_eq!(LifecycleRequest::default().resolve(&Defaults::default(), &[]).unwrap(), Lifecycle::default());
    }

    #[test]
    fn systemd_has_its_own_signal_and_is_its_own_init() {
        let request = LifecycleRequest { systemd: Systemd::True, ..LifecycleRequest::default() };
        let decide =
            |request: &LifecycleRequest, command: &str| request.resolve(&Defaults::default(), &[command.into()]);
        let life = decide(&request, "/sbin/init").unwrap();
        assert_eq!((life.systemd, life.stop_signal.0), (Systemd::Always, 37));
        let life = decide(&request, "sh").unwrap();
        assert_eq!((life.systemd, life.stop_signal.0), (Systemd::False, libc::SIGTERM));
        let with_init = LifecycleRequest { init: true, ..request };
        assert!(
            decide(&with_init, "/sbin/init").unwrap_err().message().contains("--init")
                && decide(&with_init, "sh").is_ok()
        );
    }

    #[test]
    fn timeouts_are_seconds() {
        assert_eq!(stop_timeout("3").unwrap(), 3);
        assert!(stop_timeout("-1").unwrap_err().message().contains("invalid argument `-1`"));
    }
}
