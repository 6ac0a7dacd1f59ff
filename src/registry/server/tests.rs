//! The server on a loopback port with a content in memory, asked by clients that follow the protocol and by others.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::base::Error;
use crate::oci::media;

/// What is there, by repository.
#[derive(Default)]
struct Memory {
    manifests: Mutex<BTreeMap<(String, String), Document>>,
    blobs: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Content for Memory {
    fn repositories(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.manifests.lock().unwrap().keys().map(|(name, _)| name.clone()).collect();
        names.dedup();
        Ok(names)
    }

    fn tags(&self, repository: &Repository) -> Result<Option<Vec<String>>> {
        let manifests = self.manifests.lock().unwrap();
        let tags = manifests.keys().filter(|(name, tag)| name == repository.as_str() && !tag.contains(':'));
        let tags: Vec<String> = tags.map(|(_, tag)| tag.clone()).collect();
        Ok(Some(tags).filter(|tags| !tags.is_empty()))
    }

    fn manifest(&self, repository: &Repository, target: &Target) -> Result<Option<Document>> {
        let key = match target {
            Target::Tag(tag) => tag.clone(),
            Target::Digest(digest) => digest.to_string(),
        };
        Ok(self.manifests.lock().unwrap().get(&(repository.to_string(), key)).cloned())
    }

    fn blob(&self, _: &Repository, digest: &Digest) -> Result<Option<Blob>> {
        let Some(bytes) = self.blobs.lock().unwrap().get(digest.as_str()).cloned() else { return Ok(None) };
        let size = bytes.len() as u64;
        let write = move |offset: u64, length: u64, out: &mut dyn Write| {
            let (offset, length) = (usize::try_from(offset).unwrap(), usize::try_from(length).unwrap());
            out.write_all(&bytes[offset..offset + length]).map_err(|error| Error::system("gone").caused_by(error))
        };
        Ok(Some(Blob { size, write: Box::new(write) }))
    }

    fn referrers(&self, _: &Repository, digest: &Digest) -> Result<Vec<Value>> {
        Ok(vec![json!({ "artifactType": "a", "digest": digest }), json!({ "artifactType": "b", "digest": digest })])
    }

    fn put_manifest(&self, sent: &Sent<'_>, uploaded: &dyn Uploaded) -> Result<Digest> {
        let digest = Digest::sha256(sent.bytes);
        let blob: Value = serde_json::from_slice(sent.bytes).map_err(|_| Error::invalid("no JSON"))?;
        let blob: Digest = blob["blob"].as_str().unwrap_or_default().parse()?;
        let (file, size) = uploaded.file(&blob).ok_or_else(|| Error::not_found("the blob is not here"))?;
        let mut bytes = Vec::new();
        (Blob::of_file(file.try_clone().unwrap(), size).write)(0, size, &mut bytes)?;
        self.blobs.lock().unwrap().insert(blob.to_string(), bytes);
        let document =
            Document { media_type: media::OCI_MANIFEST.into(), digest: digest.clone(), bytes: sent.bytes.to_vec() };
        let mut manifests = self.manifests.lock().unwrap();
        if let Target::Tag(tag) = sent.target {
            manifests.insert((sent.repository.to_string(), tag.clone()), document.clone());
        }
        manifests.insert((sent.repository.to_string(), digest.to_string()), document);
        Ok(digest)
    }

    fn remove_manifest(&self, repository: &Repository, target: &Target) -> Result<bool> {
        let Target::Tag(tag) = target else { return Err(Error::unsupported("only tags")) };
        Ok(self.manifests.lock().unwrap().remove(&(repository.to_string(), tag.clone())).is_some())
    }
}

/// The kernel's tables, for a user.
fn tables(user: u32) -> PeerTables {
    PeerTables::new(PeerTables::open().unwrap(), user)
}

/// A server in a thread of its own, which ends with the test's process.
fn start(change: impl FnOnce(&mut Rules)) -> (SocketAddr, Arc<Memory>) {
    start_for(false, change)
}

/// `stranger`: its user is not the one who runs this test.
fn start_for(stranger: bool, change: impl FnOnce(&mut Rules)) -> (SocketAddr, Arc<Memory>) {
    let mut rules = Rules {
        login: None,
        writable: true,
        own_programs_only: false,
        spool: std::env::temp_dir(),
        limits: Limits::default(),
    };
    change(&mut rules);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let memory = Arc::new(Memory::default());
    let content = memory.clone();
    std::thread::spawn(move || {
        // Nobody has this id.
        let user = if stranger { u32::MAX } else { rustix::process::geteuid().as_raw() };
        let peers = Some(tables(user));
        serve(Listening { listener, identity: None, peers }, content, rules)
    });
    (address, memory)
}

/// Status, header and body of one answer.
struct Reply {
    status: u16,
    header: String,
    body: Vec<u8>,
}

impl Reply {
    fn field(&self, name: &str) -> Option<&str> {
        let field = self.header.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")))?;
        field.split_once(": ").map(|(_, value)| value.trim())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }
}

fn ask(to: SocketAddr, method: &str, path: &str, fields: &str, body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(to).unwrap();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}{fields}\r\n");
    // A server that has refused may hang up before it has all.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    reply(stream)
}

fn reply(mut stream: TcpStream) -> Reply {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").map_or(all.len(), |at| at + 4);
    let header = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = header.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Reply { status, header, body: all[end..].to_vec() }
}

/// Uploads a blob in chunks and puts a manifest that names it.
fn push(to: SocketAddr, repository: &str, tag: &str, blob: &[u8]) -> Digest {
    let begun = ask(to, "POST", &format!("/v2/{repository}/blobs/uploads/"), "", b"");
    assert_eq!(begun.status, 202, "{}", begun.header);
    let place = begun.field("location").unwrap().to_owned();
    let (first, second) = blob.split_at(blob.len() / 2);
    let patched = ask(to, "PATCH", &place, &format!("Content-Range: 0-{}\r\n", first.len() - 1), first);
    assert_eq!(patched.status, 202, "{}", patched.header);
    // A chunk that does not follow.
    let wrong = ask(to, "PATCH", &place, "Content-Range: 100000-100001\r\n", b"xx");
    assert_eq!(wrong.status, 416);
    let state = ask(to, "GET", &place, "", b"");
    assert_eq!((state.status, state.field("range")), (204, Some(&*format!("0-{}", first.len() - 1))));
    let digest = Digest::sha256(blob);
    let done = ask(to, "PUT", &format!("{place}?digest={digest}"), "", second);
    assert_eq!(done.status, 201, "{} {}", done.header, String::from_utf8_lossy(&done.body));
    let head = ask(to, "HEAD", &format!("/v2/{repository}/blobs/{digest}"), "", b"");
    assert_eq!((head.status, head.field("content-length")), (200, Some(&*blob.len().to_string())));
    let manifest = format!("{{\"blob\":\"{digest}\"}}");
    let put = ask(to, "PUT", &format!("/v2/{repository}/manifests/{tag}"), "", manifest.as_bytes());
    assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
    assert_eq!(put.field("docker-content-digest"), Some(Digest::sha256(manifest.as_bytes()).as_str()));
    digest
}

#[test]
fn a_blob_and_its_manifest_go_there_and_back() {
    let (to, _) = start(|_| ());
    assert_eq!(ask(to, "GET", "/v2/", "", b"").json(), json!({}));
    let digest = push(to, "team/app", "v1", b"0123456789");
    let path = format!("/v2/team/app/blobs/{digest}");
    assert_eq!(ask(to, "GET", &path, "", b"").body, b"0123456789");
    let part = ask(to, "GET", &path, "Range: bytes=2-4\r\n", b"");
    assert_eq!((part.status, part.body.as_slice()), (206, &b"234"[..]));
    assert_eq!(part.field("content-range"), Some("bytes 2-4/10"));
    assert_eq!(ask(to, "GET", &path, "Range: bytes=10-\r\n", b"").status, 416);
    let manifest = ask(to, "GET", "/v2/team/app/manifests/v1", "", b"");
    assert_eq!(manifest.field("content-type"), Some(media::OCI_MANIFEST));
    let head = ask(to, "HEAD", "/v2/team/app/manifests/v1", "", b"");
    assert_eq!(head.field("content-length"), Some(&*manifest.body.len().to_string()));
    assert!(head.body.is_empty());
    // A blob is mounted where it exists, else an upload begins.
    let mount = |from: &str, digest: &Digest| {
        ask(to, "POST", &format!("/v2/other/blobs/uploads/?mount={digest}&from={from}"), "", b"").status
    };
    assert_eq!(mount("team/app", &digest), 201);
    assert_eq!(mount("team/app", &Digest::sha256(b"absent")), 202);
    assert_eq!(ask(to, "HEAD", &format!("/v2/other/blobs/{digest}"), "", b"").status, 200);
    // In one request.
    let single = Digest::sha256(b"single");
    let path = format!("/v2/app/blobs/uploads/?digest={single}");
    assert_eq!(ask(to, "POST", &path, "", b"single").status, 201);
    let wrong = ask(to, "POST", &path, "", b"double");
    assert_eq!((wrong.status, wrong.json()["errors"][0]["code"].clone()), (400, json!("DIGEST_INVALID")));
    assert_eq!(ask(to, "DELETE", "/v2/team/app/manifests/v1", "", b"").status, 202);
    assert_eq!(ask(to, "DELETE", "/v2/team/app/manifests/v1", "", b"").status, 404);
    let all = ask(to, "GET", &format!("/v2/app/referrers/{single}?artifactType=b"), "", b"");
    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(all.field("oci-filters-applied"), Some("artifactType"));
}

#[test]
fn lists_come_in_pages() {
    let (to, _) = start(|_| ());
    for tag in ["a", "b", "c"] {
        push(to, "app", tag, tag.repeat(4).as_bytes());
    }
    let page = ask(to, "GET", "/v2/app/tags/list?n=2", "", b"");
    assert_eq!(page.json(), json!({ "name": "app", "tags": ["a", "b"] }));
    assert_eq!(page.field("link"), Some("</v2/app/tags/list?n=2&last=b>; rel=\"next\""));
    let rest = ask(to, "GET", "/v2/app/tags/list?n=2&last=b", "", b"");
    assert_eq!((rest.json()["tags"].clone(), rest.field("link")), (json!(["c"]), None));
    assert_eq!(ask(to, "GET", "/v2/app/tags/list?n=0", "", b"").json()["tags"], json!([]));
    assert_eq!(ask(to, "GET", "/v2/app/tags/list?n=x", "", b"").status, 400);
    assert_eq!(ask(to, "GET", "/v2/absent/tags/list", "", b"").status, 404);
    assert_eq!(ask(to, "GET", "/v2/_catalog", "", b"").json(), json!({ "repositories": ["app"] }));
}

#[test]
fn strangers_and_readers_are_kept_to_what_they_may() {
    let (to, _) = start(|rules| rules.login = Some(Login::new("anna", "secret")));
    let refused = ask(to, "GET", "/v2/", "", b"");
    assert_eq!((refused.status, refused.field("www-authenticate")), (401, Some("Basic realm=\"coracle\"")));
    assert_eq!(ask(to, "GET", "/v2/", "Authorization: Basic YW5uYTpzZWNyZXQ=\r\n", b"").status, 200);
    let (to, _) = start(|rules| rules.writable = false);
    assert_eq!(ask(to, "GET", "/v2/", "", b"").status, 200);
    for (method, path) in
        [("POST", "/v2/app/blobs/uploads/"), ("PUT", "/v2/app/manifests/x"), ("DELETE", "/v2/app/manifests/x")]
    {
        assert_eq!(ask(to, method, path, "", b"").status, 403, "{method}");
    }
    let own = |rules: &mut Rules| rules.own_programs_only = true;
    if !rustix::process::geteuid().is_root() {
        let (to, _) = start_for(true, own);
        assert_eq!(ask(to, "GET", "/v2/", "", b"").status, 403, "another user's program");
    }
    let (to, _) = start(own);
    let from = |host: &str, fields: &str| {
        let mut stream = TcpStream::connect(to).unwrap();
        let head = format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        reply(stream).status
    };
    assert_eq!(from(&to.to_string(), ""), 200);
    assert_eq!((from("localhost:5000", ""), from("[::1]:5000", "")), (200, 200));
    for page in [from("evil.example:5000", ""), from("127.0.0.1.evil.example", ""), from("", "")] {
        assert_eq!(page, 403, "a stranger's name for this machine");
    }
    assert_eq!(from("localhost", "Origin: http://evil.example\r\n"), 403, "a page");
}

#[test]
fn what_is_too_large_or_makes_no_sense_is_refused() {
    let (to, memory) = start(|rules| rules.limits.uploads = 1000);
    let begin = || ask(to, "POST", "/v2/app/blobs/uploads/", "", b"").field("location").unwrap().to_owned();
    let place = begin();
    assert_eq!(ask(to, "PATCH", &place, "", &[0; 2000]).status, 413);
    assert_eq!(ask(to, "DELETE", &place, "", b"").status, 204);
    assert_eq!(ask(to, "PATCH", &place, "", b"x").status, 404);
    assert_eq!(ask(to, "PATCH", &begin(), "", &[0; 900]).status, 202, "what was given up is free again");
    let place = begin();
    assert_eq!(ask(to, "PUT", &place, "", b"x").status, 400, "no digest");
    assert_eq!(ask(to, "PUT", &format!("{place}?digest=md5:1"), "", b"x").status, 400);
    assert_eq!(ask(to, "PUT", "/v2/app/manifests/x", "", &vec![b' '; (4 << 20) + 1]).status, 413);
    assert_eq!(ask(to, "PUT", "/v2/app/manifests/x", "", b"{").status, 400);
    let absent = format!("{{\"blob\":\"{}\"}}", Digest::sha256(b"absent"));
    assert_eq!(ask(to, "PUT", "/v2/app/manifests/x", "", absent.as_bytes()).status, 400);
    for (method, path, status) in [
        ("GET", "/v2/../etc/passwd/manifests/x", 400),
        ("GET", "/etc/passwd", 404),
        ("POST", "/v2/", 405),
        ("BREW", "/v2/app/manifests/x", 405),
        ("GET", "/v2/app/blobs/uploads/0123", 404),
    ] {
        assert_eq!(ask(to, method, path, "", b"").status, status, "{method} {path}");
    }
    let long = format!("X: {}\r\n", "y".repeat(1_000_000));
    assert!(matches!(ask(to, "GET", "/v2/", &long, b"").status, 431 | 0));
    let many = "X: y\r\n".repeat(1000);
    assert!(matches!(ask(to, "GET", "/v2/", &many, b"").status, 431 | 0));
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(b"\x16\x03\x01nonsense\r\n\r\n").unwrap();
    assert!(matches!(reply(stream).status, 400 | 0));
    assert!(memory.manifests.lock().unwrap().is_empty());
    assert_eq!(ask(to, "GET", "/v2/", "", b"").status, 200, "and it still answers");
}

#[test]
fn clients_that_dawdle_are_sent_away_and_an_upload_that_broke_goes_on() {
    let (to, memory) = start(|rules| {
        let short = Duration::from_millis(300);
        rules.limits = Limits { header: short, window: short, least: 1 << 10, ..rules.limits };
    });
    let begin = Instant::now();
    // Half a header.
    let mut slow = TcpStream::connect(to).unwrap();
    slow.write_all(b"GET /v2/ HTTP/1.1\r\nHo").unwrap();
    // Half a chunk: what has come stays.
    let place = ask(to, "POST", "/v2/app/blobs/uploads/", "", b"").field("location").unwrap().to_owned();
    let mut half = TcpStream::connect(to).unwrap();
    half.write_all(format!("PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n12345").as_bytes())
        .unwrap();
    assert_eq!(reply(half).status, 408);
    assert!(matches!(reply(slow).status, 408 | 0));
    let state = ask(to, "GET", &place, "", b"");
    assert_eq!(state.field("range"), Some("0-4"));
    let digest = Digest::sha256(b"1234567");
    assert_eq!(ask(to, "PUT", &format!("{place}?digest={digest}"), "Content-Range: 5-6\r\n", b"67").status, 201);
    // A reader that never reads.
    let large = vec![7; 64 << 20];
    let digest = Digest::sha256(&large);
    memory.blobs.lock().unwrap().insert(digest.to_string(), large);
    let mut lazy = TcpStream::connect(to).unwrap();
    lazy.write_all(format!("GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    // Whether it has hung up shows only to those who read.
    std::thread::sleep(Duration::from_millis(1500));
    let mut rest = Vec::new();
    let _ = lazy.read_to_end(&mut rest);
    assert!(rest.len() < 64 << 20, "it was sent away");
    assert!(begin.elapsed() < Duration::from_secs(20));
}
