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
    Ok(match shell {
        Shell::Bash => [script, NAMES_IN_BASH.as_bytes().to_vec()].concat(),
        _ => script,
    })
}

/// bash also completes the names of containers and images, which only the program knows.
const NAMES_IN_BASH: &str = r#"
_coracle_names() {
    local word="${COMP_WORDS[COMP_CWORD]}" index=1 command
    _coracle "$@"
    [[ "$word" == -* ]] && return
    command="${COMP_WORDS[1]}"
    case "$command" in
        container|image) index=2; command="$command ${COMP_WORDS[2]}" ;;
    esac
    (( COMP_CWORD > index )) || return
    case "$command" in
        attach|exec|kill|logs|restart|rm|start|stop|top|wait|container\ *)
            COMPREPLY+=( $(compgen -W "$(coracle ps -a --format '{{.Names}}' 2>/dev/null)" -- "$word") ) ;;
        run|create|pull|rmi|image\ *)
            COMPREPLY+=( $(compgen -W "$(coracle images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)" -- "$word") ) ;;
        inspect)
            COMPREPLY+=( $(compgen -W "$(coracle ps -a --format '{{.Names}}' 2>/dev/null) $(coracle images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)" -- "$word") ) ;;
    esac
}
complete -F _coracle_names -o nosort -o bashdefault -o default coracle 2>/dev/null ||
    complete -F _coracle_names -o bashdefault -o default coracle
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
    pages.push((format!("{name}.1"), page));
    for subcommand in command.get_subcommands() {
        collect_pages(subcommand, &format!("{name}-{}", subcommand.get_name()), pages)?;
    }
    Ok(())
}
