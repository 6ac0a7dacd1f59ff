//! `--env`, `--env-file`, `--label` and `--label-file`: lists of `NAME=value` from the command line and from the text of
//! files, by docker's rules. The caller reads the files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::{Error, Result, ResultExt, text};

/// The most bytes of a file that a caller should read: no sensible list of variables is larger, and a device or an endless
/// pipe is.
pub const FILE_MAX: u64 = 4 << 20;

/// A file of the command line, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFile {
    /// Where it is, for messages.
    pub path: PathBuf,
    /// Its content.
    pub content: Vec<u8>,
}

/// The variables of a container: those of the files first, then those of the command line. A bare `NAME` stands for what
/// `outer` knows of it, and for nothing when that is nothing.
pub fn environment(
    files: &[ListFile],
    given: &[String],
    outer: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>> {
    let mut variables = Vec::new();
    for file in files {
        variables.extend(assignments(file, "--env-file", outer)?);
    }
    for variable in given {
        let name = name(variable);
        if name.is_empty() {
            return Err(Error::usage(format!("invalid environment variable: `{}`", text::clean(variable))));
        }
        match variable.contains('=') {
            true => variables.push(variable.clone()),
            false => variables.extend(outer(name).map(|value| format!("{name}={value}"))),
        }
    }
    Ok(variables)
}

/// The labels of a container; the last of a name wins. A bare name has an empty value.
pub fn labels(files: &[ListFile], given: &[String]) -> Result<BTreeMap<String, String>> {
    let mut labels = Vec::new();
    for file in files {
        labels.extend(assignments(file, "--label-file", &|_| Some(String::new()))?);
    }
    labels.extend_from_slice(given);
    let pair = |label: &String| match label.split_once('=').unwrap_or((label, "")) {
        ("", _) => Err(Error::usage(format!("invalid label: `{}`", text::clean(label)))),
        (name, value) => Ok((name.to_owned(), value.to_owned())),
    };
    labels.iter().map(pair).collect()
}

/// The variables of `under`, each replaced by that of `over` with the same name, and the rest of `over` behind them.
pub fn merged(under: impl IntoIterator<Item = String>, over: &[String]) -> Vec<String> {
    let mut variables: Vec<String> = under.into_iter().collect();
    for pair in over {
        match variables.iter_mut().find(|old| name(old) == name(pair)) {
            Some(old) => old.clone_from(pair),
            None => variables.push(pair.clone()),
        }
    }
    variables
}

/// The name of a variable.
pub fn name(variable: &str) -> &str {
    variable.split('=').next().unwrap_or_default()
}

fn assignments(file: &ListFile, flag: &str, bare: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    lines(&file.content, bare).context(|| format!("invalid `{flag}` `{}`", file.path.display()))
}

/// The assignments in the text of a file. Lines that are empty or begin with `#` do not count; values are taken as they
/// stand, quotes and trailing spaces included.
fn lines(bytes: &[u8], bare: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    const SPACE: [char; 2] = [' ', '\t'];
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut assignments = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = str::from_utf8(line).map_err(|_| Error::usage(format!("line {} is not UTF-8", number + 1)))?;
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start_matches(SPACE);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = name(line);
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
    use super::*;

    fn outer(name: &str) -> Option<String> {
        [("HOME", "/home/ann"), ("EMPTY", "")].iter().find(|(known, _)| *known == name).map(|(_, it)| (*it).into())
    }

    fn file(content: &str) -> [ListFile; 1] {
        [ListFile { path: "/x/list".into(), content: content.into() }]
    }

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).into()).collect()
    }

    #[test]
    fn files_follow_dockers_rules() {
        let text = "\u{feff}A=1\r\n\n# comment\n  B= two words \n\tC=\"q\"=x\nHOME\nUNSET\n  # not a comment? yes, it is\nD=#x\n";
        let got = environment(&file(text), &[], &outer).unwrap();
        assert_eq!(got, ["A=1", "B= two words ", "C=\"q\"=x", "HOME=/home/ann", "D=#x"]);
        for (bad, reason) in [("=x", "no variable name"), ("A B=1", "whitespace"), ("A =1", "whitespace")] {
            let chain = environment(&file(bad), &[], &outer).unwrap_err().chain();
            assert!(chain.starts_with("invalid `--env-file` `/x/list`") && chain.contains(reason), "{chain}");
        }
        assert!(lines(b"ok=1\nA=\xff\n", &|_| None).unwrap_err().message().contains("line 2"));
    }

    #[test]
    fn the_command_line_comes_after_the_files() {
        let given = owned(&["A=line", "HOME", "UNSET", "EMPTY", "X="]);
        let got = environment(&file("A=file\nB=file\n"), &given, &outer).unwrap();
        assert_eq!(got, ["A=file", "B=file", "A=line", "HOME=/home/ann", "EMPTY=", "X="]);
        assert!(environment(&[], &owned(&["=x"]), &outer).is_err());
    }

    #[test]
    fn labels_may_be_bare() {
        let got = labels(&file("a=file\nbare\n"), &owned(&["a=line=x", "c"])).unwrap();
        let got: Vec<_> = got.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(got, [("a", "line=x"), ("bare", ""), ("c", "")]);
        assert!(labels(&[], &owned(&["=x"])).is_err());
        assert!(labels(&file("=x"), &[]).unwrap_err().chain().starts_with("invalid `--label-file`"));
    }

    #[test]
    fn later_variables_replace_earlier_ones_in_their_place() {
        let under = owned(&["PATH=/bin", "A=1"]);
        assert_eq!(merged(under, &owned(&["A=2", "B=3", "B=4"])), ["PATH=/bin", "A=2", "B=4"]);
    }
}
