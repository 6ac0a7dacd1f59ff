//! How the work on a project is shown, on standard error: docker compose's lines, or lines that are redrawn on a terminal.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::project::Way;
use crate::base::text;
use crate::cli::build_progress::{Plain as PlainBuild, Quiet as QuietBuild};
use crate::cli::ui::Lines;
use crate::compose::report::{Report, Stage};
use crate::engine::build::events::{Event, Watcher};
use crate::engine::progress::{Progress, Silent};

/// What stands before each line of `--dry-run`.
const DRY_RUN: &str = "DRY-RUN MODE - ";

/// Shows what happens.
pub struct Shown {
    way: Way,
    dry_run: bool,
    /// Warnings are wanted.
    warns: bool,
    lines: Lines,
    live: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Shown {
    /// In one of the ways.
    pub fn new(way: Way, dry_run: bool, warns: bool) -> Self {
        let live = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self { way, dry_run, warns, lines: Lines::on_stderr(), live, bars: Mutex::default() }
    }

    /// Leaves what is drawn as it is, for what is printed from now on.
    pub fn settle(&self) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        bars.drain().for_each(|(_, bar)| bar.abandon());
    }

    fn say(&self, line: &str) {
        match self.way {
            Way::Terminal => self.live.suspend(|| self.lines.say(line)),
            _ => self.lines.say(line),
        }
    }

    fn draw(&self, what: &str, stage: Stage, words: &str) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(what.to_owned()).or_insert_with(|| {
            let bar = self.live.add(ProgressBar::new_spinner());
            bar.set_style(style("{spinner} {prefix}  {msg}"));
            bar.set_prefix(text::clean(what).into_owned());
            bar.enable_steady_tick(std::time::Duration::from_millis(100));
            bar
        });
        bar.set_message(text::clean(words).into_owned());
        let mark = match stage {
            Stage::Working => {
                bar.set_style(style("{spinner} {prefix}  {msg}"));
                return bar.tick();
            }
            Stage::Done => "✔",
            Stage::Warning => "!",
            Stage::Failed => "✘",
        };
        bar.set_style(style(&format!("{mark} {{prefix}}  {{msg}}")));
        bar.abandon();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Report for Shown {
    fn event(&self, what: &str, stage: Stage, words: &str) {
        let before = if self.dry_run { DRY_RUN } else { "" };
        match self.way {
            Way::Plain => self.lines.say(&format!("{before} {what}  {words}")),
            Way::Terminal => self.draw(&format!("{before}{what}"), stage, words),
            Way::Json => {
                let status = match stage {
                    Stage::Working => "Working",
                    Stage::Done => "Done",
                    Stage::Warning => "Warning",
                    Stage::Failed => "Error",
                };
                self.lines
                    .say(&json!({"id": what, "status": status, "text": words, "dry-run": self.dry_run}).to_string());
            }
            Way::Quiet => {}
        }
    }

    fn warning(&self, warning: &str) {
        if self.warns {
            self.say(&format!("WARNING: {}", text::clean(warning)));
        }
    }

    fn pull(&self) -> Box<dyn Progress + '_> {
        Box::new(Silent)
    }

    fn build(&self) -> Box<dyn Watcher + '_> {
        match self.way {
            Way::Quiet => Box::new(QuietBuild),
            _ => Box::new(Beside { shown: self, plain: PlainBuild::new() }),
        }
    }
}

/// The lines of a build, above what is redrawn.
struct Beside<'a> {
    shown: &'a Shown,
    plain: PlainBuild,
}

impl Watcher for Beside<'_> {
    fn event(&self, step: usize, event: &Event<'_>) {
        match self.shown.way {
            Way::Terminal => self.shown.live.suspend(|| self.plain.event(step, event)),
            _ => self.plain.event(step, event),
        }
    }
}
