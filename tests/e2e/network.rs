//! Networks of containers: the default one, published ports, names, and sharing. Over loopback and what the tests make.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketType};
use serde_json::Value;

use crate::support::env::{Env, alive};
use crate::support::{PATIENCE, eventually};

/// Serves one file, `/index.html`, that says `it works`; logs `ready` when it listens.
const WEB: &str =
    "sh -c 'mkdir /www; echo it works >/www/index.html; httpd -p 80 -h /www; echo ready; exec sleep 1000'";

/// Answers each connection on port 7 with the address it came from.
const WHO: &str = "sh -c 'echo ready; exec nc -ll -p 7 -e sh -c \"netstat -tn | grep :7.*ESTABLISHED\"'";

/// Sends every datagram that comes to port 9 back.
const UDP_ECHO: &str = "socket(S, PF_INET, SOCK_DGRAM, 17); bind(S, sockaddr_in(9, INADDR_ANY)); $| = 1; print qq(ready\n); \
     while ($from = recv(S, $bytes, 65535, 0)) { send(S, $bytes, 0, $from) }";

/// The container reaches what listens on this machine's loopback.
const LOOPBACK: &str = "--network bridge:host-loopback";

fn web(env: &Env, options: &str) -> String {
    let id = env.run_detached(&format!("{options} IMAGE {WEB}"));
    env.logged(&id, "ready");
    id
}

/// A port that was free a moment ago, none that the kernel gives to clients.
pub(crate) fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let free = |port: &u16| {
        let address = (Ipv6Addr::UNSPECIFIED, *port);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    };
    let start = (std::process::id() % 200) as u16 * 100;
    let candidate = || 10_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
    std::iter::repeat_with(candidate).find(free).unwrap()
}

/// What a web server says to a plain request.
pub(crate) fn get(address: &str, port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((address, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[track_caller]
fn address(env: &Env, container: &str) -> String {
    let address = env.inspect(container, "{{.NetworkSettings.IPAddress}}");
    assert!(address.parse::<Ipv4Addr>().is_ok(), "{address:?}");
    address
}

fn netd(env: &Env) -> Vec<nix::unistd::Pid> {
    let is_netd = |pid: &nix::unistd::Pid| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"coracle-netd"))
    };
    env.processes().into_iter().filter(is_netd).collect()
}

#[test]
fn a_container_has_an_address_and_a_way_out() {
    let env = ready!(busybox);
    let seen = env.coracle("run --rm IMAGE sh -c 'ip -4 addr show eth0; ip route; ip link show lo'").succeeds();
    seen.stdout_has("inet 172.").stdout_has("default via 172.").stdout_has("LOOPBACK,UP");
    let out = env.coracle("run --rm IMAGE sh -c 'ip -6 addr show eth0; ip -6 route'").succeeds();
    out.stdout_has("inet6 fd").stdout_has("default via fd");
    // The names under which it knows itself.
    env.coracle("run --rm --name web -h box IMAGE sh -c 'grep -w box /etc/hosts; hostname -i'")
        .succeeds()
        .stdout_has("\tbox web");
}

#[test]
fn neighbours_reach_each_other_by_address_and_by_name() {
    let env = ready!(busybox);
    web(&env, "--name web --network-alias front");
    let ip = address(&env, "web");
    for host in [ip.as_str(), "web", "front"] {
        env.coracle(&format!("run --rm IMAGE wget -qO- http://{host}/")).succeeds().stdout_is("it works\n");
    }
    env.coracle("run --rm IMAGE ping -c 1 -W 5 web").succeeds();
    // Nobody of that name: an answer, not a time-out.
    env.coracle("run --rm IMAGE nslookup nobody.").fails_with(1);
}

#[test]
fn what_a_program_of_the_host_says_is_what_a_container_hears() {
    let env = ready!(busybox);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut question = String::new();
        // The end of what it sends arrives, and the answer still goes back: half-closed.
        stream.read_to_string(&mut question).unwrap();
        stream.write_all(format!("you said {question}").as_bytes()).unwrap();
    });
    let line = format!("run --rm {LOOPBACK} IMAGE sh -c 'echo hello | nc host.docker.internal {port}'");
    env.coracle(&line).succeeds().stdout_is("you said hello\n");
    server.join().unwrap();
    let refused =
        env.coracle(&format!("run --rm {LOOPBACK} IMAGE nc -w 20 host.containers.internal {port}")).fails_with(1);
    refused.stderr_has("refused");
}

#[test]
fn services_of_the_hosts_loopback_are_reached_by_choice_alone() {
    let env = ready!(busybox);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"trusting\n");
        }
    });
    let read = |options: &str, host: &str| {
        env.coracle(&format!("run --rm {options} IMAGE nc -w 20 {host} {port}")).stdout.contains("trusting")
    };
    for host in ["host.docker.internal", "host.containers.internal", "169.254.1.2", "127.0.0.1", "0.0.0.0"] {
        assert!(!read("", host), "{host}");
    }
    assert!(!read("--add-host me:host-gateway", "me"));
    assert!(!read("--network bridge:host-loopback=false", "host.docker.internal"));
    assert!(read(LOOPBACK, "host.docker.internal"));
    assert!(read(&format!("{LOOPBACK} --add-host me:host-gateway"), "me"));
    env.coracle("network create --opt host-loopback=true open").succeeds();
    env.coracle("network create --opt host-loopback=false closed").succeeds();
    let shown = env.argv(&["network", "inspect", "-f", "{{index .Options \"host-loopback\"}}", "open"]).succeeds();
    assert_eq!(shown.line(), "true");
    assert!(read("--network open", "host.docker.internal"));
    assert!(!read("--network open:host-loopback=false", "host.docker.internal"));
    let file = env.config().join("coracle/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "[network]\nhost-loopback = true\n").unwrap();
    assert!(read("", "host.docker.internal"));
    assert!(!read("--network closed", "host.docker.internal"));
    assert!(!read("--network bridge:host-loopback=false", "host.docker.internal"));
    std::fs::remove_file(&file).unwrap();
    // What listens on all addresses answers, by an address that is not loopback.
    let everywhere = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = everywhere.local_addr().unwrap().port();
    let client = env.command(&format!("run --rm IMAGE nc -w 20 host.docker.internal {port}")).spawn();
    match super::failures::own_address() {
        Some(_) => {
            let (_, peer) = everywhere.accept().unwrap();
            assert!(!peer.ip().is_loopback(), "{peer}");
            client.wait().succeeds();
        }
        None => drop(client.wait().fails_with(1).stderr_has("unreachable")),
    }
}

#[test]
fn what_is_published_on_loopback_is_for_the_host_alone() {
    let env = ready!(busybox);
    let (local, everywhere) = (free_port(), free_port());
    for network in ["a", "b"] {
        env.coracle(&format!("network create {network}")).succeeds();
    }
    // Whoever was there first: it makes no difference.
    env.run_detached("--name before --network a:host-loopback IMAGE sleep 1000");
    let published = format!("--name web --network b -p 127.0.0.1:{local}:80 -p {everywhere}:80");
    web(&env, &published);
    env.run_detached("--name after --network a:host-loopback IMAGE sleep 1000");
    env.run_detached("--name neighbour --network b:host-loopback IMAGE sleep 1000");
    assert!(get("127.0.0.1", local).unwrap().ends_with("it works\n"));
    let read = |container: &str, port: u16| {
        env.coracle(&format!("exec {container} wget -qO- http://host.docker.internal:{port}/"))
    };
    for _round in ["at first", "with another netd"] {
        for port in [local, everywhere] {
            for stranger in ["before", "after"] {
                read(stranger, port).fails_with(1).stdout_is("").stderr_has("no route to host");
            }
            read("neighbour", port).succeeds().stdout_is("it works\n");
        }
        let first = netd(&env);
        first.iter().for_each(|pid| kill(*pid, Signal::SIGKILL).unwrap());
        eventually("the ports are back", || get("127.0.0.1", local).is_ok_and(|answer| answer.ends_with("it works\n")));
        eventually("a way out", || {
            ["before", "after", "neighbour"]
                .iter()
                .all(|name| env.coracle(&format!("exec {name} nslookup {name}.")).code() == 0)
        });
    }
}

#[test]
fn udp_goes_out_and_comes_back() {
    let env = ready!(debian);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let script = format!("exec 3<>/dev/udp/host.docker.internal/{port}; echo hello >&3; head -n 1 <&3");
    let run = ["run", "-d", "--network", "bridge:host-loopback", &env.debian(), "bash", "-c", &script];
    let id = env.argv(&run).succeeds().line().to_owned();
    let mut buffer = [0; 64];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"hello\n");
    socket.send_to(b"and back\n", from).unwrap();
    env.logged(&id, "and back");
}

#[test]
fn a_published_port_serves_before_run_returns() {
    let env = ready!(busybox);
    let port = free_port();
    let id = env.run_detached(&format!("-p {port}:80 --name web IMAGE {WEB}"));
    // The port is open at once, whatever the container does.
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    env.logged(&id, "ready");
    assert!(get("127.0.0.1", port).unwrap().ends_with("it works\n"));
    assert!(get("::1", port).unwrap().ends_with("it works\n"));
    env.coracle("port web").succeeds().stdout_is(&format!("80/tcp -> 0.0.0.0:{port}\n80/tcp -> [::]:{port}\n"));
    env.coracle("port web 80").succeeds().stdout_is(&format!("0.0.0.0:{port}\n[::]:{port}\n"));
    env.coracle("port web 81").fails_with(1).stderr_has("no public port `81` published for `web`");
    let column = env.argv(&["ps", "--format", "{{.Ports}}"]).succeeds();
    assert_eq!(column.line(), format!("0.0.0.0:{port}->80/tcp, [::]:{port}->80/tcp"));
    assert_eq!(
        env.inspect("web", "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}"),
        port.to_string()
    );
    // Gone with the container, at once.
    env.coracle("rm -f web").succeeds();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    env.run_detached(&format!("-p {port}:80 IMAGE sleep 1000"));
}

/// What `compose down` and `compose up` do, with a netd that lives on and with one that is killed in between.
#[test]
fn a_network_that_is_made_again_serves_at_once() {
    let env = ready!(busybox);
    env.run_detached("--name keeper IMAGE sleep 1000");
    let port = free_port();
    for round in 0..4 {
        env.coracle("network create --subnet 10.231.77.0/24 again").succeeds();
        web(&env, &format!("--name web --network again -p {port}:80"));
        let begin = Instant::now();
        assert!(get("127.0.0.1", port).unwrap().ends_with("it works\n"), "{round}");
        env.coracle("exec web nslookup web.").succeeds().stdout_has("10.231.77.2");
        // The kernel gives a neighbour up that does not answer after three seconds.
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?} in round {round}", begin.elapsed());
        env.coracle("rm -f web").succeeds();
        env.coracle("network rm again").succeeds();
        if round == 1 {
            let [before] = netd(&env)[..] else { panic!("one netd") };
            kill(before, Signal::SIGKILL).unwrap();
            eventually("another netd is there", || !alive(before) && netd(&env).len() == 1);
        }
    }
}

#[test]
fn a_published_port_is_closed_when_rm_returns() {
    let env = ready!(busybox);
    let port = free_port();
    web(&env, &format!("--name web -p {port}:80"));
    let pid = env.pid("web");
    let [netd] = netd(&env)[..] else { panic!("one netd") };
    // However late netd hears of it.
    kill(netd, Signal::SIGSTOP).unwrap();
    let removing = env.command("rm -f web").spawn();
    eventually("the container has ended", || !alive(pid));
    kill(netd, Signal::SIGCONT).unwrap();
    removing.wait().succeeds();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
fn ports_of_a_container_without_networks_are_not_listed() {
    let env = ready!(busybox);
    let port = free_port();
    web(&env, &format!("--name web -p {port}:80"));
    let listed = || {
        let column = env.argv(&["ps", "--format", "{{.Ports}}"]).succeeds();
        (
            env.coracle("port web").succeeds().stdout,
            column.stdout.clone(),
            env.inspect("web", "{{.NetworkSettings.Ports}}"),
        )
    };
    let before = listed();
    assert!([&before.0, &before.1, &before.2].iter().all(|list| list.contains(&port.to_string())), "{before:?}");
    env.coracle("network disconnect bridge web").succeeds();
    let without = listed();
    assert!(![&without.0, &without.1, &without.2].iter().any(|list| list.contains(&port.to_string())), "{without:?}");
    env.coracle("port web 80").fails_with(1).stderr_has("no public port");
    assert_eq!(env.argv(&["ps", "-q", "--filter", &format!("publish={port}")]).succeeds().stdout, "");
    env.coracle("network connect bridge web").succeeds();
    assert_eq!(listed(), before);
    assert!(get("127.0.0.1", port).unwrap().ends_with("it works\n"));
}

#[test]
fn sockets_of_dead_netds_are_removed() {
    let env = ready!(busybox);
    env.run_detached("--name web IMAGE sleep 1000");
    let [first] = netd(&env)[..] else { panic!("one netd") };
    let sockets = env.runtime().join("netd");
    // As a netd of another user namespace leaves it.
    drop(UnixListener::bind(sockets.join("1")).unwrap());
    let living = UnixListener::bind(sockets.join("2")).unwrap();
    kill(first, Signal::SIGKILL).unwrap();
    eventually("another netd is there", || !alive(first) && netd(&env).len() == 1);
    eventually("the socket is gone", || !sockets.join("1").exists());
    assert!(sockets.join("2").exists());
    drop(living);
}

#[test]
fn a_stopped_netd_hangs_no_command() {
    let env = ready!(busybox);
    let port = free_port();
    env.coracle("network create other").succeeds();
    web(&env, &format!("--name web -p {port}:80"));
    env.run_detached("--name side IMAGE sleep 1000");
    let [netd] = netd(&env)[..] else { panic!("one netd") };
    kill(netd, Signal::SIGSTOP).unwrap();
    let refused = env.coracle("network connect other web").fails_with(1);
    refused.stderr_has("netd, coracle's network process, does not answer");
    // Meanwhile its supervisor asks for another netd, and serves all the same.
    env.coracle("exec web true").succeeds();
    env.coracle("stop -t 0 web").succeeds();
    env.coracle("stop -t 0 side").succeeds();
    env.coracle("logs side").succeeds().stderr_has("netd, coracle's network process, does not answer");
    env.coracle("rm -f web side").succeeds();
    kill(netd, Signal::SIGCONT).unwrap();
    eventually("the port is free again", || {
        match env.coracle(&format!("run -d --name web -p {port}:80 IMAGE {WEB}")).code() {
            0 => true,
            _ => env.coracle("rm -f web").code() != 0,
        }
    });
    eventually("the port serves", || get("127.0.0.1", port).is_ok_and(|answer| answer.ends_with("it works\n")));
}

#[test]
fn ports_clash_before_the_container_starts() {
    let env = ready!(busybox);
    let port = free_port();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let line = format!("run --name web -p 127.0.0.1:{port}:80 IMAGE echo ran");
    let clash = env.coracle(&line).fails_with(125);
    clash.stderr_has(&port.to_string()).stdout_is("");
    assert_eq!(env.status("web"), "created");
    drop(taken);
    // What another test starts just now has a copy of the socket for a moment.
    eventually("the port is free again", || env.coracle("start -a web").stdout == "ran\n");
}

/// Pings by a ping socket (icmp(7)), as iputils does.
const PING: &str = "socket(S, 2, 2, 1) or die $!; connect(S, sockaddr_in(0, inet_aton($ARGV[0]))) or die $!; \
     send(S, pack(q(C8 a4), 8, 0, 0, 0, 0, 0, 0, 7, q(ping)), 0) or die $!; alarm 20; recv(S, $b, 99, 0); print substr($b, 8)";

#[test]
fn ping_needs_no_capability() {
    let env = ready!(debian);
    env.run_detached("--name web DEBIAN sleep 1000");
    for options in ["", "--cap-drop NET_RAW", "--cap-drop ALL", "-u 1000", "-u 1000 --cap-drop ALL"] {
        let image = env.debian();
        let mut run = vec!["run", "--rm"];
        run.extend(options.split_whitespace());
        run.extend([image.as_str(), "perl", "-MSocket", "-e", PING, "web"]);
        env.argv(&run).succeeds().stdout_is("ping");
    }
}

#[test]
fn neighbours_are_not_told_the_way() {
    let env = ready!(busybox);
    env.coracle("network create other").succeeds();
    env.run_detached("--name web IMAGE sleep 1000");
    env.coracle("network connect other web").succeeds();
    for interface in ["eth0", "eth1", "default"] {
        let settings = format!(
            "exec web sh -c 'cd /proc/sys/net; cat ipv4/conf/{interface}/accept_redirects \
             ipv6/conf/{interface}/accept_ra ipv6/conf/{interface}/accept_redirects'"
        );
        env.coracle(&settings).succeeds().stdout_is("0\n0\n0\n");
    }
}

/// A socket of the host that would share its port with others who want to.
fn sharing(kind: SocketType, port: u16) -> rustix::io::Result<(OwnedFd, u16)> {
    let socket = rustix::net::socket(AddressFamily::INET, kind, None)?;
    set_socket_reuseport(&socket, true)?;
    set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    if kind == SocketType::STREAM {
        rustix::net::listen(&socket, 1)?;
    }
    let address = SocketAddr::try_from(rustix::net::getsockname(&socket)?).unwrap();
    Ok((socket, address.port()))
}

#[test]
fn a_port_is_shared_with_nobody() {
    let env = ready!(busybox);
    for (kind, protocol) in [(SocketType::STREAM, "tcp"), (SocketType::DGRAM, "udp")] {
        let (socket, port) = sharing(kind, free_port()).unwrap();
        for ip in ["", "127.0.0.1:"] {
            let clash = env.coracle(&format!("run --rm -p {ip}{port}:80/{protocol} IMAGE echo ran")).fails_with(125);
            clash.stdout_is("").stderr_has(&port.to_string()).stderr_has("already in use");
        }
        drop(socket);
        // What another test starts just now has a copy of the socket for a moment.
        let start = format!("run -d --name web -p {port}:80/{protocol} IMAGE sleep 1000");
        eventually("the port is free again", || match env.coracle(&start).code() {
            0 => true,
            _ => env.coracle("rm -f web").code() != 0,
        });
        assert_eq!(sharing(kind, port).err(), Some(rustix::io::Errno::ADDRINUSE), "{protocol}");
        for other in ["81", "80"] {
            let clash = env.coracle(&format!("run --rm -p {port}:{other}/{protocol} IMAGE echo ran")).fails_with(125);
            clash.stdout_is("").stderr_has("already in use");
        }
        env.coracle("rm -f web").succeeds();
    }
}

#[test]
fn the_first_free_port_of_a_range() {
    let env = ready!(busybox);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    if port > 65000 {
        return;
    }
    env.run_detached(&format!("--name web -p 127.0.0.1:{port}-{}:80 IMAGE sleep 1000", port + 200));
    let shown = env.coracle("port web 80").succeeds();
    let got: u16 = shown.line().rsplit(':').next().unwrap().parse().unwrap();
    assert!(got > port && got <= port + 200, "{got}");
}

#[test]
fn random_ports_and_exposed_ones() {
    let env = ready!(busybox);
    web(&env, "--name web -p 80 --expose 81 -P");
    let line = env.coracle("port web 80").succeeds();
    let port: u16 = line.lines()[0].rsplit(':').next().unwrap().parse().unwrap();
    assert!(get("127.0.0.1", port).unwrap().ends_with("it works\n"));
    env.coracle("port web 81").succeeds();
}

#[test]
fn a_udp_port_is_published() {
    let env = ready!(debian);
    let port = free_port();
    let publish = format!("127.0.0.1:{port}:9/udp");
    let run = ["run", "-d", "-p", &publish, &env.debian(), "perl", "-MSocket", "-e", UDP_ECHO];
    let id = env.argv(&run).succeeds().line().to_owned();
    env.logged(&id, "ready");
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut buffer = [0; 16];
    eventually("the datagram comes back", || {
        socket.send(b"hello").is_ok() && socket.recv(&mut buffer).is_ok_and(|length| &buffer[..length] == b"hello")
    });
}

#[test]
fn a_low_port_is_explained_or_moved() {
    let env = ready!(busybox);
    if crate::support::is_root() {
        return;
    }
    let limit: u16 =
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap().trim().parse().unwrap();
    if limit <= 81 {
        return;
    }
    let refused = env.coracle("run --rm -p 81:80 IMAGE true").fails_with(125);
    refused.stderr_has("81").stderr_has("net.ipv4.ip_unprivileged_port_start");
    let moved = env.coracle("run -d --name web --low-ports=remap -p 81:80 IMAGE sleep 1000").succeeds();
    assert!(moved.stderr.contains("8081"), "{}", moved.stderr);
    env.coracle("port web 80").succeeds().stdout_has(":8081");
    env.coracle("rm -f web").succeeds();
    // What is configured holds where nothing else is said.
    let file = env.config().join("coracle/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "# mine\n[network]\nlow_ports = \"remap\"\n").unwrap();
    env.coracle("run --rm -p 81:80 IMAGE true").succeeds().stderr_has("published on 8081");
    env.coracle("run --rm --low-ports=refuse -p 81:80 IMAGE true").fails_with(125);
    std::fs::write(&file, "[network]\nlow_port = \"remap\"\n").unwrap();
    env.coracle("run --rm -p 80 IMAGE true").fails_with(125).explains().stderr_has("line 2").stderr_has("`low_port`");
}

#[test]
fn congestion_control_is_for_networks() {
    const SETTING: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
    let env = ready!(busybox);
    env.coracle(&format!("run --rm IMAGE cat {SETTING}")).succeeds().stdout_is("reno\n");
    let host = std::fs::read_to_string(SETTING).unwrap();
    env.coracle(&format!("run --rm --network host IMAGE cat {SETTING}")).succeeds().stdout_is(&host);
}

#[test]
fn networks_that_are_not_ones() {
    let env = ready!(busybox);
    env.coracle("run --rm --network none IMAGE ip link").succeeds().stdout_lacks("eth0");
    env.coracle("run --rm --network nowhere IMAGE true").fails_with(125).stderr_has("network `nowhere` not found");
    let host = env.coracle("run --rm --network host IMAGE cat /proc/net/dev").succeeds();
    assert_eq!(host.lines().len(), std::fs::read_to_string("/proc/net/dev").unwrap().lines().count());
    env.coracle("run --rm --network none --network host IMAGE true").fails_with(125).stderr_has("conflicting options");
    env.coracle("run --rm --network container:nobody IMAGE true").fails_with(125).stderr_has("no such container");
}

#[test]
fn a_rate_holds() {
    const SIZE: u32 = 300_000;
    let env = ready!(busybox);
    for network in ["none", "host"] {
        let refused = env.coracle(&format!("run --rm --net-rate 1mbit --network {network} IMAGE true")).fails_with(125);
        refused.stderr_has("--net-rate").stderr_has(network);
    }
    env.coracle("run --rm --net-rate 5lightyears IMAGE true").fails_with(125).stderr_has("--net-rate");
    web(&env, "--name web --net-rate 8mbit");
    env.coracle(&format!("exec web dd if=/dev/zero of=/www/big bs=1000 count={}", SIZE / 1000)).succeeds();
    env.coracle("run --rm --network container:web --net-rate 1mbit IMAGE true")
        .fails_with(125)
        .stderr_has("--net-rate");
    // How long it takes is told by the container itself: /proc/uptime has hundredths of a second.
    let script = "cat /proc/uptime; wget -qO /dev/null http://web/big; cat /proc/uptime";
    let took = |options: &str| {
        let run = env.coracle(&format!("run --rm {options} IMAGE sh -c '{script}'")).succeeds();
        let time = |line: &str| line.split(' ').next().unwrap().parse::<f64>().unwrap();
        let lines = run.lines();
        time(lines[1]) - time(lines[0])
    };
    let least = f64::from(SIZE) / 1e6 * 0.9;
    assert!(took("") >= least);
    env.coracle("rm -f web").succeeds();
    web(&env, "--name web");
    env.coracle(&format!("exec web dd if=/dev/zero of=/www/big bs=1000 count={}", SIZE / 1000)).succeeds();
    assert!(took("--net-rate 8mbit") >= least);
}

#[test]
fn a_container_shares_anothers_network() {
    let env = ready!(busybox);
    let id = web(&env, "--name web -h box");
    env.coracle("run --rm --network container:web IMAGE wget -qO- http://127.0.0.1/")
        .succeeds()
        .stdout_is("it works\n");
    env.coracle("run --rm --network container:web IMAGE hostname").succeeds().stdout_is("box\n");
    env.coracle("run --rm --network container:web IMAGE sh -c 'grep box /etc/hosts'").succeeds();
    env.coracle("run --rm --network container:web -p 1:1 IMAGE true").fails_with(125).stderr_has("published ports");
    env.coracle("run --rm --network container:web -h other IMAGE true").fails_with(125).stderr_has("hostname");
    // It sees the interfaces of that network, and no others, by whatever way.
    let interfaces = env.coracle("exec web ls /sys/class/net").succeeds().stdout;
    assert!(interfaces.contains("eth0"), "{interfaces}");
    env.coracle("run --rm --network container:web IMAGE sh -c 'ls /sys/class/net; touch /sys/x'")
        .fails()
        .stdout_is(&interfaces)
        .stderr_has("read-only");
    let pid = env.pid("web");
    if crate::support::is_root() {
        env.coracle(&format!("run --rm --network ns:/proc/{pid}/ns/net IMAGE wget -qO- http://127.0.0.1/")).succeeds();
    }
    assert_eq!(env.inspect("web", "{{.Id}}"), id);
    env.coracle("run -d --name side --network container:web IMAGE sleep 1000").succeeds();
    env.coracle("exec side wget -qO- http://127.0.0.1/").succeeds().stdout_is("it works\n");
    env.coracle("stop -t 0 web side").succeeds();
    env.coracle("start side").fails_with(1).stderr_has("not running");
}

#[test]
fn names_that_were_added() {
    let env = ready!(busybox);
    let run =
        env.coracle("run --rm --add-host db:192.0.2.7 --add-host me:host-gateway IMAGE cat /etc/hosts").succeeds();
    run.stdout_has("192.0.2.7\tdb\n").stdout_has("\tme\n");
    env.coracle("run --rm --dns-search corp.example --dns-option ndots:3 IMAGE cat /etc/resolv.conf")
        .succeeds()
        .stdout_has("search corp.example\n")
        .stdout_has("options ndots:3\n")
        .stdout_has("nameserver 172.");
    // The image's own is empty.
    env.coracle("run --rm --no-hosts IMAGE cat /etc/hosts").succeeds().stdout_is("");
}

#[test]
fn an_address_of_ones_own() {
    let env = ready!(busybox);
    web(&env, "--name first");
    let taken = address(&env, "first");
    env.coracle(&format!("run --rm --ip {taken} IMAGE true")).fails_with(125).stderr_has(&taken);
    let free: Ipv4Addr = taken.parse().unwrap();
    let [a, b, c, _] = free.octets();
    let asked = format!("{a}.{b}.{c}.77");
    let run = format!("run --rm --ip {asked} --mac-address 02:42:ac:11:00:77 IMAGE ip addr show eth0");
    env.coracle(&run).succeeds().stdout_has(&asked).stdout_has("02:42:ac:11:00:77");
}

#[test]
fn inspect_knows_the_network() {
    let env = ready!(busybox);
    env.run_detached("--name web IMAGE sleep 1000");
    let value: Value = serde_json::from_str(&env.coracle("inspect web").succeeds().stdout).unwrap();
    let settings = &value[0]["NetworkSettings"];
    let bridge = &settings["Networks"]["bridge"];
    assert_eq!(settings["IPAddress"], bridge["IPAddress"]);
    assert!(bridge["Gateway"].as_str().unwrap().parse::<IpAddr>().is_ok());
    assert_eq!(bridge["NetworkID"].as_str().unwrap().len(), 64);
    assert_eq!(value[0]["HostConfig"]["NetworkMode"], "bridge");
    env.coracle("stop -t 0 web").succeeds();
    env.argv(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web"]).succeeds().stdout_is("\n");
}

#[test]
fn a_killed_netd_comes_back_and_takes_nothing_along() {
    let env = ready!(busybox);
    let port = free_port();
    web(&env, &format!("--name web -p {port}:80"));
    env.run_detached("--name other IMAGE sleep 1000");
    let ip = address(&env, "web");
    for _ in 0..3 {
        let [before] = netd(&env)[..] else { panic!("one netd") };
        kill(before, Signal::SIGKILL).unwrap();
        // Neighbours do not notice.
        env.coracle(&format!("exec other wget -qO- http://{ip}/")).succeeds().stdout_is("it works\n");
        eventually("another netd serves the port", || {
            !alive(before) && get("127.0.0.1", port).is_ok_and(|answer| answer.ends_with("it works\n"))
        });
        env.coracle("exec other wget -qO- http://web/").succeeds().stdout_is("it works\n");
        assert_eq!(address(&env, "web"), ip);
    }
    // A new container is on the same network.
    env.coracle("run --rm IMAGE wget -qO- http://web/").succeeds().stdout_is("it works\n");
}

#[test]
fn nothing_runs_when_nothing_runs() {
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE true").succeeds();
    eventually("netd has ended by itself", || env.processes().is_empty());
}

#[test]
fn many_start_at_once_and_find_each_other() {
    let env = ready!(busybox);
    web(&env, "--name web");
    let serving = netd(&env);
    let starting: Vec<_> = (0..150)
        .map(|_| env.command("run --rm IMAGE sh -c 'nslookup web. && wget -qO- http://web/'").spawn())
        .collect();
    for starting in starting {
        let output = starting.wait().succeeds();
        let fine = output.stdout.ends_with("it works\n") && output.stderr.is_empty();
        assert!(fine, "{output:?}; netd was {serving:?} and is {:?}", netd(&env));
    }
}

#[test]
fn a_published_port_shows_who_asks() {
    let env = ready!(busybox);
    let port = free_port();
    let id = env.run_detached(&format!("-p 127.0.0.1:{port}:7 IMAGE {WHO}"));
    env.logged(&id, "ready");
    eventually("the server answers", || {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        // Loopback is nobody's address in there: the gateway stands for it.
        answer.contains("172.") && answer.contains(".0.1:")
    });
}
