//! `--progress=rawjson`: a line of JSON for each change, in BuildKit's form (client.SolveStatus): vertexes, logs and
//! warnings.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use serde_json::{Value, json};

use crate::base::time;
use crate::cli::ui::Lines;
use crate::engine::build::events::{Event, Watcher};
use crate::oci::Digest;

/// Lines on standard error.
pub struct Raw {
    lines: Lines,
    steps: Mutex<HashMap<usize, Step>>,
}

#[derive(Clone)]
struct Step {
    digest: String,
    name: String,
    started: String,
}

impl Raw {
    /// On standard error.
    pub fn new() -> Self {
        Self { lines: Lines::on_stderr(), steps: Mutex::default() }
    }
}

impl Watcher for Raw {
    fn event(&self, number: usize, event: &Event<'_>) {
        let now = time::rfc3339(time::now());
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::Began(name) = event {
            let digest = Digest::sha256(format!("{number} {name}").as_bytes()).to_string();
            steps.insert(number, Step { digest, name: (*name).to_owned(), started: now.clone() });
        }
        if let Some(step) = steps.get(&number) {
            self.lines.say(&described(step, event, &now).to_string());
        }
    }
}

fn described(step: &Step, event: &Event<'_>, now: &str) -> Value {
    let vertex = |more: Value| {
        let mut vertex = json!({ "digest": step.digest, "name": step.name, "started": step.started });
        if let (Some(vertex), Some(more)) = (vertex.as_object_mut(), more.as_object()) {
            vertex.extend(more.clone());
        }
        json!({ "vertexes": [vertex] })
    };
    let log = |stream: u8, data: &[u8]| {
        let data = base64::engine::general_purpose::STANDARD.encode(data);
        json!({ "logs": [{ "vertex": step.digest, "stream": stream, "data": data, "timestamp": now }] })
    };
    match event {
        Event::Began(_) => vertex(json!({})),
        Event::Cached => vertex(json!({ "completed": now, "cached": true })),
        Event::Done(_) => vertex(json!({ "completed": now })),
        Event::Failed(why) => vertex(json!({ "completed": now, "error": why })),
        Event::Output(bytes, is_error) => log(if *is_error { 2 } else { 1 }, bytes),
        Event::Note(note) => log(2, format!("{note}\n").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_lines_of_json() {
        let step = Step { digest: "sha256:1".into(), name: "RUN x".into(), started: "then".into() };
        let shown = |event: &Event<'_>| described(&step, event, "now");
        assert_eq!(shown(&Event::Cached)["vertexes"][0]["cached"], true);
        assert_eq!(shown(&Event::Failed("no"))["vertexes"][0]["error"], "no");
        let log = shown(&Event::Output(b"a\n", true));
        assert_eq!((&log["logs"][0]["data"], &log["logs"][0]["stream"]), (&json!("YQo="), &json!(2)));
    }
}
