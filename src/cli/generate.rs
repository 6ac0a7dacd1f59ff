//! What is made from the definitions of the commands: manual pages and shell completions. `man/` and `completions/` hold
//! them; a test compares.

use clap::{Arg, ArgAction, Command};
use clap_complete::{Generator, Shell};

use super::tree;
use crate::base::{Error, Result, ResultExt};

/// The name in what is generated.
const PROGRAM: &str = "coracle";

/// File names and contents of `man/`: one page for each command.
pub fn man_pages() -> Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    collect_pages(&with_help(tree::whole(PROGRAM)), PROGRAM, &mut pages)?;
    Ok(pages)
}

/// File names and contents of `completions/`.
pub fn completions() -> Result<Vec<(String, Vec<u8>)>> {
    let names = [(Shell::Bash, "coracle.bash"), (Shell::Zsh, "_coracle"), (Shell::Fish, "coracle.fish")];
    names.into_iter().map(|(shell, name)| Ok((name.to_owned(), completion(shell)?))).collect()
}

/// The completion of one shell.
pub fn completion(shell: Shell) -> Result<Vec<u8>> {
    let mut command = with_help(tree::whole(PROGRAM));
    command.set_bin_name(PROGRAM);
    command.build();
    let mut script = Vec::new();
    shell
        .try_generate(&command, &mut script)
        .map_err(|error| Error::system("cannot make the completion").caused_by(error))?;
    let script =
        String::from_utf8(script).map_err(|error| Error::system("cannot make the completion").caused_by(error))?;
    Ok(match shell {
        Shell::Bash => script + NAMES_IN_BASH,
        Shell::Zsh => names_in_zsh(&script),
        Shell::Fish => names_in_fish(&script),
        _ => script,
    }
    .into_bytes())
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
fn names_in_zsh(script: &str) -> String {
    let begin = "_coracle() {\n";
    let keep = "    local -a coracle_words=(\"${(@)words[1,CURRENT]}\")\n";
    let ask = r#"_coracle_names() {
    local -a names=("${(@f)$("${(@Q)coracle_words[1]}" __complete "${(@Q)coracle_words[2,-1]}" 2>/dev/null)}")
    names=(${names#*=})
    (( $#names )) && compadd -a names || _default
}

"#;
    let script = script.replacen(begin, &format!("{ask}{begin}{keep}"), 1);
    script.lines().map(|line| with_names(line) + "\n").collect()
}

/// A line of zsh's script, asking for names where it would take anything. Colons in the name of a value would end it.
fn with_names(line: &str) -> String {
    let Some((before, end)) = line.split_once(":_default'") else { return line.to_owned() };
    // `FLAG=[DESCRIPTION]:VALUE`, with brackets in the description escaped.
    let brackets = before.match_indices("]:").map(|(at, _)| at).find(|at| !before[..*at].ends_with('\\'));
    let (flag, value) = match brackets {
        Some(at) => before.split_at(at + 2),
        None => (before, ""),
    };
    format!("{flag}{}:_coracle_names'{end}", value.replace(':', "\\:"))
}

/// In fish, for every flag that takes a value, and for arguments where there are names.
fn names_in_fish(script: &str) -> String {
    let ask = r#"
function __fish_coracle_names
    set -l words (commandline -opc)
    $words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c coracle -n "count (__fish_coracle_names) >/dev/null" -f -k -a "(__fish_coracle_names)"
"#;
    let lines = script.lines().map(|line| match line.strip_suffix(" -r") {
        Some(flag) => format!("{flag} -r -a \"(__fish_coracle_names)\"\n"),
        None => format!("{line}\n"),
    });
    lines.collect::<String>() + ask
}

/// What no definition of a command tells, for the first manual page.
const FILES: &str = r#".SH FILES
.TP
\fI$XDG_CONFIG_HOME/coracle/config.toml\fR
What options are when they are not given; it need not exist, and what is not known in it is an error.
.nf

userns = "auto-own"      # as \-\-userns, of every container that says nothing else

[network]
low_ports = "remap"     # as \-\-low\-ports: "refuse" or "remap"
host\-loopback = true   # as \-\-network NAME:host\-loopback, for all networks that say nothing else
.fi
"#;

/// `--help` is read before clap sees it; here it is shown like any flag.
fn with_help(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_help));
    command.arg(Arg::new("help").long("help").action(ArgAction::Help).help("Print help"))
}

fn collect_pages(command: &Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let mut page = Vec::new();
    let titled = command.clone().display_name(name.to_owned()).bin_name(name.replace('-', " "));
    clap_mangen::Man::new(titled)
        .source("coracle")
        .manual("coracle")
        .render(&mut page)
        .context(|| "cannot make a manual page")?;
    if name == PROGRAM {
        page.extend_from_slice(FILES.as_bytes());
    }
    pages.push((format!("{name}.1"), page));
    for subcommand in command.get_subcommands() {
        collect_pages(subcommand, &format!("{name}-{}", subcommand.get_name()), pages)?;
    }
    Ok(())
}
