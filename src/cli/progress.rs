//! How a pull is shown: a line for each layer that is redrawn on a terminal, plain lines elsewhere, nothing when quiet.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::context::Context;
use super::ui::{Lines, chosen};
use crate::base::Result;
use crate::engine::progress::{Choice, Progress, Silent};
use crate::engine::pull::{Outcome, PullReport};
use crate::oci::{Digest, Reference};
use crate::spec::units::human_size;

/// For a command whose standard output belongs to something else (`run`): on standard error.
pub fn beside_output(context: &Context, quiet: bool) -> Box<dyn Progress> {
    choose(quiet, context.ui.err_is_terminal(), Lines::on_stderr())
}

/// For `pull` itself: on standard output.
pub fn as_output(context: &Context, quiet: bool) -> Box<dyn Progress> {
    choose(quiet, context.ui.out_is_terminal(), Lines::on_stdout())
}

/// For `load` and `import`: on standard error, and only on a terminal, as their results are few lines.
pub fn loading(context: &Context, quiet: bool) -> Box<dyn Progress> {
    match !quiet && context.ui.err_is_terminal() {
        true => Box::new(Loading(Bars::new(Lines::on_stderr()))),
        false => Box::new(Silent),
    }
}

fn choose(quiet: bool, is_terminal: bool, lines: Lines) -> Box<dyn Progress> {
    match (quiet, is_terminal) {
        (true, _) => Box::new(Silent),
        (false, true) => Box::new(Bars::new(lines)),
        (false, false) => Box::new(Plain { lines }),
    }
}

/// docker's line about an image that a container needs.
fn absent(image: &str) -> String {
    let name = image.parse().map_or_else(|_| image.to_owned(), |reference: Reference| reference.familiar());
    format!("Unable to find image '{name}' locally")
}

/// docker's last lines of a pull.
pub fn status(report: &PullReport) -> Vec<String> {
    let name = report.reference.familiar();
    let status = match report.outcome {
        Outcome::Fetched => format!("Status: Downloaded newer image for {name}"),
        Outcome::UpToDate | Outcome::Present => format!("Status: Image is up to date for {name}"),
    };
    report.digest.iter().map(|digest| format!("Digest: {digest}")).chain([status]).collect()
}

/// `latest: Pulling from library/busybox`, as docker begins.
fn heading(reference: &Reference) -> String {
    let what = reference.digest().map(ToString::to_string);
    let what = what.or_else(|| reference.tag().map(String::from)).unwrap_or_default();
    format!("{what}: Pulling from {}", reference.repository())
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
    fn absent(&self, image: &str) {
        self.lines.say(&absent(image));
    }

    fn understood(&self, how: &str) {
        self.lines.say(how);
    }

    fn arrived(&self, report: &PullReport) {
        status(report).iter().for_each(|line| self.lines.say(line));
    }

    fn resolved(&self, reference: &Reference, _layers: &[(Digest, u64)]) {
        self.lines.say(&heading(reference));
    }

    fn layer_exists(&self, layer: &Digest) {
        self.layer(layer, "Already exists");
    }

    fn layer_started(&self, layer: &Digest, _total: u64) {
        self.layer(layer, "Pulling fs layer");
    }

    fn layer_extracting(&self, layer: &Digest) {
        self.layer(layer, "Download complete");
    }

    fn layer_done(&self, layer: &Digest) {
        self.layer(layer, "Pull complete");
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
}

/// A layer that is only mentioned.
pub fn words() -> ProgressStyle {
    style("{prefix}: {msg}")
}

/// A layer that arrives: docker's bar.
pub fn bar() -> ProgressStyle {
    style("{prefix}: {msg} [{bar:40}] {sizes}").progress_chars("=> ").with_key(
        "sizes",
        |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{}/{}", human_size(state.pos()), human_size(state.len().unwrap_or(0)));
        },
    )
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Progress for Bars {
    fn absent(&self, image: &str) {
        self.lines.say(&absent(image));
    }

    fn choose(&self, meanings: &[Reference]) -> Result<Choice> {
        let names: Vec<String> = meanings.iter().map(ToString::to_string).collect();
        Ok(chosen("Please select an image:", &names)?.map_or(Choice::Impossible, Choice::Of))
    }

    fn understood(&self, how: &str) {
        self.lines.say(how);
    }

    fn arrived(&self, report: &PullReport) {
        self.all.suspend(|| status(report).iter().for_each(|line| self.lines.say(line)));
    }

    fn resolved(&self, reference: &Reference, layers: &[(Digest, u64)]) {
        self.lines.say(&heading(reference));
        let mut bars = self.layers();
        for (layer, size) in layers {
            let bar = ProgressBar::new(*size).with_style(words()).with_prefix(layer.short().to_owned());
            bars.insert(layer.clone(), self.all.add(bar.with_message("Waiting")));
        }
    }

    fn layer_exists(&self, layer: &Digest) {
        self.with(layer, |bar| bar.finish_with_message("Already exists"));
    }

    fn layer_started(&self, layer: &Digest, total: u64) {
        self.with(layer, |layer| {
            layer.set_length(total);
            layer.set_style(bar());
            layer.set_message("Downloading");
        });
    }

    fn layer_moved(&self, layer: &Digest, bytes: u64) {
        self.with(layer, |bar| bar.set_position(bytes));
    }

    fn layer_extracting(&self, layer: &Digest) {
        self.with(layer, |bar| bar.set_message("Extracting"));
    }

    fn layer_done(&self, layer: &Digest) {
        self.with(layer, |bar| {
            bar.set_style(words());
            bar.finish_with_message("Pull complete");
        });
    }
}

/// A bar for each layer that is read from an archive.
struct Loading(Bars);

impl Progress for Loading {
    fn layer_started(&self, layer: &Digest, total: u64) {
        let new = ProgressBar::new(total).with_style(bar()).with_prefix(layer.short().to_owned());
        self.0.layers().insert(layer.clone(), self.0.all.add(new.with_message("Loading layer")));
    }

    fn layer_moved(&self, layer: &Digest, bytes: u64) {
        self.0.layer_moved(layer, bytes);
    }

    fn layer_done(&self, layer: &Digest) {
        self.0.with(layer, ProgressBar::finish);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_image_is_told_in_dockers_words() {
        assert_eq!(absent("busybox"), "Unable to find image 'busybox:latest' locally");
        assert_eq!(absent("localhost:5000/a:v2"), "Unable to find image 'localhost:5000/a:v2' locally");
    }

    #[test]
    fn headings_are_dockers() {
        for (reference, expected) in
            [("busybox", "latest: Pulling from library/busybox"), ("localhost:5000/a/b:v2", "v2: Pulling from a/b")]
        {
            assert_eq!(heading(&reference.parse().unwrap()), expected);
        }
    }
}
