//! `man/` and `completions/` are what the definitions of the commands say. `UPDATE=1 cargo test --test generated` writes
//! them anew.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Compares a directory with what it should hold, or makes it so.
#[track_caller]
fn holds(directory: &str, files: &[(String, Vec<u8>)]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let present: BTreeSet<String> = fs::read_dir(&directory)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let wanted: BTreeSet<String> = files.iter().map(|(name, _)| name.clone()).collect();
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(&directory).unwrap();
        present.difference(&wanted).for_each(|name| fs::remove_file(directory.join(name)).unwrap());
        files.iter().for_each(|(name, content)| fs::write(directory.join(name), content).unwrap());
        return;
    }
    let hint = "run `UPDATE=1 cargo test --test generated`";
    assert_eq!(present, wanted, "the files in {}: {hint}", directory.display());
    for (name, content) in files {
        let found = fs::read(directory.join(name)).unwrap();
        assert!(found == *content, "{name} in {} is out of date: {hint}", directory.display());
    }
}

#[test]
fn manual_pages() {
    let pages = coracle::testing::cli::man_pages().unwrap();
    assert!(pages.iter().any(|(name, _)| name == "coracle-run.1"));
    for (name, page) in &pages {
        let text = String::from_utf8(page.clone()).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{name}");
    }
    holds("man", &pages);
}

#[test]
fn completions() {
    let scripts = coracle::testing::cli::completions().unwrap();
    for (name, script) in &scripts {
        let text = String::from_utf8(script.clone()).unwrap();
        assert!(text.contains("entrypoint") && text.contains("doctor"), "{name}");
    }
    holds("completions", &scripts);
}
