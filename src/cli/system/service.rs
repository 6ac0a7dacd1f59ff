//! `system service install` and `remove`: the units of coracle in the user's systemd; and `system wait-network`, which one
//! of them runs.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use crate::base::{Error, Result, ResultExt};
use crate::cli::context::Context;
use crate::cli::quadlet::generate::{GENERATOR, session_directory};
use crate::cli::verb::{Codes, Verb, typed};
use crate::units::{output, systemctl, user_units};

/// `system service install`.
pub const INSTALL: Verb = Verb {
    name: "install",
    about: "Have systemd start containers and Quadlet files with your session",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: InstallArguments::augment_args,
    run: |context, matches| install(context, &typed(matches)?),
};

/// `system service remove`.
pub const REMOVE: Verb = Verb {
    name: "remove",
    about: "Remove the units of coracle from your systemd",
    arguments: RemoveArguments::augment_args,
    run: |context, matches| {
        typed::<RemoveArguments>(matches)?;
        remove(context)
    },
    ..INSTALL
};

/// `system wait-network`.
pub const WAIT: Verb = Verb {
    name: "wait-network",
    about: "Wait until this machine has a default route",
    arguments: WaitArguments::augment_args,
    run: |_, matches| wait(&typed(matches)?),
    ..INSTALL
};

/// Arguments of `install`.
#[derive(Debug, Clone, Args)]
struct InstallArguments {
    /// Look for newer images every day, for containers that ask for it
    #[arg(long)]
    auto_update: bool,
}

/// Arguments of `remove`.
#[derive(Debug, Clone, Args)]
struct RemoveArguments {}

/// Arguments of `wait-network`.
#[derive(Debug, Clone, Args)]
struct WaitArguments {
    /// Seconds after which to go on without one
    #[arg(long, value_name = "SECONDS", default_value = "20")]
    timeout: u64,
}

fn install(context: &Context, arguments: &InstallArguments) -> Result<u8> {
    let program = std::env::current_exe().context(|| "cannot find out where this program is")?;
    let directory = context.environment.config_directory()?.join("systemd/user");
    let generator = user_units::generator(GENERATOR);
    let written = user_units::install(&directory, &program, arguments.auto_update, generator.is_some())?;
    for name in written {
        context.ui.line(&directory.join(name).display().to_string())?;
    }
    if let Err(error) = systemctl::user(["daemon-reload"]) {
        context.ui.warning(&format!("systemd has not read the units yet: {}", error.chain()));
        return Ok(0);
    }
    if generator.is_none() {
        systemctl::user(["restart", "coracle-quadlet.service"])?;
    }
    if arguments.auto_update {
        systemctl::user(["start", "coracle-auto-update.timer"])?;
    }
    if super::linger::is_on()? == Some(false) {
        context
            .ui
            .note("Containers end when you log out. To keep them, and to start them at boot: coracle system linger on");
    }
    Ok(0)
}

fn remove(context: &Context) -> Result<u8> {
    let directory = context.environment.config_directory()?.join("systemd/user");
    // A manager that does not answer has nothing to stop.
    let _ = systemctl::user(["stop", "coracle-auto-update.timer"]);
    if let Ok(session) = session_directory(context)
        && session.exists()
    {
        output::replace(&[], &session)?;
    }
    for name in user_units::remove(&directory)? {
        context.ui.line(&directory.join(name).display().to_string())?;
    }
    if let Err(error) = systemctl::user(["daemon-reload"]) {
        context.ui.warning(&format!("systemd has not noticed it yet: {}", error.chain()));
    }
    Ok(0)
}

/// How often the routes are looked at.
const EVERY: Duration = Duration::from_millis(200);

fn wait(arguments: &WaitArguments) -> Result<u8> {
    let until = Instant::now().checked_add(Duration::from_secs(arguments.timeout));
    let until = until.ok_or_else(|| Error::usage("the timeout is too long"))?;
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
    while !has_default_route(&read("/proc/net/route"), &read("/proc/net/ipv6_route")) {
        if Instant::now() >= until {
            return Ok(0);
        }
        std::thread::sleep(EVERY);
    }
    Ok(0)
}

/// By the kernel's tables of routes, proc(5): a route to anywhere, through an interface that is not the loopback.
fn has_default_route(v4: &str, v6: &str) -> bool {
    let v4 = v4.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut v4 = v4.filter(|fields| fields.len() > 7 && fields[1] == "00000000" && fields[7] == "00000000");
    let v6 = v6.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let anywhere = |fields: &Vec<&str>| fields[0].bytes().all(|byte| byte == b'0') && fields[1] == "00";
    let mut v6 = v6.filter(|fields| fields.len() > 9 && anywhere(fields) && fields[9] != "lo");
    v4.any(|fields| fields[0] != "lo") || v6.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_seen() {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let local = "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let default = "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert!(!has_default_route(head, "") && !has_default_route(&format!("{head}{local}"), ""));
        assert!(has_default_route(&format!("{head}{local}{default}"), ""));
        let zero = "00000000000000000000000000000000";
        let route = |device: &str| {
            format!("{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 1 0 00000003 {device}\n")
        };
        assert!(has_default_route("", &route("eth0")) && !has_default_route("", &route("lo")));
    }
}
