//! `--progress=tty`: BuildKit's view. One line for each step with its time, the last lines of output below those that run,
//! drawn again when something has changed and for the clock.
//!
//! Names of steps and output come from strangers: [`Frames`] takes everything out of them that a terminal would obey.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::cli::ui::{Frames, Tint};
use crate::engine::build::events::{Event, Watcher};

/// How often it is drawn.
const EVERY: Duration = Duration::from_millis(100);

/// The last lines of output of each running step.
const LINES: usize = 6;

/// Longer lines of a program are cut, in bytes.
const LINE: usize = 4 << 10;

/// The view; complete when it is dropped.
pub struct Terminal {
    shared: Arc<Shared>,
    drawing: Option<JoinHandle<()>>,
}

struct Shared {
    view: Mutex<View>,
    ended: Condvar,
}

/// What is known of the build.
struct View {
    steps: BTreeMap<usize, Step>,
    begun: Instant,
    is_over: bool,
}

struct Step {
    name: String,
    begun: Instant,
    state: State,
    /// The last lines of its output.
    lines: VecDeque<String>,
    /// The beginning of a line of each stream.
    open: [Vec<u8>; 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Cached,
    Done(Duration),
    Failed(Duration),
}

impl Shared {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Terminal {
    /// On standard error.
    pub fn new(colors: bool) -> Self {
        let view = View { steps: BTreeMap::new(), begun: Instant::now(), is_over: false };
        let shared = Arc::new(Shared { view: Mutex::new(view), ended: Condvar::new() });
        let drawn = shared.clone();
        let drawing = std::thread::Builder::new().name("progress".into()).spawn(move || draw(&drawn, colors)).ok();
        Self { shared, drawing }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.shared.view().is_over = true;
        self.shared.ended.notify_all();
        if let Some(drawing) = self.drawing.take() {
            let _ = drawing.join();
        }
    }
}

impl Watcher for Terminal {
    fn event(&self, number: usize, event: &Event<'_>) {
        self.shared.view().apply(number, event, Instant::now());
    }
}

fn draw(shared: &Shared, colors: bool) {
    let mut frames = Frames::on_stderr(colors);
    let mut view = shared.view();
    loop {
        let (columns, rows) = frames.size();
        let lines = view.lines(Instant::now(), columns, rows);
        let is_over = view.is_over;
        drop(view);
        frames.draw(&lines);
        if is_over {
            return;
        }
        view = shared.view();
        if !view.is_over {
            view = shared.ended.wait_timeout(view, EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl View {
    fn apply(&mut self, number: usize, event: &Event<'_>, now: Instant) {
        if let Event::Began(name) = event {
            let step = Step {
                name: (*name).to_owned(),
                begun: now,
                state: State::Running,
                lines: VecDeque::new(),
                open: Default::default(),
            };
            self.steps.insert(number, step);
        }
        let Some(step) = self.steps.get_mut(&number) else { return };
        let took = now.saturating_duration_since(step.begun);
        match event {
            Event::Began(_) => {}
            Event::Cached => step.state = State::Cached,
            Event::Done(_) => step.state = State::Done(took),
            Event::Failed(_) => step.state = State::Failed(took),
            Event::Note(note) => step.keep(note.clone()),
            Event::Output(bytes, is_error) => step.output(bytes, usize::from(*is_error)),
        }
    }

    /// The lines to draw, within this number of columns and rows.
    fn lines(&self, now: Instant, columns: usize, rows: usize) -> Vec<(Tint, String)> {
        let ended = self.steps.values().filter(|step| step.state != State::Running).count();
        let seconds = now.saturating_duration_since(self.begun).as_secs_f64();
        let over = if self.is_over { " FINISHED" } else { "" };
        let head = format!("[+] Building {seconds:.1}s ({ended}/{}){over}", self.steps.len());
        let mut blocks: Vec<(bool, Vec<(Tint, String)>)> = Vec::new();
        for step in self.steps.values() {
            blocks.push((step.state == State::Running, step.shown(now, columns)));
        }
        // When there is no room for all, the oldest that have ended go first, then the output of the others.
        let room = if self.is_over { usize::MAX } else { rows.saturating_sub(2).max(1) };
        let height = |blocks: &[(bool, Vec<_>)]| blocks.iter().map(|(_, lines)| lines.len()).sum::<usize>();
        while height(&blocks) > room {
            match blocks.iter().position(|(running, _)| !running) {
                Some(ended) => drop(blocks.remove(ended)),
                None => break,
            }
        }
        if height(&blocks) > room {
            blocks.iter_mut().for_each(|(_, lines)| lines.truncate(1));
            let skipped = blocks.len().saturating_sub(room);
            blocks.drain(..skipped);
        }
        let tint = if self.is_over { Tint::Done } else { Tint::Plain };
        std::iter::once((tint, cut(&head, columns))).chain(blocks.into_iter().flat_map(|(_, lines)| lines)).collect()
    }
}

impl Step {
    fn keep(&mut self, line: String) {
        if !line.trim().is_empty() {
            self.lines.push_back(line);
        }
        while self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }

    fn output(&mut self, bytes: &[u8], stream: usize) {
        for byte in bytes {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.open[stream]);
                    self.keep(String::from_utf8_lossy(&line).into_owned());
                }
                // A progress bar draws its line again.
                b'\r' => self.open[stream].clear(),
                byte if self.open[stream].len() < LINE => self.open[stream].push(*byte),
                _ => {}
            }
        }
    }

    fn shown(&self, now: Instant, columns: usize) -> Vec<(Tint, String)> {
        let (tint, prefix, took) = match self.state {
            State::Running => (Tint::Plain, "", now.saturating_duration_since(self.begun)),
            State::Cached => (Tint::Done, "CACHED ", Duration::ZERO),
            State::Done(took) => (Tint::Done, "", took),
            State::Failed(took) => (Tint::Failed, "ERROR ", took),
        };
        let time = format!("{:.1}s", took.as_secs_f64());
        let width = columns.saturating_sub(time.len() + 2);
        let name = cut(&format!(" => {prefix}{}", self.name.replace(['\t', '\n'], " ")), width);
        let gap = columns.saturating_sub(name.chars().count() + time.len() + 1);
        let mut lines = vec![(tint, format!("{name}{}{time}", " ".repeat(gap.max(1))))];
        if self.state == State::Running {
            let open = self.open.iter().filter(|open| !open.is_empty());
            let open = open.map(|open| String::from_utf8_lossy(open).into_owned());
            let all: Vec<String> = self.lines.iter().cloned().chain(open).collect();
            let skipped = all.len().saturating_sub(LINES);
            let last = all.iter().skip(skipped);
            lines.extend(
                last.map(|line| (Tint::Faint, cut(&format!(" => => # {}", line.replace('\t', "    ")), columns - 1))),
            );
        }
        lines
    }
}

/// The first `width` characters of a text.
fn cut(text: &str, width: usize) -> String {
    text.chars().take(width.max(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(events: &[(usize, Event<'_>)]) -> (View, Instant) {
        let begun = Instant::now();
        let mut view = View { steps: BTreeMap::new(), begun, is_over: false };
        events.iter().for_each(|(number, event)| view.apply(*number, event, begun));
        (view, begun + Duration::from_millis(1250))
    }

    fn texts(view: &View, now: Instant, columns: usize, rows: usize) -> Vec<String> {
        view.lines(now, columns, rows).into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn the_view_is_buildkits() {
        let (mut view, now) = view(&[
            (1, Event::Began("[internal] load build definition")),
            (1, Event::Done(Duration::ZERO)),
            (2, Event::Began("[1/3] FROM x")),
            (2, Event::Cached),
            (3, Event::Began("[2/3] RUN make")),
            (3, Event::Output(b"10%\r20%\rdone\npart", false)),
            (4, Event::Began("[3/3] RUN false")),
            (4, Event::Failed("no")),
        ]);
        assert_eq!(
            texts(&view, now, 44, 20),
            [
                "[+] Building 1.2s (3/4)",
                " => [internal] load build definition   0.0s",
                " => CACHED [1/3] FROM x                0.0s",
                " => [2/3] RUN make                     1.2s",
                " => => # done",
                " => => # part",
                " => ERROR [3/3] RUN false              0.0s",
            ]
        );
        view.is_over = true;
        assert!(texts(&view, now, 44, 20)[0].ends_with("FINISHED"));
    }

    #[test]
    fn it_fits_into_the_terminal() {
        let mut events = Vec::new();
        let names: Vec<String> = (0..30).map(|number| format!("step {number} {}", "x".repeat(200))).collect();
        for (number, name) in names.iter().enumerate() {
            events.push((number, Event::Began(name.as_str())));
            events.push((number, Event::Output(b"1\n2\n3\n4\n5\n6\n7\n8\n", false)));
            if number % 2 == 0 {
                events.push((number, Event::Done(Duration::ZERO)));
            }
        }
        let (view, now) = view(&events);
        for (columns, rows) in [(40, 10), (10, 4), (80, 24), (1, 1)] {
            let lines = texts(&view, now, columns, rows);
            assert!(lines.len() <= rows.max(3), "{rows}: {}", lines.len());
            assert!(columns < 10 || lines.iter().all(|line| line.chars().count() <= columns), "{lines:?}");
        }
        assert!(texts(&view, now, 80, 24).iter().any(|line| line.contains("step 29")));
    }
}
