//! The files of `--env-file` and `--label-file`, and the environment of this process for variables without a value; the
//! rules are those of [`crate::spec::variables`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::base::{Error, Kind, Result, ResultExt};
use crate::cli::environment::Environment;
use crate::spec::variables::{self, FILE_MAX, ListFile};

/// The variables of a container.
pub fn environment(files: &[String], given: &[String], cwd: &Path, outer: &Environment) -> Result<Vec<String>> {
    variables::environment(&read_all(files, cwd)?, given, &|name| outer.get(name).map(String::from))
}

/// The labels of a container.
pub fn labels(files: &[String], given: &[String], cwd: &Path) -> Result<BTreeMap<String, String>> {
    variables::labels(&read_all(files, cwd)?, given)
}

fn read_all(files: &[String], cwd: &Path) -> Result<Vec<ListFile>> {
    files.iter().map(|file| read(&cwd.join(file))).collect()
}

fn read(path: &Path) -> Result<ListFile> {
    let mut content = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut content));
    opened.at(path, "cannot read").map_err(|error| error.with_kind(Kind::Usage))?;
    match content.len() as u64 > FILE_MAX {
        true => Err(Error::usage(format!("`{}` is larger than {FILE_MAX} bytes", path.display()))),
        false => Ok(ListFile { path: path.to_owned(), content }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn files_are_found_from_the_working_directory() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let outer = Environment::of(&[("HOME", "/home/ann")]);
        fs::write(scratch.path().join("env"), "A=file\nHOME\n").unwrap();
        let got = environment(&["env".into()], &["B=line".into()], scratch.path(), &outer).unwrap();
        assert_eq!(got, ["A=file", "HOME=/home/ann", "B=line"]);
        let got = labels(&["env".into()], &[], scratch.path()).unwrap();
        assert_eq!(got.into_iter().collect::<Vec<_>>(), [("A".into(), "file".into()), ("HOME".into(), String::new())]);
        let error = environment(&["absent".into()], &[], scratch.path(), &outer).unwrap_err();
        assert!(error.chain().ends_with("absent`: no such file or directory"), "{}", error.chain());
    }

    #[test]
    fn endless_files_are_refused() {
        let error = labels(&["/dev/zero".into()], &[], Path::new("/")).unwrap_err();
        assert!(error.message().contains("is larger than"), "{error}");
    }
}
