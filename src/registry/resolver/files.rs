//! nsswitch.conf(5), hosts(5) and resolv.conf(5) as values. Lines that make no sense are passed over, as glibc does; a
//! file that cannot be read counts as empty.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::time::Duration;

/// Longest nsswitch.conf and resolv.conf that is read, in bytes.
const CONF_MAX: u64 = 1 << 20;
/// Longest hosts file that is read, in bytes: lists of what to block have megabytes.
const HOSTS_MAX: u64 = 64 << 20;
/// Servers that are asked: glibc's MAXNS.
const SERVERS_MAX: usize = 3;
/// Domains that are appended.
const SEARCH_MAX: usize = 32;

/// What a service says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// These are the addresses.
    Found(Vec<IpAddr>),
    /// There is no such name.
    NotFound,
    /// The service does not work on this machine.
    Unavailable,
    /// It would not say now, because of this.
    TryAgain(String),
}

/// One service of the `hosts` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `files`, `dns`, …
    pub service: String,
    /// Whether success, not found, unavailable and try-again end the search.
    ends: [bool; 4],
}

impl Step {
    fn new(service: &str) -> Self {
        Self { service: service.to_owned(), ends: [true, false, false, false] }
    }

    /// Whether the search ends with this status.
    pub fn returns(&self, status: &Status) -> bool {
        self.ends[match status {
            Status::Found(_) => 0,
            Status::NotFound => 1,
            Status::Unavailable => 2,
            Status::TryAgain(_) => 3,
        }]
    }

    /// One `[STATUS=action …]`. `merge` has no meaning for hosts; it counts as `continue`.
    fn act(&mut self, words: &str) {
        for word in words.split_ascii_whitespace() {
            let Some((status, action)) = word.split_once('=') else { continue };
            let (negated, status) = match status.strip_prefix('!') {
                Some(status) => (true, status),
                None => (false, status),
            };
            let known = ["success", "notfound", "unavail", "tryagain"];
            let Some(named) = known.iter().position(|known| known.eq_ignore_ascii_case(status)) else { continue };
            for (at, ends) in self.ends.iter_mut().enumerate() {
                if (at == named) != negated {
                    *ends = action.eq_ignore_ascii_case("return");
                }
            }
        }
    }
}

/// The `hosts` line of nsswitch.conf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nsswitch {
    /// In this order.
    pub steps: Vec<Step>,
}

impl Nsswitch {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Self {
        Self::parse(&read(path))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let hosts = lines.filter_map(|line| line.trim().strip_prefix("hosts:")).next_back();
        let mut steps: Vec<Step> = Vec::new();
        let mut rest = hosts.unwrap_or_default().trim();
        while !rest.is_empty() {
            rest = match rest.strip_prefix('[') {
                Some(inside) => {
                    let (words, after) = inside.split_once(']').unwrap_or((inside, ""));
                    if let Some(step) = steps.last_mut() {
                        step.act(words);
                    }
                    after
                }
                None => {
                    let end = rest.find(|c: char| c.is_ascii_whitespace() || c == '[').unwrap_or(rest.len());
                    steps.push(Step::new(&rest[..end]));
                    &rest[end..]
                }
            }
            .trim_start();
        }
        match steps.is_empty() {
            true => Self { steps: vec![Step::new("files"), Step::new("dns")] },
            false => Self { steps },
        }
    }
}

/// All addresses that the hosts file has for `name`.
pub fn in_hosts(path: &Path, name: &str) -> Status {
    let Ok(file) = File::open(path) else { return Status::Unavailable };
    let mut found = Vec::new();
    // Lines need not be UTF-8.
    for line in BufReader::new(file.take(HOSTS_MAX)).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(address) = words.next() else { continue };
        if words.any(|word| word.strip_suffix('.').unwrap_or(word).eq_ignore_ascii_case(name)) {
            found.extend(address.parse::<IpAddr>());
        }
    }
    match found.is_empty() {
        true => Status::NotFound,
        false => Status::Found(found),
    }
}

/// resolv.conf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvConf {
    /// In this order; at least one.
    pub servers: Vec<SocketAddr>,
    /// Domains to append.
    pub search: Vec<String>,
    /// Names with at least this number of dots are first tried as they are.
    pub ndots: usize,
    /// For an answer of one server.
    pub timeout: Duration,
    /// Rounds through the servers.
    pub attempts: u32,
    /// Begin with another server each time.
    pub rotate: bool,
    /// Use TCP from the start.
    pub use_tcp: bool,
    /// Do not ask for IPv6 addresses.
    pub no_aaaa: bool,
}

impl ResolvConf {
    /// Reads the file at `path`; its servers listen on `port`.
    pub fn read(path: &Path, port: u16) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self::parse(&read(path), port, &host)
    }

    /// `host` is this machine's name: its domain is searched when the file names none.
    fn parse(text: &str, port: u16, host: &str) -> Self {
        let mut conf = Self {
            servers: Vec::new(),
            search: host.split_once('.').map(|(_, domain)| domain.to_owned()).into_iter().collect(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
            use_tcp: false,
            no_aaaa: false,
        };
        for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => conf.servers.extend(words.next().and_then(|word| server(word, port))),
                Some("search") => conf.search = words.take(SEARCH_MAX).map(str::to_owned).collect(),
                Some("domain") => conf.search = words.take(1).map(str::to_owned).collect(),
                Some("options") => words.for_each(|word| conf.option(word)),
                _ => {}
            }
        }
        conf.search.retain(|domain| domain != ".");
        conf.servers.truncate(SERVERS_MAX);
        if conf.servers.is_empty() {
            conf.servers.push(SocketAddr::from(([127, 0, 0, 1], port)));
        }
        conf
    }

    /// The upper bounds are glibc's.
    fn option(&mut self, word: &str) {
        let (name, value) = word.split_once(':').unwrap_or((word, ""));
        let number = |most: u32| value.parse::<u32>().ok().map(|number| number.min(most));
        match (name, number(30), number(5), number(15)) {
            ("timeout", Some(seconds), ..) => self.timeout = Duration::from_secs(seconds.max(1).into()),
            ("attempts", _, Some(attempts), _) => self.attempts = attempts.max(1),
            ("ndots", _, _, Some(dots)) => self.ndots = dots as usize,
            ("rotate", ..) => self.rotate = true,
            ("use-vc", ..) => self.use_tcp = true,
            ("no-aaaa", ..) => self.no_aaaa = true,
            _ => {}
        }
    }

    /// The servers, for messages.
    pub fn shown(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(|server| server.ip().to_string()).collect();
        servers.join(", ")
    }
}

/// An address, of a link-local one with its interface: `fe80::1%eth0`.
fn server(word: &str, port: u16) -> Option<SocketAddr> {
    let Some((address, zone)) = word.split_once('%') else {
        return word.parse().ok().map(|address: IpAddr| SocketAddr::new(address, port));
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let index = zone.parse().ok().or_else(|| interface(zone))?;
    Some(SocketAddrV6::new(address, port, 0, index).into())
}

/// The index of an interface of this machine.
fn interface(name: &str) -> Option<u32> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    netdevice::name_to_index(&socket, name).ok()
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    // Half a file is better than none.
    let _ = File::open(path).map(|file| file.take(CONF_MAX).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_and_the_actions_are_those_of_nsswitch() {
        let show = |text: &str| -> Vec<String> {
            let letters = |step: &Step| {
                let letters = ['s', 'n', 'u', 't'].iter().zip(step.ends).filter(|(_, ends)| *ends);
                letters.map(|(letter, _)| *letter).collect::<String>()
            };
            Nsswitch::parse(text).steps.iter().map(|step| format!("{}/{}", step.service, letters(step))).collect()
        };
        for (text, expected) in [
            ("", &["files/s", "dns/s"][..]),
            ("passwd: files\nhosts:\n", &["files/s", "dns/s"]),
            ("hosts: files dns # comment", &["files/s", "dns/s"]),
            ("  hosts:\tdns files", &["dns/s", "files/s"]),
            ("hosts: files mdns4_minimal [NOTFOUND=return] dns", &["files/s", "mdns4_minimal/sn", "dns/s"]),
            ("hosts: mymachines resolve [!UNAVAIL=return] files", &["mymachines/s", "resolve/snt", "files/s"]),
            ("hosts: files[success=continue notfound=RETURN]dns", &["files/n", "dns/s"]),
            ("hosts: [notfound=return] dns [tryagain=return", &["dns/st"]),
            ("hosts: files\nhosts: dns", &["dns/s"]),
        ] {
            assert_eq!(show(text), expected, "{text}");
        }
    }

    #[test]
    fn options_and_servers_are_those_of_resolv_conf() {
        let text = "# comment\n;nameserver 9.9.9.9\ndomain ignored.example\nsearch a.example b.example .\n\
                    nameserver 127.0.0.53\nnameserver  2001:db8::1 trailing\nnameserver nonsense\n\
                    nameserver fe80::1%7\nnameserver 192.0.2.9\n\
                    options timeout:2 attempts:99 ndots:x ndots:3 rotate edns0\noptions use-vc no-aaaa timeout:0\n";
        let conf = ResolvConf::parse(text, 5353, "laptop.home.example");
        let servers: Vec<String> = conf.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["127.0.0.53:5353", "[2001:db8::1]:5353", "[fe80::1%7]:5353"], "three at most");
        assert_eq!(conf.search, ["a.example", "b.example"]);
        assert_eq!((conf.ndots, conf.timeout, conf.attempts), (3, Duration::from_secs(1), 5));
        assert!(conf.rotate && conf.use_tcp && conf.no_aaaa);
        let bare = ResolvConf::parse("", 53, "laptop.home.example");
        assert_eq!((bare.shown().as_str(), &bare.search[..]), ("127.0.0.1", &["home.example".to_owned()][..]));
        assert_eq!((bare.ndots, bare.timeout, bare.attempts), (1, Duration::from_secs(5), 2));
        assert_eq!(ResolvConf::parse("search .", 53, "laptop").search, [""; 0]);
    }

    #[test]
    fn hosts_have_addresses_of_any_family() {
        let scratch = crate::base::publish::Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("hosts");
        let text = b"127.0.0.1 localhost\n192.0.2.7\tRegistry.example registry # reg\n# 192.0.2.8 registry\n\
            2001:db8::7 registry.\nnonsense registry\n192.0.2.9 other\xff\n192.0.2.10 last";
        std::fs::write(&path, text).unwrap();
        let found = |name: &str| match in_hosts(&path, name) {
            Status::Found(addresses) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            other => format!("{other:?}"),
        };
        assert_eq!(found("registry.example"), "192.0.2.7");
        assert_eq!(found("registry"), "192.0.2.7 2001:db8::7");
        assert_eq!((found("last").as_str(), found("reg").as_str()), ("192.0.2.10", "NotFound"));
        assert_eq!(in_hosts(&scratch.path().join("absent"), "x"), Status::Unavailable);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "((hosts:|nameserver|search|options|domain|\\[|\\]|!|=|#)[ \\t]*[0-9a-f:.%x]{0,12}[\\n ]?|\\PC{0,10}\\n?){0,12}") {
            prop_assert!(!Nsswitch::parse(&text).steps.is_empty());
            let conf = ResolvConf::parse(&text, 53, "h");
            prop_assert!((1..=SERVERS_MAX).contains(&conf.servers.len()) && conf.search.len() <= SEARCH_MAX);
        }
    }
}
