//! The resolver against files in a temporary directory and name servers on loopback addresses.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name as DnsName, RData, Record, RecordType};

use super::*;
use crate::base::publish::Staging;

/// What a server does with a question.
enum Reply {
    Answer(Vec<&'static str>),
    /// An alias and the addresses of its target.
    Alias(&'static str, Vec<&'static str>),
    Code(ResponseCode),
    Silence,
    /// "Ask over TCP", where the address is.
    Truncated(&'static str),
    /// Answers with another number first.
    Forged(&'static str, &'static str),
}

/// A name server at `address` and some port. It ends with the test's process.
fn serve(
    address: &str,
    port: u16,
    reply: impl Fn(&str, RecordType) -> Reply + Send + 'static,
) -> (u16, Arc<AtomicUsize>) {
    // A free port of one protocol may be taken in the other.
    let both = || {
        let udp = UdpSocket::bind((address, port))?;
        let tcp = TcpListener::bind(udp.local_addr()?)?;
        Ok::<_, std::io::Error>((udp, tcp))
    };
    let (udp, tcp) = (0..100).find_map(|_| both().ok()).expect("a free port");
    let port = udp.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = udp.recv_from(&mut buffer) {
            counter.fetch_add(1, Ordering::SeqCst);
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let (name, kind) = (question.queries[0].name().to_string(), question.queries[0].query_type());
            let answer = |code, records| answer(&question, code, records).to_vec().unwrap();
            let own = question.queries[0].name().clone();
            match reply(&name, kind) {
                Reply::Answer(texts) => udp.send_to(&answer(ResponseCode::NoError, records(&own, &texts)), client),
                Reply::Alias(target, texts) => {
                    let target = DnsName::from_ascii(target).unwrap();
                    let mut all = records(&target, &texts);
                    // Whose addresses these are is nobody's question.
                    all.extend(records(&DnsName::from_ascii("other.example.").unwrap(), &["192.0.2.66"]));
                    all.push(Record::from_rdata(own, 60, RData::CNAME(CNAME(target))));
                    udp.send_to(&answer(ResponseCode::NoError, all), client)
                }
                Reply::Code(code) => udp.send_to(&answer(code, Vec::new()), client),
                Reply::Silence => continue,
                Reply::Forged(forged, text) => {
                    let mut bad = answer(ResponseCode::NoError, records(&own, &[forged]));
                    bad[0] ^= 0xff;
                    udp.send_to(b"rubbish", client).unwrap();
                    udp.send_to(&bad, client).unwrap();
                    udp.send_to(&answer(ResponseCode::NoError, records(&own, &[text])), client)
                }
                Reply::Truncated(text) => {
                    let full = answer(ResponseCode::NoError, records(&own, &[text]));
                    let mut cut = Message::from_vec(&full).unwrap();
                    cut.answers.clear();
                    cut.metadata.truncation = true;
                    udp.send_to(&cut.to_vec().unwrap(), client).unwrap();
                    let (mut stream, _) = tcp.accept().unwrap();
                    let mut length = [0; 2];
                    stream.read_exact(&mut length).unwrap();
                    let mut again = vec![0; usize::from(u16::from_be_bytes(length))];
                    stream.read_exact(&mut again).unwrap();
                    let full = super::tests::answer(
                        &Message::from_vec(&again).unwrap(),
                        ResponseCode::NoError,
                        records(&own, &[text]),
                    );
                    let full = full.to_vec().unwrap();
                    stream.write_all(&u16::try_from(full.len()).unwrap().to_be_bytes()).unwrap();
                    stream.write_all(&full).map(|()| full.len())
                }
            }
            .unwrap();
        }
    });
    (port, asked)
}

fn answer(question: &Message, code: ResponseCode, records: Vec<Record>) -> Message {
    let mut message = Message::new(question.metadata.id, MessageType::Response, question.metadata.op_code);
    message.add_query(question.queries[0].clone());
    message.metadata.response_code = code;
    message.insert_answers(records);
    message
}

fn records(name: &DnsName, texts: &[&str]) -> Vec<Record> {
    let data = |text: &&str| match text.parse().unwrap() {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    };
    texts.iter().map(|text| Record::from_rdata(name.clone(), 60, data(text))).collect()
}

/// Answers for A only.
fn only(text: &'static str) -> impl Fn(&str, RecordType) -> Reply + Send + 'static {
    move |_, kind| match kind {
        RecordType::A => Reply::Answer(vec![text]),
        _ => Reply::Answer(vec![]),
    }
}

/// A machine's files.
struct Machine {
    scratch: Staging,
    places: Places,
}

impl Machine {
    fn new(port: u16, resolv_conf: &str) -> Self {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = |name: &str| scratch.path().join(name);
        let places = Places {
            nsswitch: path("nsswitch.conf"),
            hosts: path("hosts"),
            resolv_conf: path("resolv.conf"),
            getent: vec![path("absent"), path("getent")],
            run: path("run"),
            dns_port: port,
            limit: Duration::from_secs(10),
        };
        let machine = Self { scratch, places };
        machine.write("resolv.conf", resolv_conf);
        machine.write("hosts", "127.0.0.1 localhost\n");
        machine
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.scratch.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Renamed into its place: a program that is being written cannot be run.
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    fn ask(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        self.ask_all(&[name]).remove(0)
    }

    /// All by one resolver.
    fn ask_all(&self, names: &[&str]) -> Vec<Result<Vec<IpAddr>, Unresolved>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let resolver = Resolver::new(self.places.clone());
        names.iter().map(|name| runtime.block_on(resolver.addresses(name))).collect()
    }

    fn finds(&self, name: &str) -> String {
        match self.ask(name) {
            Ok(addresses) => {
                let mut texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                texts.sort();
                texts.join(" ")
            }
            Err(error) => format!("{error:?}"),
        }
    }
}

#[test]
fn a_name_in_hosts_needs_no_server() {
    let (port, asked) = serve("127.0.0.1", 0, |_, _| Reply::Silence);
    let machine = Machine::new(port, "nameserver 127.0.0.1\n");
    machine.write("hosts", "127.0.0.1 localhost\n192.0.2.7 Registry.Example registry\n2001:db8::7 six\n");
    let begin = Instant::now();
    assert_eq!(machine.finds("registry.example"), "192.0.2.7");
    assert_eq!(machine.finds("REGISTRY"), "192.0.2.7");
    assert_eq!(machine.finds("six."), "2001:db8::7");
    assert!(begin.elapsed() < Duration::from_secs(2) && asked.load(Ordering::SeqCst) == 0);
}

#[test]
fn localhost_is_this_machine_whatever_is_said() {
    let (port, asked) = serve("127.0.0.1", 0, only("192.0.2.1"));
    let machine = Machine::new(port, "nameserver 127.0.0.1\n");
    machine.write("nsswitch.conf", "hosts: dns\n");
    assert_eq!(machine.finds("localhost"), "127.0.0.1");
    assert_eq!(machine.finds("registry.LOCALHOST."), "127.0.0.1 ::1");
    machine.write("hosts", "192.0.2.1 localhost\n");
    assert_eq!(machine.finds("localhost"), "127.0.0.1 ::1", "nobody can make plain HTTP go elsewhere");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn servers_that_do_not_answer_cost_ten_seconds_at_most_and_once() {
    let (port, _) = serve("127.0.0.1", 0, |_, _| Reply::Silence);
    let mut machine = Machine::new(port, "nameserver 127.0.0.1\noptions timeout:30 attempts:5\nsearch a b c d\n");
    machine.places.limit = Duration::from_secs(1);
    let begin = Instant::now();
    let mut answers = machine.ask_all(&["r.example", "r.example", "R.example"]);
    let error = answers.remove(0).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert!(error.cause.as_deref().unwrap().contains("127.0.0.1"), "{error:?}");
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap_err() == &error));
    assert_eq!(Places::default().limit, Duration::from_secs(10));
}

#[test]
fn a_server_that_is_dead_or_fails_makes_room_for_the_next() {
    for first in [|| Reply::Silence, || Reply::Code(ResponseCode::ServFail), || Reply::Code(ResponseCode::Refused)] {
        let (port, _) = serve("127.0.0.2", 0, move |_, _| first());
        serve("127.0.0.3", port, only("192.0.2.3"));
        let mut machine = Machine::new(port, "nameserver 127.0.0.2\nnameserver 127.0.0.3\noptions timeout:30\n");
        machine.places.limit = Duration::from_secs(4);
        assert_eq!(machine.finds("r.example"), "192.0.2.3");
    }
    // Nobody listens on the first: ICMP tells at once.
    let (port, _) = serve("127.0.0.3", 0, only("192.0.2.3"));
    let begin = Instant::now();
    assert_eq!(Machine::new(port, "nameserver 127.0.0.2\nnameserver 127.0.0.3\n").finds("r.example"), "192.0.2.3");
    assert!(begin.elapsed() < Duration::from_secs(3));
    // No such name is an answer.
    let (port, _) = serve("127.0.0.2", 0, |_, _| Reply::Code(ResponseCode::NXDomain));
    let (_, asked) = serve("127.0.0.3", port, only("192.0.2.3"));
    let machine = Machine::new(port, "nameserver 127.0.0.2\nnameserver 127.0.0.3\n");
    assert_eq!(machine.ask("r.example").unwrap_err(), Unresolved { name: "r.example".into(), cause: None });
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let (port, _) = serve("127.0.0.2", 0, |_, _| Reply::Code(ResponseCode::ServFail));
    let error = Machine::new(port, "nameserver 127.0.0.2\n").ask("r.example").unwrap_err();
    assert!(error.cause.unwrap().starts_with("the name server 127.0.0.2 fails"));
}

#[test]
fn without_a_usable_file_only_this_machine_is_asked() {
    let (port, asked) = serve("127.0.0.1", 0, only("192.0.2.1"));
    for text in ["", "nameserver nonsense\n", "\0\u{1}\u{2}"] {
        assert_eq!(Machine::new(port, text).finds("r.example"), "192.0.2.1");
    }
    let machine = Machine::new(port, "");
    std::fs::remove_file(&machine.places.resolv_conf).unwrap();
    assert_eq!(machine.finds("r.example"), "192.0.2.1");
    assert!(asked.load(Ordering::SeqCst) >= 4);
}

#[test]
fn names_are_searched_by_their_dots() {
    let known = |name: &'static str| {
        move |asked: &str, kind: RecordType| match (asked == name, kind) {
            (true, RecordType::A) => Reply::Answer(vec!["192.0.2.1"]),
            (true, _) => Reply::Answer(vec![]),
            _ => Reply::Code(ResponseCode::NXDomain),
        }
    };
    for (name, options, host, found) in [
        ("registry.corp.example.", "", "registry", true),
        ("registry.corp.example.", "", "registry.", false),
        ("registry.", "", "registry", true),
        ("a.b.corp.example.", "", "a.b", true),
        ("a.b.", "options ndots:5", "a.b", true),
        ("other.", "", "registry", false),
    ] {
        let (port, _) = serve("127.0.0.1", 0, known(name));
        let conf = format!("nameserver 127.0.0.1\nsearch none.example corp.example\n{options}\n");
        assert_eq!(Machine::new(port, &conf).ask(host).is_ok(), found, "{name} {host} {options}");
    }
}

#[test]
fn answers_are_those_to_the_question() {
    let v4 = |reply: fn() -> Reply| {
        move |_: &str, kind: RecordType| {
            if kind == RecordType::A { reply() } else { Reply::Code(ResponseCode::NoError) }
        }
    };
    for (reply, expected) in [
        ((|| Reply::Alias("real.example.", vec!["192.0.2.1", "192.0.2.2"])) as fn() -> Reply, "192.0.2.1 192.0.2.2"),
        (|| Reply::Truncated("192.0.2.9"), "192.0.2.9"),
        (|| Reply::Forged("192.0.2.66", "192.0.2.1"), "192.0.2.1"),
    ] {
        let (port, _) = serve("127.0.0.1", 0, v4(reply));
        assert_eq!(Machine::new(port, "nameserver 127.0.0.1\n").finds("r.example"), expected);
    }
    // Both families, one of them, and one that is never answered.
    let (port, _) = serve("127.0.0.1", 0, |_, kind| match kind {
        RecordType::A => Reply::Answer(vec!["192.0.2.1"]),
        _ => Reply::Answer(vec!["2001:db8::1"]),
    });
    assert_eq!(Machine::new(port, "nameserver 127.0.0.1\n").finds("r.example"), "192.0.2.1 2001:db8::1");
    let machine = Machine::new(port, "nameserver 127.0.0.1\noptions no-aaaa\n");
    assert_eq!(machine.finds("r.example"), "192.0.2.1");
    let (port, _) = serve("127.0.0.1", 0, |_, kind| match kind {
        RecordType::A => Reply::Answer(vec!["192.0.2.1"]),
        _ => Reply::Silence,
    });
    let begin = Instant::now();
    assert_eq!(Machine::new(port, "nameserver 127.0.0.1\n").finds("r.example"), "192.0.2.1");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn other_services_are_asked_at_their_place() {
    let (port, asked) = serve("127.0.0.1", 0, only("192.0.2.1"));
    let machine = Machine::new(port, "nameserver 127.0.0.1\n");
    let getent = "#!/bin/sh\ncase \"$*\" in\n'-s hosts:machines ahosts vm')\n  printf '192.0.2.5 STREAM vm\\n192.0.2.5 DGRAM\\n2001:db8::5 STREAM\\n' ;;\n\
        '-s hosts:resolve ahosts r.example') echo '192.0.2.6 STREAM x' ;;\n'-s hosts:mdns4_minimal ahosts nas.local') echo '192.0.2.7 STREAM x' ;;\n\
        '-s hosts:slow ahosts r.example') exec sleep 60 ;;\n*) exit 2 ;;\nesac\n";
    machine.write("getent", getent);
    machine.write("nsswitch.conf", "hosts: files machines dns\n");
    assert_eq!(machine.finds("vm"), "192.0.2.5 2001:db8::5");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert_eq!(machine.finds("r.example"), "192.0.2.1");
    // Daemons that do not run are unavailable, which is no "not found".
    for line in ["hosts: resolve [!UNAVAIL=return] dns\n", "hosts: mdns4_minimal [NOTFOUND=return] dns\n"] {
        machine.write("nsswitch.conf", line);
        assert_eq!(machine.finds("r.example"), "192.0.2.1", "{line}");
        assert_eq!(machine.finds("nas.local"), "192.0.2.1", "{line}");
    }
    machine.write("run/systemd/resolve/io.systemd.Resolve", "");
    machine.write("run/avahi-daemon/socket", "");
    machine.write("nsswitch.conf", "hosts: resolve [!UNAVAIL=return] dns\n");
    assert_eq!(machine.finds("r.example"), "192.0.2.6");
    assert_eq!(machine.ask("other.example").unwrap_err().cause, None, "the daemon knows best");
    machine.write("nsswitch.conf", "hosts: mdns4_minimal [NOTFOUND=return] dns\n");
    assert_eq!(machine.finds("nas.local"), "192.0.2.7");
    assert!(machine.ask("absent.local").is_err());
    assert_eq!(machine.finds("r.example"), "192.0.2.1", "not a name for mdns");
    // Without getent, and with a module that hangs.
    machine.write("nsswitch.conf", "hosts: slow [TRYAGAIN=return] dns\n");
    let mut hasty = Machine { scratch: machine.scratch, places: machine.places };
    hasty.places.limit = Duration::from_millis(300);
    let begin = Instant::now();
    assert!(hasty.ask("r.example").unwrap_err().cause.is_some());
    assert!(begin.elapsed() < Duration::from_secs(5));
    std::fs::remove_file(hasty.scratch.path().join("getent")).unwrap();
    assert_eq!(hasty.finds("r.example"), "192.0.2.1");
}

/// The real getent, where there is one.
#[test]
fn getent_runs_one_module_alone() {
    let real = Places::default();
    if !real.getent.iter().any(|path| Path::exists(path)) {
        return;
    }
    let mut machine = Machine::new(9, "");
    machine.places.getent = real.getent;
    machine.write("hosts", "");
    machine.write("nsswitch.conf", "hosts: coracle_absent [UNAVAIL=return NOTFOUND=return] files\n");
    assert!(machine.ask("ip6-localhost").is_err());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let own = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    if own.lines().any(|line| line.starts_with("127.0.0.1") && line.contains("localhost")) {
        let status = runtime.block_on(modules::ask(&machine.places, "files", "localhost"));
        assert!(matches!(status, Status::Found(_)), "{status:?}");
    }
}
