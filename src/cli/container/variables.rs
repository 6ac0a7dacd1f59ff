//! `--env`, `--env-file`, `--label` and `--label-file`: lists of `NAME=value` from the command line and from files, by
//! docker's rules.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::base::{Error, Result, ResultExt, text};
use crate::cli::environment::Environment;

/// No sensible list of variables is larger, and a device or an endless pipe is.
const FILE_MAX: u64 = 4 << 20;

/// The variables of a container: those of the files first, then those of the command line. A bare `NAME` stands for the
/// variable of this environment, and for nothing when there is none.
pub fn environment(files: &[String], given: &[String], cwd: &Path, outer: &Environment) -> Result<Vec<String>> {
    let mut variables = Vec::new();
    for file in files {
        variables.extend(read(file, cwd, "--env-file", |name| outer.get(name).map(String::from))?);
    }
    for variable in given {
        let name = variable.split('=').next().unwrap_or_default();
        if name.is_empty() {
            return Err(Error::usage(format!("invalid environment variable: `{}`", text::clean(variable))));
        }
        match variable.contains('=') {
            true => variables.push(variable.clone()),
            false => variables.extend(outer.get(name).map(|value| format!("{name}={value}"))),
        }
    }
    Ok(variables)
}

/// The labels of a container; the last of a name wins. A bare name has an empty value.
pub fn labels(files: &[String], given: &[String], cwd: &Path) -> Result<BTreeMap<String, String>> {
    let mut labels = Vec::new();
    for file in files {
        labels.extend(read(file, cwd, "--label-file", |_| Some(String::new()))?);
    }
    labels.extend_from_slice(given);
    let pair = |label: &String| match label.split_once('=').unwrap_or((label, "")) {
        ("", _) => Err(Error::usage(format!("invalid label: `{}`", text::clean(label)))),
        (name, value) => Ok((name.to_owned(), value.to_owned())),
    };
    labels.iter().map(pair).collect()
}

fn read(file: &str, cwd: &Path, flag: &str, bare: impl Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    let path = cwd.join(file);
    let mut bytes = Vec::new();
    let opened = File::open(&path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
    opened.at(&path, "cannot read").map_err(|error| error.with_kind(crate::base::Kind::Usage))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(Error::usage(format!("`{}` is larger than {FILE_MAX} bytes", path.display())));
    }
    lines(&bytes, bare).context(|| format!("invalid `{flag}` `{}`", path.display()))
}

/// The assignments in the text of a file. Lines that are empty or begin with `#` do not count; values are taken as they
/// stand, quotes and trailing spaces included.
fn lines(bytes: &[u8], bare: impl Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    const SPACE: [char; 2] = [' ', '\t'];
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut assignments = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = str::from_utf8(line).map_err(|_| Error::usage(format!("line {} is not UTF-8", number + 1)))?;
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start_matches(SPACE);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split('=').next().unwrap_or_default();
        if name.is_empty() {
            return Err(Error::usage(format!("no variable name in line {}", number + 1)));
        }
        if name.contains(SPACE) {
            return Err(Error::usage(format!("variable `{}` contains whitespace", text::clean(name))));
        }
        match line.contains('=') {
            true => assignments.push(line.to_owned()),
            false => assignments.extend(bare(name).map(|value| format!("{name}={value}"))),
        }
    }
    Ok(assignments)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::publish::Staging;

    fn outer() -> Environment {
        Environment::of(&[("HOME", "/home/ann"), ("EMPTY", "")])
    }

    #[test]
    fn files_follow_dockers_rules() {
        let text = "\u{feff}A=1\r\n\n# comment\n  B= two words \n\tC=\"q\"=x\nHOME\nUNSET\n  # not a comment? yes, it is\nD=#x\n";
        let got = lines(text.as_bytes(), |name| outer().get(name).map(String::from)).unwrap();
        assert_eq!(got, ["A=1", "B= two words ", "C=\"q\"=x", "HOME=/home/ann", "D=#x"]);
        for (bad, reason) in [("=x", "no variable name"), ("A B=1", "whitespace"), ("A =1", "whitespace")] {
            assert!(lines(bad.as_bytes(), |_| None).unwrap_err().message().contains(reason), "{bad}");
        }
        assert!(lines(b"ok=1\nA=\xff\n", |_| None).unwrap_err().message().contains("line 2"));
    }

    #[test]
    fn the_command_line_comes_after_the_files() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        fs::write(scratch.path().join("env"), "A=file\nB=file\n").unwrap();
        let given = ["A=line".to_owned(), "HOME".into(), "UNSET".into(), "EMPTY".into(), "X=".into()];
        let got = environment(&["env".into()], &given, scratch.path(), &outer()).unwrap();
        assert_eq!(got, ["A=file", "B=file", "A=line", "HOME=/home/ann", "EMPTY=", "X="]);
        assert!(environment(&[], &["=x".into()], scratch.path(), &outer()).is_err());
        let error = environment(&["absent".into()], &[], scratch.path(), &outer()).unwrap_err();
        assert!(error.chain().ends_with("absent`: no such file or directory"), "{}", error.chain());
    }

    #[test]
    fn labels_may_be_bare() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        fs::write(scratch.path().join("labels"), "a=file\nbare\n").unwrap();
        let got = labels(&["labels".into()], &["a=line=x".into(), "c".into()], scratch.path()).unwrap();
        let got: Vec<_> = got.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(got, [("a", "line=x"), ("bare", ""), ("c", "")]);
        assert!(labels(&[], &["=x".into()], scratch.path()).is_err());
    }
}
