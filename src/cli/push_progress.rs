//! How a push is shown: docker's lines, a line for each layer that is redrawn on a terminal, or nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use super::context::{Context, Persona};
use super::progress::{bar, words};
use super::ui::Lines;
use crate::base::text;
use crate::engine::progress::{Progress, Silent};
use crate::engine::push::PushReport;
use crate::oci::{Digest, Reference};

/// For `push`: on standard output, where docker has it. podman's standard output stays empty.
pub fn of_push(context: &Context, quiet: bool) -> Box<dyn Progress> {
    let beside = context.persona == Persona::Podman;
    let is_terminal = if beside { context.ui.err_is_terminal() } else { context.ui.out_is_terminal() };
    let lines = if beside { Lines::on_stderr() } else { Lines::on_stdout() };
    match (quiet, is_terminal) {
        (true, _) => Box::new(Silent),
        (false, true) => Box::new(Bars::new(lines)),
        (false, false) => Box::new(Plain { lines }),
    }
}

/// `The push refers to repository [docker.io/library/busybox]`, as docker begins.
fn heading(to: &Reference) -> String {
    format!("The push refers to repository [{}]", to.name())
}

/// `latest: digest: sha256:… size: 527`, as docker ends.
fn ending(report: &PushReport) -> String {
    let tag = report.reference.tag().unwrap_or_default();
    format!("{tag}: digest: {} size: {}", report.digest, report.size)
}

fn mounted(from: &Reference) -> String {
    format!("Mounted from {}", text::clean(from.repository()))
}

/// One line for each step.
struct Plain {
    lines: Lines,
}

impl Plain {
    fn layer(&self, layer: &Digest, what: &str) {
        self.lines.say(&format!("{}: {what}", layer.short()));
    }
}

impl Progress for Plain {
    fn push_began(&self, to: &Reference, layers: &[(Digest, u64)]) {
        self.lines.say(&heading(to));
        layers.iter().for_each(|(layer, _)| self.layer(layer, "Preparing"));
    }

    fn layer_exists(&self, layer: &Digest) {
        self.layer(layer, "Layer already exists");
    }

    fn layer_mounted(&self, layer: &Digest, from: &Reference) {
        self.layer(layer, &mounted(from));
    }

    fn layer_skipped(&self, layer: &Digest) {
        self.layer(layer, "Skipped foreign layer");
    }

    fn layer_done(&self, layer: &Digest) {
        self.layer(layer, "Pushed");
    }

    fn pushed(&self, report: &PushReport) {
        self.lines.say(&ending(report));
    }
}

/// A line for each layer, redrawn.
struct Bars {
    lines: Lines,
    all: MultiProgress,
    layers: Mutex<HashMap<Digest, ProgressBar>>,
}

impl Bars {
    fn new(lines: Lines) -> Self {
        let target = match lines.is_stdout() {
            true => ProgressDrawTarget::stdout(),
            false => ProgressDrawTarget::stderr(),
        };
        Self { lines, all: MultiProgress::with_draw_target(target), layers: Mutex::new(HashMap::new()) }
    }

    fn layers(&self) -> MutexGuard<'_, HashMap<Digest, ProgressBar>> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, layer: &Digest, change: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = self.layers().get(layer) {
            change(bar);
        }
    }

    fn end(&self, layer: &Digest, what: String) {
        self.with(layer, |bar| {
            bar.set_style(words());
            bar.finish_with_message(what);
        });
    }
}

impl Progress for Bars {
    fn push_began(&self, to: &Reference, layers: &[(Digest, u64)]) {
        self.lines.say(&heading(to));
        let mut bars = self.layers();
        bars.clear();
        for (layer, size) in layers {
            let bar = ProgressBar::new(*size).with_style(words()).with_prefix(layer.short().to_owned());
            bars.insert(layer.clone(), self.all.add(bar.with_message("Waiting")));
        }
    }

    fn layer_exists(&self, layer: &Digest) {
        self.end(layer, "Layer already exists".into());
    }

    fn layer_mounted(&self, layer: &Digest, from: &Reference) {
        self.end(layer, mounted(from));
    }

    fn layer_skipped(&self, layer: &Digest) {
        self.end(layer, "Skipped foreign layer".into());
    }

    fn layer_preparing(&self, layer: &Digest) {
        self.with(layer, |bar| bar.set_message("Preparing"));
    }

    fn layer_started(&self, layer: &Digest, total: u64) {
        self.with(layer, |layer| {
            layer.set_length(total);
            layer.set_style(bar());
            layer.set_message("Pushing");
        });
    }

    fn layer_moved(&self, layer: &Digest, bytes: u64) {
        self.with(layer, |bar| bar.set_position(bytes));
    }

    fn layer_done(&self, layer: &Digest) {
        self.end(layer, "Pushed".into());
    }

    fn pushed(&self, report: &PushReport) {
        self.lines.say(&ending(report));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_lines_are_dockers() {
        let reference: Reference = "busybox".parse().unwrap();
        assert_eq!(heading(&reference), "The push refers to repository [docker.io/library/busybox]");
        assert_eq!(mounted(&reference), "Mounted from library/busybox");
        let digest = Digest::sha256(b"x");
        let report = PushReport { reference, digest: digest.clone(), size: 527, repacked: Vec::new() };
        assert_eq!(ending(&report), format!("latest: digest: {digest} size: 527"));
    }
}
