//! Which commands there are, and where they stand. The whole tree is built for help, manual pages and completions only.

use clap::{Args, Command};

use super::context::Globals;
use super::verb::Verb;
use super::{
    builder, compose, configuration, container, image, inspect, login, logout, mount, network, pod, quadlet, registry,
    runtime, secret, system, unshare, volume,
};

/// A command under the words that call it, the first of which is shown in lists.
pub struct Entry {
    /// Its words.
    pub names: &'static [&'static str],
    /// What it is.
    pub verb: &'static Verb,
}

/// Commands about one kind of thing.
pub struct Noun {
    /// Its word.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// What can be done.
    pub entries: &'static [Entry],
}

const fn entry(names: &'static [&'static str], verb: &'static Verb) -> Entry {
    Entry { names, verb }
}

/// The commands without a noun.
pub const TOP: &[Entry] = &[
    entry(&["run"], &container::run::VERB),
    entry(&["build"], &image::build::VERB),
    entry(&["exec"], &container::exec::VERB),
    entry(&["port"], &container::port::VERB),
    entry(&["ps"], &container::list::VERB),
    entry(&["pull"], &image::pull::VERB),
    entry(&["push"], &image::push::VERB),
    entry(&["images"], &image::list::VERB),
    entry(&["history"], &image::history::VERB),
    entry(&["import"], &image::load::IMPORT),
    entry(&["load"], &image::load::VERB),
    entry(&["save"], &image::save::VERB),
    entry(&["attach"], &container::attach::VERB),
    entry(&["commit"], &container::commit::VERB),
    entry(&["cp"], &container::copy::VERB),
    entry(&["create"], &container::create::VERB),
    entry(&["diff"], &container::diff::VERB),
    entry(&["export"], &container::export::VERB),
    entry(&["inspect"], &inspect::VERB),
    entry(&["kill"], &container::kill::VERB),
    entry(&["login"], &login::VERB),
    entry(&["logout"], &logout::VERB),
    entry(&["logs"], &container::logs::VERB),
    entry(&["mount"], &mount::MOUNT),
    entry(&["pause"], &container::pause::PAUSE),
    entry(&["rename"], &container::rename::VERB),
    entry(&["restart"], &container::stop::RESTART),
    entry(&["rm"], &container::remove::VERB),
    entry(&["rmi"], &image::remove::VERB),
    entry(&["search"], &image::search::VERB),
    entry(&["start"], &container::start::VERB),
    entry(&["stats"], &container::stats::VERB),
    entry(&["stop"], &container::stop::STOP),
    entry(&["tag"], &image::tag::TAG),
    entry(&["top"], &container::top::VERB),
    entry(&["umount", "unmount"], &mount::UNMOUNT),
    entry(&["unpause"], &container::pause::UNPAUSE),
    entry(&["unshare"], &unshare::VERB),
    entry(&["untag"], &image::tag::UNTAG),
    entry(&["update"], &container::update::VERB),
    entry(&["wait"], &container::wait::VERB),
    entry(&["auto-update"], &system::auto_update::VERB),
    entry(&["doctor"], &system::doctor::VERB),
    entry(&["events"], &system::events::VERB),
    entry(&["info"], &system::info::VERB),
    entry(&["version"], &system::version::VERB),
    entry(&["completion"], &system::completion::VERB),
];

/// The nouns.
pub const NOUNS: &[Noun] = &[
    Noun {
        name: "container",
        about: "Manage containers",
        entries: &[
            entry(&["attach"], &container::attach::VERB),
            entry(&["clone"], &container::clone::VERB),
            entry(&["commit"], &container::commit::VERB),
            entry(&["cp"], &container::copy::VERB),
            entry(&["create"], &container::create::VERB),
            entry(&["diff"], &container::diff::CONTAINER),
            entry(&["exec"], &container::exec::VERB),
            entry(&["exists"], &container::exists::VERB),
            entry(&["export"], &container::export::VERB),
            entry(&["inspect"], &inspect::CONTAINER),
            entry(&["kill"], &container::kill::VERB),
            entry(&["logs"], &container::logs::VERB),
            entry(&["ls", "list", "ps"], &container::list::VERB),
            entry(&["mount"], &mount::MOUNT),
            entry(&["pause"], &container::pause::PAUSE),
            entry(&["port"], &container::port::VERB),
            entry(&["prune"], &container::prune::VERB),
            entry(&["rename"], &container::rename::VERB),
            entry(&["restart"], &container::stop::RESTART),
            entry(&["rm", "remove"], &container::remove::VERB),
            entry(&["run"], &container::run::VERB),
            entry(&["start"], &container::start::VERB),
            entry(&["stats"], &container::stats::VERB),
            entry(&["stop"], &container::stop::STOP),
            entry(&["top"], &container::top::VERB),
            entry(&["umount", "unmount"], &mount::UNMOUNT),
            entry(&["unpause"], &container::pause::UNPAUSE),
            entry(&["update"], &container::update::VERB),
            entry(&["wait"], &container::wait::VERB),
        ],
    },
    Noun {
        name: "image",
        about: "Manage images",
        entries: &[
            entry(&["build"], &image::build::VERB),
            entry(&["diff"], &container::diff::IMAGE),
            entry(&["exists"], &image::exists::VERB),
            entry(&["history"], &image::history::VERB),
            entry(&["import"], &image::load::IMPORT),
            entry(&["inspect"], &inspect::IMAGE),
            entry(&["load"], &image::load::VERB),
            entry(&["mount"], &mount::IMAGE_MOUNT),
            entry(&["prune"], &image::prune::VERB),
            entry(&["ls", "list"], &image::list::VERB),
            entry(&["pull"], &image::pull::VERB),
            entry(&["push"], &image::push::VERB),
            entry(&["rm", "remove"], &image::remove::VERB),
            entry(&["save"], &image::save::VERB),
            entry(&["scp"], &image::scp::VERB),
            entry(&["search"], &image::search::VERB),
            entry(&["tree"], &image::tree::VERB),
            entry(&["tag"], &image::tag::TAG),
            entry(&["unmount", "umount"], &mount::IMAGE_UNMOUNT),
            entry(&["untag"], &image::tag::UNTAG),
        ],
    },
    Noun {
        name: "buildx imagetools",
        about: "Make and show indexes in registries",
        entries: &[entry(&["create"], &image::imagetools::CREATE), entry(&["inspect"], &image::imagetools::INSPECT)],
    },
    Noun {
        name: "image trust",
        about: "Manage from which repositories images are taken",
        entries: &[entry(&["set"], &image::trust::SET), entry(&["show"], &image::trust::SHOW)],
    },
    Noun {
        name: "manifest",
        about: "Manage lists of images for several platforms",
        entries: &[
            entry(&["add"], &image::manifest::ADD),
            entry(&["annotate"], &image::manifest::ANNOTATE),
            entry(&["create"], &image::manifest::CREATE),
            entry(&["exists"], &image::manifest::EXISTS),
            entry(&["inspect"], &image::manifest::INSPECT),
            entry(&["push"], &image::manifest::PUSH),
            entry(&["remove"], &image::manifest::REMOVE),
            entry(&["rm"], &image::manifest::DELETE),
        ],
    },
    Noun { name: "registry", about: "Serve images to others", entries: &[entry(&["serve"], &registry::serve::VERB)] },
    Noun {
        name: "network",
        about: "Manage networks",
        entries: &[
            entry(&["connect"], &network::change::CONNECT),
            entry(&["create"], &network::create::VERB),
            entry(&["disconnect"], &network::change::DISCONNECT),
            entry(&["exists"], &network::remove::EXISTS),
            entry(&["inspect"], &network::inspect::VERB),
            entry(&["ls", "list"], &network::list::VERB),
            entry(&["prune"], &network::remove::PRUNE),
            entry(&["rm", "remove"], &network::remove::VERB),
            entry(&["update"], &network::change::UPDATE),
        ],
    },
    Noun {
        name: "volume",
        about: "Manage volumes",
        entries: &[
            entry(&["create"], &volume::create::VERB),
            entry(&["exists"], &volume::remove::EXISTS),
            entry(&["export"], &volume::archive::EXPORT),
            entry(&["import"], &volume::archive::IMPORT),
            entry(&["inspect"], &volume::inspect::VERB),
            entry(&["ls", "list"], &volume::list::VERB),
            entry(&["mount"], &volume::archive::MOUNT),
            entry(&["prune"], &volume::remove::PRUNE),
            entry(&["rm", "remove"], &volume::remove::VERB),
            entry(&["unmount"], &volume::archive::UNMOUNT),
        ],
    },
    Noun {
        name: "secret",
        about: "Manage secrets",
        entries: &[
            entry(&["create"], &secret::create::VERB),
            entry(&["exists"], &secret::remove::EXISTS),
            entry(&["inspect"], &secret::inspect::VERB),
            entry(&["ls", "list"], &secret::list::VERB),
            entry(&["rm", "remove"], &secret::remove::VERB),
        ],
    },
    Noun {
        name: "compose",
        about: "Run projects of several containers",
        entries: &[
            entry(&["attach"], &compose::run::ATTACH),
            entry(&["build"], &compose::image::BUILD),
            entry(&["commit"], &compose::passed::COMMIT),
            entry(&["config", "convert"], &compose::config::VERB),
            entry(&["cp"], &compose::copy::VERB),
            entry(&["create"], &compose::up::CREATE),
            entry(&["down"], &compose::life::DOWN),
            entry(&["events"], &compose::events::VERB),
            entry(&["exec"], &compose::run::EXEC),
            entry(&["export"], &compose::passed::EXPORT),
            entry(&["images"], &compose::list::IMAGES),
            entry(&["kill"], &compose::life::KILL),
            entry(&["logs"], &compose::logs::VERB),
            entry(&["ls"], &compose::list::LS),
            entry(&["pause"], &compose::life::PAUSE),
            entry(&["port"], &compose::list::PORT),
            entry(&["ps"], &compose::list::PS),
            entry(&["pull"], &compose::image::PULL),
            entry(&["push"], &compose::image::PUSH),
            entry(&["restart"], &compose::life::RESTART),
            entry(&["rm"], &compose::life::REMOVE),
            entry(&["run"], &compose::run::RUN),
            entry(&["scale"], &compose::scale::VERB),
            entry(&["start"], &compose::life::START),
            entry(&["stats"], &compose::passed::STATS),
            entry(&["stop"], &compose::life::STOP),
            entry(&["top"], &compose::list::TOP),
            entry(&["unpause"], &compose::life::UNPAUSE),
            entry(&["up"], &compose::up::VERB),
            entry(&["version"], &compose::list::VERSION),
            entry(&["volumes"], &compose::list::VOLUMES),
            entry(&["wait"], &compose::life::WAIT),
            entry(&["watch"], &compose::watch::VERB),
        ],
    },
    Noun {
        name: "pod",
        about: "Manage pods: containers that share a network and more",
        entries: &[
            entry(&["create"], &pod::create::VERB),
            entry(&["exists"], &pod::act::EXISTS),
            entry(&["inspect"], &pod::inspect::VERB),
            entry(&["kill"], &pod::act::KILL),
            entry(&["logs"], &pod::watch::LOGS),
            entry(&["pause"], &pod::act::PAUSE),
            entry(&["prune"], &pod::act::PRUNE),
            entry(&["ps", "ls", "list"], &pod::list::VERB),
            entry(&["restart"], &pod::act::RESTART),
            entry(&["rm"], &pod::act::REMOVE),
            entry(&["start"], &pod::act::START),
            entry(&["stats"], &pod::watch::STATS),
            entry(&["stop"], &pod::act::STOP),
            entry(&["top"], &pod::watch::TOP),
            entry(&["unpause"], &pod::act::UNPAUSE),
        ],
    },
    Noun {
        name: "quadlet",
        about: "Run containers as services of systemd",
        entries: &[
            entry(&["check"], &quadlet::check::VERB),
            entry(&["generate"], &quadlet::generate::VERB),
            entry(&["install"], &quadlet::install::VERB),
            entry(&["ls", "list"], &quadlet::list::VERB),
            entry(&["print"], &quadlet::print::VERB),
            entry(&["rm", "remove"], &quadlet::remove::VERB),
        ],
    },
    Noun {
        name: "config",
        about: "Show and change the configuration of coracle",
        entries: &[
            entry(&["edit"], &configuration::edit::VERB),
            entry(&["get"], &configuration::show::GET),
            entry(&["set"], &configuration::set::VERB),
            entry(&["show"], &configuration::show::SHOW),
        ],
    },
    Noun {
        name: "generate",
        about: "Make files of containers that are there",
        entries: &[entry(&["systemd"], &quadlet::systemd::VERB)],
    },
    Noun {
        name: "healthcheck",
        about: "Manage health checks of containers",
        entries: &[entry(&["run"], &container::healthcheck::RUN)],
    },
    Noun {
        name: "builder",
        about: "Manage the build cache",
        entries: &[entry(&["build"], &image::build::VERB), entry(&["prune"], &builder::cache::PRUNE)],
    },
    Noun {
        name: "buildx",
        about: "Build images, and manage the build cache",
        entries: &[
            entry(&["build", "b"], &image::build::VERB),
            entry(&["du"], &builder::cache::DU),
            entry(&["inspect"], &builder::list::INSPECT),
            entry(&["ls"], &builder::list::LS),
            entry(&["prune"], &builder::cache::PRUNE),
            entry(&["version"], &builder::cache::VERSION),
        ],
    },
    Noun {
        name: "runtime",
        about: "Run containers of OCI bundles, for other tools",
        entries: &[
            entry(&["create"], &runtime::CREATE),
            entry(&["delete"], &runtime::DELETE),
            entry(&["exec"], &runtime::EXEC),
            entry(&["features"], &runtime::FEATURES),
            entry(&["kill"], &runtime::KILL),
            entry(&["list"], &runtime::LIST),
            entry(&["ps"], &runtime::PS),
            entry(&["run"], &runtime::RUN),
            entry(&["spec"], &runtime::SPEC),
            entry(&["start"], &runtime::START),
            entry(&["state"], &runtime::STATE),
        ],
    },
    Noun {
        name: "system",
        about: "Manage this installation",
        entries: &[
            entry(&["check"], &system::check::VERB),
            entry(&["df"], &system::df::VERB),
            entry(&["doctor"], &system::doctor::VERB),
            entry(&["events"], &system::events::VERB),
            entry(&["info"], &system::info::VERB),
            entry(&["linger"], &system::linger::VERB),
            entry(&["migrate"], &image::migrate::VERB),
            entry(&["prune"], &system::prune::VERB),
            entry(&["wait-network"], &system::service::WAIT),
        ],
    },
    Noun {
        name: "system persona",
        about: "Make coracle answer to docker or podman as well",
        entries: &[entry(&["install"], &system::persona::INSTALL), entry(&["remove"], &system::persona::REMOVE)],
    },
    Noun {
        name: "system service",
        about: "Manage the units of coracle in your systemd",
        entries: &[entry(&["install"], &system::service::INSTALL), entry(&["remove"], &system::service::REMOVE)],
    },
];

/// What adds the options of a noun, which stand between it and its command.
pub fn flags_of(noun: &str) -> Option<fn(Command) -> Command> {
    match noun {
        "compose" => Some(compose::project::flags),
        "runtime" => Some(runtime::flags),
        _ => None,
    }
}

/// The command of a name.
pub fn find(entries: &'static [Entry], name: &str) -> Option<&'static Entry> {
    entries.iter().find(|entry| entry.names.contains(&name))
}

/// The definition of the options before the command.
pub fn globals(program: &'static str) -> Command {
    Globals::augment_args(Command::new(program))
        .about("A daemonless, rootless container tool")
        .long_about(None)
        .override_usage(format!("{program} [OPTIONS] COMMAND [ARG...]"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
}

/// The whole tree.
pub fn whole(program: &'static str) -> Command {
    let outer = NOUNS.iter().filter(|noun| !noun.name.contains(' '));
    globals(program).subcommands(verbs(program, &[], TOP)).subcommands(outer.map(|noun| noun_command(program, noun)))
}

/// The noun that command line words begin with, of two words or one; and the words after it. Where the word of a longer
/// noun is a command of the shorter one as well, it is the noun only before one of its own commands.
pub fn noun(words: &[String]) -> Option<(&'static Noun, &[String])> {
    let length = |noun: &Noun| noun.name.split(' ').count();
    let fits = |noun: &&Noun| noun.name.split(' ').eq(words.iter().take(length(noun)));
    let own = |noun: &Noun| words.get(length(noun)).is_some_and(|word| find(noun.entries, word).is_some());
    let command = |noun: &Noun| {
        let (outer, word) = noun.name.split_once(' ')?;
        NOUNS.iter().find(|other| other.name == outer).and_then(|outer| find(outer.entries, word))
    };
    let fitting = NOUNS.iter().filter(fits).filter(|noun| command(noun).is_none() || own(noun));
    let noun = fitting.max_by_key(|noun| noun.name.len())?;
    Some((noun, words.get(length(noun)..).unwrap_or_default()))
}

/// A noun with its commands, and with the nouns of two words that stand below it.
pub fn noun_command(program: &str, noun: &Noun) -> Command {
    let called = format!("{program} {}", noun.name);
    let below = NOUNS.iter().filter(|other| other.name.split_once(' ').is_some_and(|(first, _)| first == noun.name));
    let own = noun.name.rsplit(' ').next().unwrap_or_default();
    let (command, options) = match flags_of(noun.name) {
        Some(add) => (add(Command::new(own)), "[OPTIONS] "),
        None => (Command::new(own), ""),
    };
    command
        .bin_name(called.clone())
        .about(noun.about)
        .override_usage(format!("{called} {options}COMMAND"))
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .subcommands(verbs(program, &[noun.name], noun.entries))
        .subcommands(below.map(|noun| noun_command(program, noun)))
}

fn verbs(program: &str, before: &[&'static str], entries: &'static [Entry]) -> Vec<Command> {
    let command = |entry: &'static Entry| {
        let words: Vec<&'static str> = before.iter().copied().chain([entry.names[0]]).collect();
        entry.verb.command(program, &words).visible_aliases(entry.names[1..].to_vec())
    };
    entries.iter().map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        whole("coracle").debug_assert();
    }

    #[test]
    fn every_flag_has_a_help_and_no_verb_hides_another() {
        fn walk(command: &Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{path}: {} has no help", arg.get_id());
                assert!(!arg.get_id().as_str().is_empty());
            }
            assert!(command.get_about().is_some(), "{path} has no description");
            command.get_subcommands().for_each(|command| walk(command, &path));
        }
        walk(&whole("coracle"), "");
        for entries in NOUNS.iter().map(|noun| noun.entries).chain([TOP]) {
            let names: Vec<&str> = entries.iter().flat_map(|entry| entry.names).copied().collect();
            assert!(names.iter().all(|name| names.iter().filter(|other| *other == name).count() == 1), "{names:?}");
        }
        assert!(find(TOP, "ps").is_some() && find(NOUNS[0].entries, "list").is_some() && find(TOP, "list").is_none());
    }
}
