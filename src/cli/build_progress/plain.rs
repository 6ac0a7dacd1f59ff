//! `--progress=plain`: a line for each thing that happens, as BuildKit has it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::cli::ui::Lines;
use crate::engine::build::events::{Event, Watcher};

/// Longer lines of a program are shown in pieces, in bytes.
const LINE: usize = 16 << 10;

/// A line for each thing that happens.
pub struct Plain {
    lines: Lines,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    steps: HashMap<usize, Step>,
    last: usize,
}

struct Step {
    name: String,
    began: Instant,
    /// The beginning of a line of each stream.
    open: [Vec<u8>; 2],
}

impl Plain {
    /// On standard error.
    pub fn new() -> Self {
        Self { lines: Lines::on_stderr(), state: Mutex::default() }
    }
}

impl Watcher for Plain {
    fn event(&self, step: usize, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        lines_of(&mut state, step, event, Instant::now()).iter().for_each(|line| self.lines.say(line));
    }
}

fn lines_of(state: &mut State, number: usize, event: &Event<'_>, now: Instant) -> Vec<String> {
    let mut lines = Vec::new();
    if let Event::Began(name) = event {
        state.steps.insert(number, Step { name: (*name).to_owned(), began: now, open: Default::default() });
    }
    let Some(step) = state.steps.get_mut(&number) else { return lines };
    let seconds = now.saturating_duration_since(step.began).as_secs_f64();
    let mut said: Vec<String> = match event {
        Event::Began(name) => vec![format!("#{number} {name}")],
        Event::Cached => vec![format!("#{number} CACHED")],
        Event::Note(note) => vec![format!("#{number} {note}")],
        Event::Output(bytes, is_error) => {
            let open = &mut step.open[usize::from(*is_error)];
            open.extend(*bytes);
            let mut whole = Vec::new();
            while let Some(end) = open.iter().position(|byte| *byte == b'\n').or((open.len() > LINE).then_some(LINE)) {
                let line: Vec<u8> = open.drain(..=end.min(open.len() - 1)).collect();
                whole.push(format!("#{number} {seconds:.3} {}", text_of(&line)));
            }
            whole
        }
        Event::Done(_) | Event::Failed(_) => {
            let rest = step.open.iter_mut().filter(|open| !open.is_empty());
            rest.map(|open| format!("#{number} {seconds:.3} {}", text_of(&std::mem::take(open)))).collect()
        }
    };
    match event {
        Event::Done(took) => said.push(format!("#{number} DONE {:.1}s", took.as_secs_f64())),
        Event::Failed(why) => said.push(format!("#{number} ERROR: {why}")),
        _ => {}
    }
    if state.last != number && !said.is_empty() {
        if state.last != 0 {
            lines.push(String::new());
        }
        // Another step spoke meanwhile: say whose words these are.
        if state.last != 0 && !matches!(event, Event::Began(_)) {
            lines.push(format!("#{number} {}", step.name));
        }
        state.last = number;
    }
    lines.extend(said);
    lines
}

fn text_of(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn lines_are_those_of_buildkit() {
        let (mut state, now) = (State::default(), Instant::now());
        let mut lines = Vec::new();
        for (number, event) in [
            (1, Event::Began("[internal] load build definition from Dockerfile")),
            (1, Event::Done(Duration::from_millis(40))),
            (2, Event::Began("[1/2] RUN a")),
            (2, Event::Output(b"one\ntw", false)),
            (3, Event::Began("[b 1/2] RUN b")),
            (3, Event::Cached),
            (2, Event::Output(b"o\r\nend", false)),
            (2, Event::Output(b"err", true)),
            (2, Event::Failed("no")),
            (9, Event::Cached),
        ] {
            lines.extend(lines_of(&mut state, number, &event, now));
        }
        let expected = "#1 [internal] load build definition from Dockerfile\n#1 DONE 0.0s\n\n#2 [1/2] RUN a\n#2 0.000 one\n\n\
            #3 [b 1/2] RUN b\n#3 CACHED\n\n#2 [1/2] RUN a\n#2 0.000 two\n#2 0.000 end\n#2 0.000 err\n#2 ERROR: no";
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let (mut state, now) = (State::default(), Instant::now());
        lines_of(&mut state, 1, &Event::Began("x"), now);
        assert_eq!(lines_of(&mut state, 1, &Event::Output(&[b'x'; LINE * 3], false), now).len(), 2);
    }
}
