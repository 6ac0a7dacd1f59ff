//! A terminal with a command on it, as a person sees it: type, wait for text, change the window's size.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::PATIENCE;
use super::output::{Collected, Command, Output};

const WINDOW: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// A running command on its own controlling terminal. Dropping it hangs up and kills it.
#[derive(Debug)]
pub struct Terminal {
    shown: String,
    master: File,
    child: Child,
    screen: Collected,
    /// How much of the screen earlier expectations have consumed.
    read: AtomicUsize,
}

impl Terminal {
    /// Starts `command` on a new terminal of 80 columns and 24 rows.
    #[track_caller]
    pub fn start(command: Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("our terminal");
        tcsetwinsize(&master, WINDOW).expect("our terminal");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("ASCII");
        let slave: OwnedFd = File::options().read(true).write(true).open(&name).expect("the other side").into();
        let (shown, inner) = command.into_parts();
        // setsid(1) makes the terminal the controlling one, so that ^C and window changes become signals.
        let mut outer = std::process::Command::new("setsid");
        outer.arg("--ctty").arg(inner.get_program()).args(inner.get_args()).env_clear();
        for (name, value) in inner.get_envs() {
            if let Some(value) = value {
                outer.env(name, value);
            }
        }
        if let Some(directory) = inner.get_current_dir() {
            outer.current_dir(directory);
        }
        let side = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let child = outer.stdin(side()).stdout(side()).stderr(side()).spawn().expect("setsid(1) is in util-linux");
        let master = File::from(master);
        let screen = Collected::from(master.try_clone().expect("a descriptor"));
        Self { shown, master, child, screen, read: AtomicUsize::new(0) }
    }

    /// Changes the window's size.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).expect("our terminal");
    }

    /// Types `text`; a line ends with `\n` as from the return key, `\x03` is ^C.
    pub fn types(&self, text: &str) {
        (&self.master).write_all(text.replace('\n', "\r").as_bytes()).expect("our terminal");
    }

    /// Waits until `text` appears after what was expected before.
    #[track_caller]
    pub fn expects(&self, text: &str) {
        let from = self.read.load(Ordering::Relaxed);
        let found = self.screen.wait_for(PATIENCE, |seen, _| {
            let position = seen[from..].windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(position) = position {
                self.read.store(from + position + text.len(), Ordering::Relaxed);
            }
            position.is_some()
        });
        assert!(found, "waited in vain for {text:?}\n$ {}\n--- screen\n{}", self.shown, self.screen.text());
    }

    /// Whether the terminal is in raw mode: no echo, no signals from keys.
    pub fn is_raw(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.master).expect("our terminal").local_modes;
        !modes.contains(rustix::termios::LocalModes::ICANON) && !modes.contains(rustix::termios::LocalModes::ECHO)
    }

    /// The command's process id.
    pub fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits for the end of the command; the screen is its standard output.
    #[must_use = "assert on it: .succeeds(), .fails_with(125)"]
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().expect("a child of ours") {
                Some(status) => break status,
                None => {
                    assert!(Instant::now() < deadline, "still runs\n$ {}\n{}", self.shown, self.screen.text());
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
            }
        };
        // The end of the screen comes when nobody holds the terminal any more: not awaited for long, because what the
        // command said is there already.
        self.screen.ends_within(std::time::Duration::from_millis(500));
        Output { command: self.shown.clone(), status, stdout: self.screen.text(), stderr: String::new() }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
