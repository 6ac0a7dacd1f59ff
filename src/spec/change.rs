//! `--change` of `import`: lines of a Dockerfile that change an image's defaults. podman's `CMD=…` is `CMD …`.

use std::time::Duration;

use super::{ports, signal, times};
use crate::base::{Error, Result, text};
use crate::oci::config::{Defaults, HealthCheck, from_root};

/// Applies one line to the defaults of an image.
pub fn apply(defaults: &mut Defaults, line: &str) -> Result<()> {
    let line = line.trim();
    let end = line.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(line.len());
    let (instruction, rest) = line.split_at(end);
    let instruction = instruction.to_ascii_uppercase();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    if !INSTRUCTIONS.contains(&instruction.as_str()) {
        return Err(Error::usage(format!("`{}` is not a valid change", text::clean(line)))
            .hint(format!("it begins with one of {}", INSTRUCTIONS.join(", "))));
    }
    if value.is_empty() {
        return Err(Error::usage(format!("the change {instruction} requires a value")));
    }
    match instruction.as_str() {
        "CMD" => defaults.cmd = Some(command(value)),
        "ENTRYPOINT" => defaults.entrypoint = Some(command(value)),
        "ENV" => {
            for (name, value) in pairs(value)? {
                defaults.env.retain(|variable| variable.split('=').next() != Some(name.as_str()));
                defaults.env.push(format!("{name}={value}"));
            }
        }
        "EXPOSE" => defaults.exposed_ports.extend(ports::exposed(&words(value)?)?),
        "HEALTHCHECK" => defaults.healthcheck = Some(health_check(value)?),
        "LABEL" => defaults.labels.extend(pairs(value)?),
        "ONBUILD" => defaults.on_build.push(value.to_owned()),
        "STOPSIGNAL" => {
            signal::parse(value)?;
            defaults.stop_signal = Some(value.to_owned());
        }
        "USER" => defaults.user = value.to_owned(),
        "VOLUME" => {
            let paths = list(value).map_or_else(|| words(value), Ok)?;
            defaults.volumes.extend(paths.iter().map(|path| from_root(path)));
        }
        // WORKDIR; a relative one is taken from the one before.
        _ if value.starts_with('/') => defaults.working_dir = from_root(value),
        _ => defaults.working_dir = from_root(&format!("{}/{value}", defaults.working_dir)),
    }
    Ok(())
}

/// docker's list of what may change a configuration.
const INSTRUCTIONS: [&str; 11] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A JSON list of words, or a line for the shell.
fn command(value: &str) -> Vec<String> {
    list(value).unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into(), value.to_owned()])
}

fn list(value: &str) -> Option<Vec<String>> {
    value.starts_with('[').then(|| serde_json::from_str(value).ok()).flatten()
}

/// `NAME=value NAME="some value"`, or the old `NAME some value`.
fn pairs(value: &str) -> Result<Vec<(String, String)>> {
    let first = value.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let (name, value) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Error::usage(format!("`{}` is not of the form NAME=value", text::clean(&word)))),
    };
    words(value)?.into_iter().map(pair).collect()
}

/// Words as a shell separates them: quotes keep blanks, a backslash takes away a meaning.
fn words(line: &str) -> Result<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', None | Some('"')) => {
                word.get_or_insert_default().extend(letters.next());
            }
            ('"' | '\'', None) => {
                word.get_or_insert_default();
                quote = Some(letter);
            }
            (letter, Some(open)) if letter == open => quote = None,
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    match quote {
        Some(_) => Err(Error::usage(format!("`{}` has a quote without an end", text::clean(line)))),
        None => {
            words.extend(word);
            Ok(words)
        }
    }
}

/// `NONE`, or `[--interval=5s …] CMD command`.
fn health_check(value: &str) -> Result<HealthCheck> {
    let mut check = HealthCheck::default();
    let mut rest = value;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
        rest = after.trim_start();
        let wrong = || Error::usage(format!("invalid option of HEALTHCHECK: `--{}`", text::clean(option)));
        let (name, value) = option.split_once('=').ok_or_else(wrong)?;
        let nanos = || {
            let (duration, negative) = times::duration(value).ok_or_else(wrong)?;
            match negative || duration < Duration::from_millis(1) {
                true => Err(wrong()),
                false => i64::try_from(duration.as_nanos()).map_err(|_| wrong()),
            }
        };
        match name {
            "interval" => check.interval = nanos()?,
            "timeout" => check.timeout = nanos()?,
            "start-period" => check.start_period = nanos()?,
            "start-interval" => check.start_interval = nanos()?,
            "retries" => check.retries = value.parse().ok().filter(|retries| *retries >= 1).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        }
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    check.test = match (kind.to_ascii_uppercase().as_str(), command.trim()) {
        ("NONE", "") => vec!["NONE".into()],
        ("CMD", command) if !command.is_empty() => match list(command) {
            Some(words) => std::iter::once("CMD".to_owned()).chain(words).collect(),
            None => vec!["CMD-SHELL".into(), command.to_owned()],
        },
        _ => return Err(Error::usage(format!("invalid HEALTHCHECK: `{}`", text::clean(value)))),
    };
    Ok(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(lines: &[&str]) -> Result<String> {
        let mut defaults = Defaults::default();
        lines.iter().try_for_each(|line| apply(&mut defaults, line))?;
        Ok(serde_json::to_string(&defaults).unwrap())
    }

    #[test]
    fn lines_of_a_dockerfile_change_the_defaults() {
        for (lines, expected) in [
            (&[r#"CMD ["sh", "-l"]"#][..], r#"{"Cmd":["sh","-l"]}"#),
            (&["cmd echo $HOME"], r#"{"Cmd":["/bin/sh","-c","echo $HOME"]}"#),
            (&["CMD=/bin/top"], r#"{"Cmd":["/bin/sh","-c","/bin/top"]}"#),
            (&[r#"ENTRYPOINT ["/init"]"#], r#"{"Entrypoint":["/init"]}"#),
            (&["ENV A=1 B='2 3' C=\"4\\\"\"", "ENV A=5"], r#"{"Env":["B=2 3","C=4\"","A=5"]}"#),
            (&["ENV A one two"], r#"{"Env":["A=one two"]}"#),
            (&["ENV=A=1"], r#"{"Env":["A=1"]}"#),
            (&["EXPOSE 80 53/udp"], r#"{"ExposedPorts":{"53/udp":{},"80/tcp":{}}}"#),
            (&["LABEL a=b c"], "invalid"),
            (&["LABEL a=b c=d"], r#"{"Labels":{"a":"b","c":"d"}}"#),
            (&["USER nobody:1"], r#"{"User":"nobody:1"}"#),
            (&["VOLUME /a b"], r#"{"Volumes":{"/a":{},"/b":{}}}"#),
            (&[r#"VOLUME ["/a b"]"#], r#"{"Volumes":{"/a b":{}}}"#),
            (&["WORKDIR /a/", "WORKDIR b/../c"], r#"{"WorkingDir":"/a/c"}"#),
            (&["STOPSIGNAL SIGINT"], r#"{"StopSignal":"SIGINT"}"#),
            (&["STOPSIGNAL SIGNONE"], "invalid"),
            (&["ONBUILD RUN make"], r#"{"OnBuild":["RUN make"]}"#),
            (&["HEALTHCHECK NONE"], r#"{"Healthcheck":{"Test":["NONE"]}}"#),
            (
                &["HEALTHCHECK --interval=5s --retries=3 CMD true || false"],
                r#"{"Healthcheck":{"Test":["CMD-SHELL","true || false"],"Interval":5000000000,"Retries":3}}"#,
            ),
            (&[r#"HEALTHCHECK CMD ["true"]"#], r#"{"Healthcheck":{"Test":["CMD","true"]}}"#),
            (&["HEALTHCHECK --interval=never CMD true"], "invalid"),
            (&["HEALTHCHECK true"], "invalid"),
            (&["RUN make"], "invalid"),
            (&["COPY a b"], "invalid"),
            (&["CMD"], "invalid"),
            (&["ENV A=\"1"], "invalid"),
            (&[""], "invalid"),
        ] {
            assert_eq!(changed(lines).unwrap_or_else(|_| "invalid".into()), expected, "{lines:?}");
        }
    }
}
