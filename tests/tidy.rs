//! Hygiene of the source tree, as a test: the ranks of `src/lib.rs` and the rules that belong to them.
//!
//! The table in the doc comment of `src/lib.rs` is the only place where ranks stand; this file reads it. Code is looked
//! at as tokens, so that comments and strings do not count. Each rule has tests on small texts below it, which show that
//! it can fail.
#![allow(clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file, without its `#[cfg(test)]` module.
const MAX_CODE_LINES: usize = 600;
/// Lines of a whole file, and of files that are tests altogether.
const MAX_FILE_LINES: usize = 800;
/// Words that say where a thing stands and not what it is.
const VAGUE_NAMES: &[&str] = &["util", "utils", "helpers", "common", "manager", "misc", "internal"];
/// Marks of unfinished work, put together here so that this file does not have them.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

// --- tokens -----------------------------------------------------------------------------------------------------------

/// A word or one character of punctuation, and its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// The tokens of Rust code, without comments, strings, characters, lifetimes and numbers.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (code, 1);
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest).unwrap_or_else(|| {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = if word == 0 { first.len_utf8() } else { word };
            if !first.is_whitespace() && !first.is_ascii_digit() {
                tokens.push(Token { text: &rest[..length], line });
            }
            length
        });
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The length of the comment, string, character or lifetime at the beginning of `rest`.
fn skipped(rest: &str) -> Option<usize> {
    let until = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(until("*/"));
    }
    let bare = ["br", "cr", "b", "c", "r"].iter().find_map(|prefix| rest.strip_prefix(prefix)).unwrap_or(rest);
    let prefix = rest.len() - bare.len();
    let hashes = bare.len() - bare.trim_start_matches('#').len();
    if bare[hashes..].starts_with('"') && (hashes == 0 || rest[..prefix].ends_with('r')) {
        if rest[..prefix].ends_with('r') {
            let (open, end) = (prefix + hashes + 1, format!("\"{}", "#".repeat(hashes)));
            return Some(rest[open..].find(&end).map_or(rest.len(), |at| open + at + end.len()));
        }
        return Some(quoted(rest, prefix + 1, '"'));
    }
    let inner = rest.strip_prefix("b'").or_else(|| rest.strip_prefix('\''))?;
    let open = rest.len() - inner.len();
    let mut characters = inner.chars();
    match (characters.next()?, characters.next()) {
        ('\\', _) => Some(quoted(rest, open, '\'')),
        (only, Some('\'')) => Some(open + only.len_utf8() + 1),
        // A lifetime: its name is no word of the code either.
        _ => Some(open + inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len())),
    }
}

/// The end of a quoted text whose inside begins at `from`.
fn quoted(text: &str, from: usize, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text[from..].char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return from + at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn tokens_leave_out_what_is_not_code() {
    let words = |code| tokens(code).iter().map(|token| token.text).collect::<Vec<_>>();
    assert_eq!(words("a // b\nc /* d\n*/ e"), ["a", "c", "e"]);
    assert_eq!(words(r##"a "b \" c" r#"d " e"# b"f" c"g" h"##), ["a", "h"]);
    assert_eq!(words("a 'b' '\\'' '\\u{1}' &'life c 7 0x1f"), ["a", "&", "c"]);
    assert_eq!(tokens("a\n/*\n*/ b\n\"\n\" c").last().map(|token| token.line), Some(5));
}

// --- ranks ------------------------------------------------------------------------------------------------------------

/// The table of `src/lib.rs`.
#[derive(Debug, Default)]
struct Ranks {
    of: BTreeMap<String, u32>,
    /// Pairs of siblings of which the first may know the second.
    exceptions: Vec<(String, String)>,
}

impl Ranks {
    /// Reads the table: rank, title, modules and exceptions in parentheses, meaning; two blanks between columns.
    fn read(doc: &str) -> Self {
        let mut ranks = Self::default();
        for line in doc.lines() {
            let Some(row) = line.strip_prefix("//! ") else { continue };
            let columns: Vec<&str> = row.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
            let (Some(Ok(rank)), Some(modules)) = (columns.first().map(|column| column.parse()), columns.get(2)) else {
                continue;
            };
            let (names, exceptions) = modules.split_once('(').unwrap_or((modules, ""));
            ranks.of.extend(names.split_whitespace().map(|name| (name.to_owned(), rank)));
            for pair in exceptions.trim_end_matches(')').split(',') {
                if let Some((from, to)) = pair.split_once("->") {
                    ranks.exceptions.push((from.trim().to_owned(), to.trim().to_owned()));
                }
            }
        }
        ranks
    }

    /// Whether `from` may import `to`.
    fn allows(&self, from: &str, to: &str) -> bool {
        let Some(target) = self.of.get(to) else { return true };
        from == to
            || self.of.get(from).is_some_and(|rank| target < rank)
            || self.exceptions.iter().any(|(a, b)| a == from && b == to)
    }

    /// The modules from the rank of `cli` on: what the user sees, where printing and reading the environment belong.
    fn faces(&self) -> impl Iterator<Item = &str> {
        let lowest = self.of.get("cli").copied().unwrap_or(u32::MAX);
        self.of.iter().filter(move |(_, rank)| **rank >= lowest).map(|(name, _)| name.as_str())
    }
}

/// The modules below the crate's root that code names: `crate::a`, `crate::{a, b::c}`, and `super::` as far as that leads
/// to the root. `depth` is the number of modules that the file is inside of: 1 for `src/a/mod.rs`.
fn imports<'a>(tokens: &[Token<'a>], depth: usize) -> Vec<Token<'a>> {
    let mut found = Vec::new();
    // For each open brace, whether it is that of a module.
    let mut braces = Vec::new();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let path = |at: usize| text(at) == ":" && text(at + 1) == ":";
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" => braces.push(at >= 2 && text(at - 2) == "mod"),
            "}" => drop(braces.pop()),
            "crate" if path(at + 1) => names_at(tokens, at + 3, &mut found),
            "super" if at == 0 || text(at - 1) != ":" => {
                let mut end = at;
                let mut steps = 1;
                while path(end + 1) && text(end + 3) == "super" {
                    (end, steps) = (end + 3, steps + 1);
                }
                let inside = depth + braces.iter().filter(|module| **module).count();
                if steps == inside && path(end + 1) {
                    names_at(tokens, end + 3, &mut found);
                }
            }
            _ => {}
        }
    }
    found
}

/// The first words of the path, or group of paths, at `at`.
fn names_at<'a>(tokens: &[Token<'a>], at: usize, found: &mut Vec<Token<'a>>) {
    let Some(first) = tokens.get(at) else { return };
    if first.text != "{" {
        found.push(*first);
        return;
    }
    let mut depth = 0;
    for pair in tokens[at..].windows(2) {
        match pair[0].text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return;
        }
        if depth == 1 && matches!(pair[0].text, "{" | ",") && pair[1].text != "}" {
            found.push(pair[1]);
        }
    }
}

#[test]
fn the_table_is_read() {
    let ranks = Ranks::read(
        "//! # Ranks: two words\n//! 6  faces  cli hello      argv <-> engine\n//! 2  mechanisms   store archive (store -> archive)\n//! 0  ground  base sys (base -> sys)  ids | the only one\n",
    );
    assert_eq!(ranks.of.len(), 6);
    assert_eq!(ranks.faces().collect::<Vec<_>>(), ["cli", "hello"]);
    assert!(ranks.allows("cli", "store") && ranks.allows("store", "base") && ranks.allows("store", "store"));
    assert!(!ranks.allows("store", "cli") && !ranks.allows("cli", "hello"));
    assert!(ranks.allows("store", "archive") && !ranks.allows("archive", "store") && ranks.allows("base", "sys"));
    assert!(!ranks.allows("unranked", "base"));
}

#[test]
fn imports_are_found() {
    let names = |code, depth| imports(&tokens(code), depth).iter().map(|token| token.text).collect::<Vec<_>>();
    assert_eq!(names("use crate::store::Store; fn f() { crate::base::x(); }", 1), ["store", "base"]);
    assert_eq!(names("use crate::{store::{A, B}, base, oci::{self, c::D}};", 1), ["store", "base", "oci"]);
    assert_eq!(names("use super::store; use super::super::base;", 1), ["store"]);
    assert_eq!(names("use super::store; use super::super::base;", 2), ["base"]);
    assert_eq!(names("mod tests { use super::*; use super::super::base; } use super::oci;", 1), ["base", "oci"]);
    assert_eq!(names("fn f() { let x = S { a: 1 }; } pub(crate) fn g() {} // crate::a", 1), [""; 0]);
}

// --- rules on one file ------------------------------------------------------------------------------------------------

/// What a file is allowed.
#[derive(Debug, Clone, Copy, Default)]
struct Permits {
    unsafe_code: bool,
    /// Printing, and reading arguments and environment.
    face: bool,
    /// The whole file is a test.
    test: bool,
    /// No system call may get a path as a string: see `src/runtime/rootfs.rs`.
    no_paths: bool,
}

/// Files of `runtime` that open what is the host's, by paths that no container decides.
const HOST_PATHS: &[&str] = &["launch", "populate", "sources", "userns"];

/// Whether `module::function` is a system call, or one of the standard library, on a path.
fn takes_path(module: &str, function: &str) -> bool {
    match module {
        "fs" => {
            let by_descriptor = ["fchmod", "fchown", "fstat", "fstatfs", "futimens", "makedev", "openat2"];
            let at = function.ends_with("at") && !matches!(function, "stat" | "lstat");
            !at && !by_descriptor.contains(&function) && function.starts_with(|first: char| first.is_lowercase())
        }
        "unistd" => matches!(function, "chdir" | "mkdir" | "chroot" | "unlink" | "access" | "symlinkat" | "linkat"),
        "File" => matches!(function, "open" | "create" | "options"),
        "mount" => function == "mount",
        _ => false,
    }
}

/// The lines of `#[cfg(test)] mod … { … }`.
fn test_lines(tokens: &[Token<'_>]) -> std::ops::Range<usize> {
    let texts: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    let Some(at) = texts.windows(8).position(|run| run == ["#", "[", "cfg", "(", "test", ")", "]", "mod"]) else {
        return 0..0;
    };
    let mut depth = 0;
    for token in &tokens[at + 8..] {
        match token.text {
            ";" if depth == 0 => return 0..0,
            "{" => depth += 1,
            "}" if depth == 1 => return tokens[at].line..token.line + 1,
            "}" => depth -= 1,
            _ => {}
        }
    }
    tokens[at].line..usize::MAX
}

/// Violations of the rules on a single file, as `LINE: what`.
fn violations(code: &str, permits: Permits) -> Vec<String> {
    let all = tokens(code);
    let tests = test_lines(&all);
    let text = |at: usize| all.get(at).map_or("", |token| token.text);
    let mut found = Vec::new();
    if !code.starts_with("//!") {
        found.push("1: does not begin with a `//!` that says what the file owns and promises".to_owned());
    }
    let lines = code.lines().count();
    let allowed = if permits.test { MAX_FILE_LINES } else { MAX_CODE_LINES };
    if lines.saturating_sub(tests.len()) > allowed || lines > MAX_FILE_LINES {
        found.push(format!("{lines}: too long: {allowed} lines of code, {MAX_FILE_LINES} with tests"));
    }
    for (number, line) in code.lines().enumerate() {
        for mark in UNFINISHED {
            if line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == *mark) {
                found.push(format!("{}: `{mark}`", number + 1));
            }
        }
    }
    for (at, token) in all.iter().enumerate() {
        let in_test = permits.test || tests.contains(&token.line);
        let path = text(at + 1) == ":" && text(at + 2) == ":";
        let called = if path { text(at + 3) } else { Default::default() };
        let wrong = match token.text {
            "unsafe" if !permits.unsafe_code => "`unsafe` outside `sys`",
            "print" | "println" | "eprint" | "eprintln" if text(at + 1) == "!" && !permits.face && !in_test => {
                "printing outside the faces"
            }
            "CWD" if permits.no_paths && !in_test => "a path string resolved from the working directory",
            module if permits.no_paths && !in_test && takes_path(module, called) => "a system call on a path string",
            "dbg" if text(at + 1) == "!" => "a left-over `dbg!`",
            "unimplemented" if text(at + 1) == "!" => "unfinished code",
            "io" if matches!(called, "stdout" | "stderr" | "stdin") && !permits.face && !in_test => {
                "a standard stream outside the faces"
            }
            "env"
                if matches!(
                    called,
                    "var" | "vars" | "var_os" | "vars_os" | "args" | "args_os" | "set_var" | "remove_var"
                ) && !permits.face
                    && !in_test =>
            {
                "arguments or environment outside the faces"
            }
            _ => continue,
        };
        found.push(format!("{}: {wrong}", token.line));
    }
    found
}

#[test]
fn each_rule_can_fail() {
    let count = |code: &str| violations(&format!("//! Head.\n{code}"), Permits::default()).len();
    assert_eq!(count("fn f() {}"), 0);
    assert_eq!(violations("fn f() {}", Permits::default()).len(), 1);
    assert_eq!(count("fn f() { unsafe { g() } }"), 1);
    assert_eq!(count("fn f() { println!(\"x\"); std::io::stderr().flush(); io::stdout(); }"), 3);
    assert_eq!(count("fn f() { std::env::var(\"X\"); env!(\"X\"); env::temp_dir(); env::args_os(); }"), 2);
    assert_eq!(count(&format!("// {}: later", UNFINISHED[0])), 1);
    assert_eq!(count(&format!("// {}X", UNFINISHED[2])), 0);
    assert_eq!(count("fn f() { unimplemented!() } fn g() { dbg!(1); }"), 2);
    assert_eq!(count(&"\n".repeat(MAX_CODE_LINES + 1)), 1);
}

#[test]
fn path_strings_are_found() {
    let count =
        |code: &str| violations(&format!("//! Head.\n{code}"), Permits { no_paths: true, ..Permits::default() }).len();
    assert_eq!(
        count("fn f() { rustix::fs::openat(CWD, p); std::fs::read(p); nix::unistd::chdir(p); File::open(p); }"),
        4
    );
    assert_eq!(count("fn f() { rustix::fs::open(p); rustix::fs::stat(p); fs::write(p, q); nix::mount::mount(p); }"), 4);
    assert_eq!(count("use rustix::fs::{Mode, OFlags}; fn f() { rustix::fs::openat2(d, p); rustix::fs::fstat(d); }"), 0);
    assert_eq!(violations("//! Head.\nfn f() { rustix::fs::open(p); }", Permits::default()), [""; 0]);
}

#[test]
fn tests_may_print_and_do_not_count_as_code() {
    let tests = format!(
        "#[cfg(test)]\nmod tests {{\n fn f() {{ println!(); std::env::var(\"X\"); }}\n{}}}\n",
        "\n".repeat(100)
    );
    let code = format!("//! Head.\n{}{tests}", "\n".repeat(MAX_CODE_LINES - 10));
    assert_eq!(violations(&code, Permits::default()), [""; 0]);
    assert_eq!(violations(&format!("{code}fn g() {{ println!(); }}"), Permits::default()).len(), 1);
    assert_eq!(
        violations("//! Head.\nfn f() { println!(); io::stdout(); }", Permits { face: true, ..Permits::default() }),
        [""; 0]
    );
    assert_eq!(violations("//! Head.\nunsafe fn f() {}", Permits { unsafe_code: true, ..Permits::default() }), [""; 0]);
}

/// The part of a path that says position instead of subject.
fn vague(path: &Path) -> Option<&str> {
    path.components()
        .filter_map(|component| component.as_os_str().to_str()?.split('.').next())
        .find(|name| name.split(['_', '-']).any(|word| VAGUE_NAMES.contains(&word)))
}

#[test]
fn vague_names_are_found() {
    assert_eq!(vague(Path::new("src/store/path_utils.rs")), Some("path_utils"));
    assert_eq!(vague(Path::new("src/common/x.rs")), Some("common"));
    assert_eq!(vague(Path::new("src/registry/credential_helper.rs")), None);
}

// --- the tree ---------------------------------------------------------------------------------------------------------

fn rust_files(below: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![below.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("readable").map(|entry| entry.expect("readable").path()) {
            if entry.is_dir() {
                directories.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                files.push(entry);
            }
        }
    }
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read_ranks() -> Ranks {
    Ranks::read(&fs::read_to_string(root().join("src/lib.rs")).expect("readable"))
}

/// The modules that a file of `src/` is in: `store`, `layers`.
fn module_path(file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(root().join("src")).expect("below src").with_extension("");
    let mut path: Vec<String> = relative.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    path.pop_if(|name| matches!(name.as_str(), "mod" | "lib" | "main"));
    path
}

#[track_caller]
fn none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}\n{}\n", violations.join("\n"));
}

#[test]
fn every_module_has_a_rank_and_imports_downward() {
    let ranks = read_ranks();
    let mut found = Vec::new();
    for file in rust_files(&root().join("src")) {
        let path = module_path(&file);
        // The crate's root and the executable put the modules together.
        let Some(module) = path.first() else { continue };
        let name = file.strip_prefix(root()).expect("below the root").display();
        if !ranks.of.contains_key(module) {
            found.push(format!("{name}: `{module}` has no rank in src/lib.rs"));
        }
        let code = fs::read_to_string(&file).expect("readable");
        for import in imports(&tokens(&code), path.len()) {
            if !ranks.allows(module, import.text) {
                found.push(format!("{name}:{}: `{module}` must not import `{}`", import.line, import.text));
            }
        }
    }
    for module in ranks.of.keys() {
        let source = root().join("src").join(module);
        if !source.is_dir() && !source.with_extension("rs").is_file() {
            found.push(format!("src/lib.rs: `{module}` has a rank and does not exist"));
        }
    }
    none("modules import lower ranks only; the table is in the doc of src/lib.rs", &found);
}

#[test]
fn faces_stand_on_the_engine() {
    let ranks = read_ranks();
    let engine = ranks.of.get("engine").copied().expect("the engine has a rank");
    let faces: Vec<&str> = ranks.faces().filter(|name| !["role", "testing"].contains(name)).collect();
    let mut found = Vec::new();
    for file in rust_files(&root().join("src")) {
        let path = module_path(&file);
        if !path.first().is_some_and(|module| faces.contains(&module.as_str())) {
            continue;
        }
        let code = fs::read_to_string(&file).expect("readable");
        let imports = imports(&tokens(&code), path.len());
        let beneath =
            imports.iter().filter(|import| ranks.of.get(import.text).is_some_and(|rank| (2..engine).contains(rank)));
        found.extend(beneath.map(|import| format!("{}:{}: imports `{}`", file.display(), import.line, import.text)));
    }
    none("faces import the engine and plain values, never a mechanism", &found);
}

#[test]
fn every_file_keeps_the_rules() {
    let ranks = read_ranks();
    let faces: Vec<&str> = ranks.faces().collect();
    let mut found = Vec::new();
    for (folder, files) in [("src", rust_files(&root().join("src"))), ("tests", rust_files(&root().join("tests")))] {
        for file in files {
            let path = if folder == "src" { module_path(&file) } else { Vec::new() };
            let module = path.first().map(String::as_str);
            let permits = Permits {
                unsafe_code: module == Some("sys"),
                face: module.is_none_or(|module| faces.contains(&module)),
                test: folder == "tests" || path.last().is_some_and(|name| name == "tests"),
                no_paths: module == Some("runtime")
                    && !path.last().is_some_and(|name| HOST_PATHS.contains(&name.as_str())),
            };
            let name = file.strip_prefix(root()).expect("below the root");
            let code = fs::read_to_string(&file).expect("readable");
            found.extend(violations(&code, permits).iter().map(|what| format!("{}:{what}", name.display())));
            if let Some(part) = vague(name) {
                found.push(format!("{}: `{part}` does not say what is in it", name.display()));
            }
        }
    }
    none("the rules of src/lib.rs", &found);
}

#[test]
fn no_test_file_is_forgotten() {
    let listed = fs::read_to_string(root().join("tests/e2e.rs")).expect("readable");
    let forgotten: Vec<String> = rust_files(&root().join("tests/e2e"))
        .iter()
        .filter_map(|file| Some(format!("e2e/{}", file.file_name()?.to_str()?)))
        .filter(|name| !listed.contains(&format!("#[path = \"{name}\"]")))
        .collect();
    none("tests/e2e.rs does not list these files", &forgotten);
}

// --- ratchets ---------------------------------------------------------------------------------------------------------

/// Words that only this tree gives their meaning. The field has terms for what they say.
const PRIVATE_WORDS: &[&str] = &[
    "conversation",
    "conversations",
    "fate",
    "midwife",
    "scene",
    "scenes",
    "shelf",
    "speech",
    "spoken",
    "steward",
    "vigil",
];
/// The same in names of several words, and phrases that leave a quantity or an owner open.
const PRIVATE_PHRASES: &[&str] = &["be_bold", "of ours", "so many", "stand-in"];
/// Occurrences of these in each room. A room that is not listed has none.
const WORDS_LEFT: &[(&str, usize)] = &[];
/// Lines of a function, signature and braces included.
const MAX_FUNCTION_LINES: usize = 80;
/// Longer functions in each room.
const LONG_FUNCTIONS_LEFT: &[(&str, usize)] = &[("engine", 1)];
/// Files and directories in circles of imports, by the directory that they are in.
// A verb with a job for workers is in the circle of `engine`: the worker names its job, and the verb calls the worker.
const CIRCLES_LEFT: &[(&str, usize)] = &[("cli", 8), ("engine", 10), ("registry", 8)];

/// What was found in each place may only become less: `left` has the numbers to lower then.
#[track_caller]
fn shrinks(rule: &str, found: &BTreeMap<String, Vec<String>>, left: &[(&str, usize)]) {
    let allowed = |place: &str| left.iter().find(|(name, _)| *name == place).map_or(0, |(_, count)| *count);
    let worse = found.iter().filter(|(place, what)| what.len() > allowed(place));
    let lines =
        worse.map(|(place, what)| format!("{place}: {}, not {}\n{}", what.len(), allowed(place), what.join("\n")));
    none(rule, &lines.collect::<Vec<_>>());
}

/// The lines with private words, in code, comments and strings; and comments that begin with a headless "who".
fn private_words(code: &str) -> Vec<usize> {
    let bad = |line: &str| {
        let lower = line.to_lowercase();
        let comment = line.trim_start().strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!', ' ']));
        lower.split(|c: char| !c.is_alphanumeric()).any(|word| PRIVATE_WORDS.contains(&word))
            || PRIVATE_PHRASES.iter().any(|phrase| lower.contains(phrase))
            || comment.is_some_and(|text| text.starts_with("Who ") || text.starts_with("Whom "))
    };
    code.lines().enumerate().filter(|(_, line)| bad(line)).map(|(number, _)| number + 1).collect()
}

#[test]
fn private_words_are_found() {
    assert_eq!(private_words("/// Who waits.\nfn be_bold() {}\n/// The Scene of a test."), [1, 2, 3]);
    assert_eq!(private_words("// so many bytes\nlet the_fate = 1;"), [1, 2]);
    assert_eq!(private_words("/// The obscene bookshelf.\n/// Whoever waits.\nlet whose = 1;"), [0; 0]);
}

/// Functions with more lines than allowed: line, name and length.
fn long_functions(code: &str) -> Vec<(usize, String, usize)> {
    let all = tokens(code);
    let tests = test_lines(&all);
    let mut found = Vec::new();
    for (at, pair) in all.windows(2).enumerate() {
        if pair[0].text != "fn" || tests.contains(&pair[0].line) {
            continue;
        }
        let (mut round, mut curly) = (0, 0);
        for token in &all[at..] {
            match token.text {
                "(" | "[" => round += 1,
                ")" | "]" => round -= 1,
                ";" if round == 0 && curly == 0 => break,
                "{" => curly += 1,
                "}" => curly -= 1,
                _ => continue,
            }
            if token.text == "}" && curly == 0 {
                let length = token.line + 1 - pair[0].line;
                if length > MAX_FUNCTION_LINES {
                    found.push((pair[0].line, pair[1].text.to_owned(), length));
                }
                break;
            }
        }
    }
    found
}

#[test]
fn long_functions_are_found() {
    let lines = "\n".repeat(MAX_FUNCTION_LINES);
    let code = format!("trait T {{ fn a(x: [u8; 2]); }}\nfn b() {{ if x {{ }} {lines} }}\nfn c() {{}}");
    assert_eq!(long_functions(&code), [(2, "b".to_owned(), MAX_FUNCTION_LINES + 1)]);
    assert_eq!(long_functions(&format!("#[cfg(test)] mod tests {{ fn a() {{ {lines} }} }}")), []);
}

/// The modules that the code of a file names, as far as their paths go: `crate::a::b`, and `super::b` seen from `module`.
fn named_modules(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let all = tokens(code);
    let tests = test_lines(&all);
    let text = |at: usize| all.get(at).map_or("", |token| token.text);
    let mut found = Vec::new();
    for (at, token) in all.iter().enumerate() {
        if !matches!(token.text, "crate" | "super") || at > 0 && text(at - 1) == ":" || tests.contains(&token.line) {
            continue;
        }
        let up = if token.text == "super" { 1 } else { module.len() };
        let mut path: Vec<String> = module[..module.len().saturating_sub(up)].to_vec();
        let mut end = at + 1;
        while text(end) == ":" && text(end + 1) == ":" && text(end + 2) != "{" {
            match text(end + 2) {
                "super" => drop(path.pop()),
                name => path.push(name.to_owned()),
            }
            end += 3;
        }
        let mut group = Vec::new();
        if text(end + 2) == "{" {
            names_at(&all, end + 2, &mut group);
        }
        let in_group = group.iter().map(|name| path.iter().cloned().chain([name.text.to_owned()]).collect());
        found.extend(in_group);
        found.push(path);
    }
    found
}

#[test]
fn named_modules_are_found() {
    let module = ["a".to_owned(), "b".to_owned()];
    let names = |code| named_modules(code, &module).iter().map(|path| path.join("/")).collect::<Vec<_>>();
    assert_eq!(names("use super::c::D;"), ["a/c/D"]);
    assert_eq!(names("use super::{c, d::E}; // super::f"), ["a/c", "a/d", "a"]);
    assert_eq!(names("fn f() { crate::x::y(); super::super::z(); }"), ["x/y", "z"]);
    assert_eq!(names("#[cfg(test)] mod tests { use super::c; }"), [""; 0]);
}

/// Those that reach themselves.
fn in_circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let circles = |start: &String| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&String> = edges.get(start).into_iter().flatten().collect();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(edges.get(next).into_iter().flatten());
            }
        }
        seen.contains(start)
    };
    edges.keys().filter(|name| circles(name)).cloned().collect()
}

#[test]
fn circles_are_found() {
    let edges = |pairs: &[(&str, &str)]| {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        edges
    };
    assert_eq!(in_circles(&edges(&[("a", "b"), ("b", "c"), ("c", "b"), ("d", "a")])), ["b", "c"]);
    assert_eq!(in_circles(&edges(&[("a", "b"), ("a", "c"), ("b", "c")])), [""; 0]);
}

#[test]
fn ratchets() {
    let (mut words, mut long) = (BTreeMap::<String, Vec<String>>::new(), BTreeMap::<String, Vec<String>>::new());
    let mut edges: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    let files = rust_files(&root().join("src"));
    let modules: BTreeSet<Vec<String>> = files.iter().map(|file| module_path(file)).collect();
    let exists = |path: &[String]| modules.range(path.to_vec()..).next().is_some_and(|next| next.starts_with(path));
    for file in &files {
        let module = module_path(file);
        let Some(room) = module.first() else { continue };
        let code = fs::read_to_string(file).expect("readable");
        let name = file.strip_prefix(root()).expect("below the root").display().to_string();
        words.entry(room.clone()).or_default().extend(private_words(&code).iter().map(|line| format!("{name}:{line}")));
        if module.iter().any(|part| ["tests", "fake", "fixtures"].contains(&part.as_str())) {
            continue;
        }
        let functions = long_functions(&code);
        let functions = functions.iter().map(|(line, function, lines)| format!("{name}:{line}: `{function}`: {lines}"));
        long.entry(room.clone()).or_default().extend(functions);
        // The table of jobs names every verb that has one, and these call the worker.
        let is_table = module == ["engine", "worker"];
        for target in named_modules(&code, &module).into_iter().filter(|_| !is_table) {
            // The two part ways in a directory: its files, or directories in it, know each other.
            let depth = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
            if depth > 0 && depth < module.len() && depth < target.len() && exists(&target[..=depth]) {
                let directory = edges.entry(module[..depth].join("/")).or_default();
                directory.entry(module[depth].clone()).or_default().insert(target[depth].clone());
            }
        }
    }
    shrinks("words that a stranger does not know: use the terms of the field", &words, WORDS_LEFT);
    shrinks("functions longer than 80 lines", &long, LONG_FUNCTIONS_LEFT);
    let circles = edges.iter().map(|(directory, edges)| (directory.clone(), in_circles(edges))).collect();
    shrinks("files of a room that import each other in circles", &circles, CIRCLES_LEFT);
}

#[test]
fn scripts_say_what_they_do() {
    let mut found = Vec::new();
    for name in [
        ".ci/run",
        "tests/run",
        "contrib/quickstart",
        "contrib/bench/build",
        "contrib/bench/compose",
        "contrib/bench/start",
        "contrib/bench/pull",
    ] {
        let path = root().join(name);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut lines = text.lines();
        if !lines.next().is_some_and(|line| line.starts_with("#!")) || lines.next().is_none_or(|line| line.len() <= 20)
        {
            found.push(format!("{name}: wants a `#!` line and a head that says what it does"));
        }
        let mode = fs::metadata(&path).map_or(0, |data| std::os::unix::fs::PermissionsExt::mode(&data.permissions()));
        if mode & 0o111 == 0 {
            found.push(format!("{name}: is not executable"));
        }
    }
    none("scripts", &found);
}
