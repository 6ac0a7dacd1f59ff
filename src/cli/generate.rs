//! What is made from the definitions of the commands: manual pages and shell completions. `man/` and `completions/` hold
//! them; a test compares.

use clap::{Arg, ArgAction, Command};
use clap_complete::{Generator, Shell};

use super::{manual, tree};
use crate::base::{Error, Result, ResultExt};

/// The name in what is generated.
const PROGRAM: &str = "coracle";

/// File names and contents of `man/`: one page for each command.
pub fn man_pages() -> Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    collect_pages(&with_help(tree::whole(PROGRAM)), &[], &mut pages)?;
    for (name, section, about, text) in manual::PAGES {
        pages.push((format!("{name}.{section}"), manual::page(name, section, about, text).into_bytes()));
    }
    Ok(pages)
}

/// File names and contents of `completions/`.
pub fn completions() -> Result<Vec<(String, Vec<u8>)>> {
    let names = [(Shell::Bash, "coracle.bash"), (Shell::Zsh, "_coracle"), (Shell::Fish, "coracle.fish")];
    names.into_iter().map(|(shell, name)| Ok((name.to_owned(), completion(shell, PROGRAM)?))).collect()
}

/// The completion of one shell, for the name by which the program is called.
pub fn completion(shell: Shell, program: &'static str) -> Result<Vec<u8>> {
    let mut command = with_help(tree::whole(program));
    command.set_bin_name(program);
    command.build();
    let mut script = Vec::new();
    shell
        .try_generate(&command, &mut script)
        .map_err(|error| Error::system("cannot make the completion").caused_by(error))?;
    let script =
        String::from_utf8(script).map_err(|error| Error::system("cannot make the completion").caused_by(error))?;
    let script = match shell {
        Shell::Bash => script + &named(NAMES_IN_BASH, program),
        Shell::Zsh => names_in_zsh(&script, program),
        Shell::Fish => names_in_fish(&script, program),
        _ => script,
    };
    Ok(script.into_bytes())
}

/// A part of a script with the program's name in its functions, so that those of docker and coracle can be side by side.
fn named(part: &str, program: &str) -> String {
    part.replace(PROGRAM, program)
}

/// The scripts know commands and flags; for names of containers, images and networks they ask the program (`complete.rs`).
/// bash splits words at `=` and `:`, which the program must not see, and wants back only what follows them.
const NAMES_IN_BASH: &str = r#"
_coracle_names() {
    local line="${COMP_LINE:0:COMP_POINT}" current="${COMP_WORDS[COMP_CWORD]}" words word name names=()
    read -ra words <<<"$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    word="${words[-1]}"
    [[ "$current" == [:=] ]] && current=""
    while IFS= read -r name; do
        names+=("${name#"${word%"$current"}"}")
    done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
    if (( ${#names[@]} )); then COMPREPLY=("${names[@]}"); else _coracle "$@"; fi
}
complete -F _coracle_names -o nosort -o bashdefault -o default coracle 2>/dev/null ||
    complete -F _coracle_names -o bashdefault -o default coracle
"#;

/// In zsh, wherever anything would do; the words are kept from before the script's functions take the first ones away.
fn names_in_zsh(script: &str, program: &str) -> String {
    let begin = &named("_coracle() {\n", program);
    let keep = named("    local -a coracle_words=(\"${(@)words[1,CURRENT]}\")\n", program);
    let ask = r#"_coracle_names() {
    local -a names=("${(@f)$("${(@Q)coracle_words[1]}" __complete "${(@Q)coracle_words[2,-1]}" 2>/dev/null)}")
    names=(${names#*=})
    (( $#names )) && compadd -a names || _default
}

"#;
    let script = script.replacen(begin, &format!("{}{begin}{keep}", named(ask, program)), 1);
    script.lines().map(|line| with_names(line, program) + "\n").collect()
}

/// A line of zsh's script, asking for names where it would take anything. Colons in the name of a value would end it.
fn with_names(line: &str, program: &str) -> String {
    let Some((before, end)) = line.split_once(":_default'") else { return line.to_owned() };
    // `FLAG=[DESCRIPTION]:VALUE`, with brackets in the description escaped.
    let brackets = before.match_indices("]:").map(|(at, _)| at).find(|at| !before[..*at].ends_with('\\'));
    let (flag, value) = match brackets {
        Some(at) => before.split_at(at + 2),
        None => (before, ""),
    };
    format!("{flag}{}:_{program}_names'{end}", value.replace(':', "\\:"))
}

/// In fish, for every flag that takes a value, and for arguments where there are names.
fn names_in_fish(script: &str, program: &str) -> String {
    let ask = r#"
function __fish_coracle_names
    set -l words (commandline -opc)
    $words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c coracle -n "count (__fish_coracle_names) >/dev/null" -f -k -a "(__fish_coracle_names)"
"#;
    let lines = script.lines().map(|line| match line.strip_suffix(" -r") {
        Some(flag) => format!("{flag} -r -a \"(__fish_{program}_names)\"\n"),
        None => format!("{line}\n"),
    });
    lines.collect::<String>() + &named(ask, program)
}

/// `--help` is read before clap sees it; here it is shown like any flag.
fn with_help(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_help));
    command.arg(Arg::new("help").long("help").action(ArgAction::Help).help("Print help"))
}

fn collect_pages(command: &Command, words: &[&str], pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let name = [&[PROGRAM], words].concat().join("-").replace(' ', "-");
    let mut page = Vec::new();
    // Another spelling of a command has the page of the shorter one.
    match manual::shorter(words).filter(|_| words.len() > 1) {
        Some(shorter) => page.extend_from_slice(format!(".so man1/{PROGRAM}-{shorter}.1\n").as_bytes()),
        None => {
            let about = manual::about(words).unwrap_or_default();
            let mut titled = command.clone().display_name(name.clone()).bin_name(name.replace('-', " "));
            if !about.paragraphs.is_empty() {
                titled = titled.long_about(about.paragraphs.join("\n\n"));
            }
            let man = clap_mangen::Man::new(titled)
                .source(format!("coracle {}", env!("CARGO_PKG_VERSION")))
                .manual("coracle");
            man.render(&mut page).context(|| "cannot make a manual page")?;
            page.extend_from_slice(manual::sections(&about, &see_also(words)).as_bytes());
        }
    }
    pages.push((format!("{name}.1"), page));
    for subcommand in command.get_subcommands() {
        let words = [words, &[subcommand.get_name()]].concat();
        collect_pages(subcommand, &words, pages)?;
    }
    Ok(())
}

/// Other pages that belong to a command.
fn see_also(words: &[&str]) -> Vec<&'static str> {
    let more: &[&str] = match words.first().copied().unwrap_or_default() {
        "" => &[
            "coracle.toml(5)",
            "coracle-build(5)",
            "coracle-quadlet(5)",
            "coracle-network(7)",
            "coracle-rootless(7)",
            "coracle-storage(7)",
        ],
        "run" | "create" => &["coracle-network(7)", "coracle-rootless(7)", "coracle-storage(7)", "coracle.toml(5)"],
        "build" => &["coracle-build(5)", "coracle-storage(7)"],
        "builder" | "buildx" => &["coracle-build(5)"],
        "config" => &["coracle.toml(5)"],
        "network" | "port" => &["coracle-network(7)"],
        "volume" | "images" | "rmi" | "image" => &["coracle-storage(7)"],
        "quadlet" | "auto-update" | "generate" => &["coracle-quadlet(5)"],
        "doctor" | "unshare" => &["coracle-rootless(7)"],
        _ => &[],
    };
    match words {
        [] => more.to_vec(),
        _ => [&["coracle(1)"], more].concat(),
    }
}
