//! Real programs through a container's network: servers as Debian's packages have them behind published ports, and
//! package managers that fetch from a server of this machine. With one storage driver alone: what matters here is above it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

use crate::network::{free_port, get};
use crate::support::images::digest;
use crate::support::{PATIENCE, eventually};

/// Whether this is the run for the other storage driver.
fn is_second_run() -> bool {
    std::env::var("CORACLE_TEST_DRIVER").is_ok_and(|driver| driver != "overlay")
}

/// Serves files by HTTP on the host's loopback for as long as the tests run; the port.
fn serve(files: BTreeMap<String, Vec<u8>>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, files) = (listener.local_addr().unwrap().port(), Arc::new(files));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let files = Arc::clone(&files);
            // Who asks and goes away is not interesting.
            std::thread::spawn(move || drop(answer(stream, &files)));
        }
    });
    port
}

fn answer(stream: TcpStream, files: &BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let file = request.split(' ').nth(1).and_then(|path| files.get(path));
    let (status, body) = file.map_or(("404 Not Found", &[][..]), |body| ("200 OK", &body[..]));
    let kind = if body.starts_with(b"<") { "text/html" } else { "application/octet-stream" };
    let head = format!("Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    (&stream).write_all(format!("HTTP/1.1 {status}\r\n{head}").as_bytes())?;
    (&stream).write_all(body)
}

#[test]
fn servers_are_behind_their_ports_and_names() {
    if is_second_run() {
        return;
    }
    let env = ready!(services);
    let (web, cache, python) = (free_port(), free_port(), free_port());
    let page = "echo it works >/var/www/html/index.html; exec nginx -g 'daemon off;'";
    env.argv(&["run", "-d", "--name", "web", "-p", &format!("{web}:80"), &env.services(), "sh", "-c", page]).succeeds();
    env.run_detached(&format!("--name cache -p {cache}:6379 SERVICES redis-server --protected-mode no"));
    env.run_detached(&format!("--name python -p {python}:80 SERVICES python3 -m http.server 80 --directory /etc"));
    for address in ["127.0.0.1", "::1"] {
        eventually("nginx answers", || get(address, web).is_ok_and(|answer| answer.ends_with("it works\n")));
        eventually("python answers", || get(address, python).is_ok_and(|answer| answer.contains("passwd")));
        eventually("redis answers", || redis(address, cache, "PING").is_ok_and(|answer| answer == "+PONG"));
    }
    let value = "v".repeat(200_000);
    assert_eq!(redis("::1", cache, &format!("SET key {value}")).unwrap(), "+OK");
    env.coracle("run --rm SERVICES redis-cli -h cache strlen key").succeeds().stdout_is("200000\n");
    env.coracle("exec web redis-cli -h cache get key").succeeds().stdout_is(&format!("{value}\n"));
    let client = "import urllib.request; print(urllib.request.urlopen('http://web/').read().decode(), end='')";
    env.argv(&["exec", "python", "python3", "-c", client]).succeeds().stdout_is("it works\n");
    // A benchmark of redis' own: many connections at once, by name.
    let many = env.coracle("exec web redis-benchmark -q -h cache -c 50 -n 5000 -t set,get").succeeds();
    many.stdout_has("SET: ").stdout_has("GET: ");
    env.coracle("restart -t 5 web").succeeds();
    eventually("nginx is back", || get("::1", web).is_ok_and(|answer| answer.ends_with("it works\n")));
}

/// A command on one line, and the first line of the answer.
fn redis(address: &str, port: u16, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((address, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // As a list of strings of known lengths: a line of its own has at most 64 KiB.
    let words: Vec<&str> = command.split(' ').collect();
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

/// Makes a package of Debian and one of Python in the directory `/made`.
const MAKE_PACKAGES: &str = r"
    set -e; cd /made
    mkdir -p deb/DEBIAN deb/srv tiny tiny-1.0.dist-info
    head -c 8388608 /dev/urandom >deb/srv/payload
    printf 'Package: tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: tiny\n' >deb/DEBIAN/control
    dpkg-deb --root-owner-group -Znone --build deb tiny.deb
    echo 'def told(): return 7 * 6' >tiny/__init__.py
    printf 'Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n' >tiny-1.0.dist-info/METADATA
    printf 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n' >tiny-1.0.dist-info/WHEEL
    printf 'tiny/__init__.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\ntiny-1.0.dist-info/RECORD,,\n' >tiny-1.0.dist-info/RECORD
    python3 -m zipfile -c tiny-1.0-py3-none-any.whl tiny tiny-1.0.dist-info
    chmod -R a+rX .";

#[test]
fn package_managers_fetch_from_this_machine() {
    if is_second_run() {
        return;
    }
    let env = ready!(services);
    let made = env.mkdir("made");
    let mount = format!("{}:/made", made.display());
    env.argv(&["run", "--rm", "-v", &mount, &env.services(), "sh", "-c", MAKE_PACKAGES]).succeeds();
    let read = |name: &str| std::fs::read(made.join(name)).unwrap();
    let (deb, wheel, payload) = (read("tiny.deb"), read("tiny-1.0-py3-none-any.whl"), read("deb/srv/payload"));
    let hex = |bytes: &[u8]| digest(bytes).trim_start_matches("sha256:").to_owned();
    let packages = format!(
        "Package: tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: tiny\n\
         Filename: ./tiny.deb\nSize: {}\nSHA256: {}\n",
        deb.len(),
        hex(&deb)
    );
    let name = "tiny-1.0-py3-none-any.whl";
    let index =
        format!("<!DOCTYPE html><html><body><a href=\"/{name}#sha256={}\">{name}</a></body></html>", hex(&wheel));
    let port = serve(BTreeMap::from([
        ("/./Packages".to_owned(), packages.into_bytes()),
        ("/./tiny.deb".to_owned(), deb),
        ("/simple/tiny/".to_owned(), index.into_bytes()),
        (format!("/{name}"), wheel),
    ]));
    let source = format!("http://host.containers.internal:{port}");
    let apt = format!(
        "echo 'deb [trusted=yes] {source} ./' >/etc/apt/sources.list && apt-get update && apt-get install -y tiny && \
         sha256sum /srv/payload"
    );
    let fetched =
        env.argv(&["run", "--rm", "--network", "bridge:host-loopback", &env.services(), "sh", "-c", &apt]).succeeds();
    fetched.stdout_has(&format!("{}  /srv/payload", hex(&payload)));
    let pip = format!(
        "pip install --break-system-packages --no-cache-dir --index-url {source}/simple \
         --trusted-host host.containers.internal tiny && python3 -c 'import tiny; print(tiny.told())'"
    );
    let installed =
        env.argv(&["run", "--rm", "--network", "bridge:host-loopback", &env.services(), "sh", "-c", &pip]).succeeds();
    assert!(installed.stdout.ends_with("42\n"), "{installed:?}");
}
