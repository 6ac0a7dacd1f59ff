//! Lists of a registry: pages, bounds, and the search of Docker Hub.

use super::*;

fn page(names: &[&str], next: Option<&str>) -> Reply {
    let body = format!(r#"{{"name":"app","tags":{}}}"#, serde_json::json!(names));
    let reply = Reply::new(200, body);
    match next {
        Some(next) => reply.header("link", format!("<{next}>; rel=\"next\"")),
        None => reply,
    }
}

#[test]
fn pages_are_followed_at_the_registry_alone() {
    let registry = BadRegistry::start(|request| match request.path.as_str() {
        path if path.contains("last=b") => {
            page(&["c", "bad tag", "../x"], Some("http://127.0.0.1:9/v2/app/tags/list?last=c"))
        }
        path if path.contains("tags/list") => page(&["a", "b"], Some("/v2/app/tags/list?last=b&n=2")),
        _ => Reply::new(200, "{}"),
    });
    assert_eq!(client().tags(&reference(&registry, "app")).unwrap(), ["a", "b", "c"]);
}

#[test]
fn a_list_without_end_ends() {
    let registry = BadRegistry::start(|request| match request.path.contains("tags/list") {
        true => page(&["a"], Some("/v2/app/tags/list?again")),
        false => Reply::new(200, "{}"),
    });
    assert_eq!(client().tags(&reference(&registry, "app")).unwrap().len(), 1000);
    let large = BadRegistry::start(|request| match request.path.contains("tags/list") {
        true => Reply::new(200, vec![b' '; 5 << 20]),
        false => Reply::new(200, "{}"),
    });
    assert!(client().tags(&reference(&large, "app")).unwrap_err().message().contains("larger"));
    let null = BadRegistry::start(|_| Reply::new(200, r#"{"name":"app","tags":null}"#));
    assert!(client().tags(&reference(&null, "app")).unwrap().is_empty());
    let rubbish = BadRegistry::start(|_| Reply::new(200, "<html>"));
    assert_eq!(client().tags(&reference(&rubbish, "app")).unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn a_search_is_docker_hubs_or_of_the_catalog() {
    let hub = BadRegistry::start(|request| match request.path.starts_with("/v1/search?q=alp&n=2") {
        true => Reply::new(
            200,
            r#"{"results":[{"name":"alpine","description":"d","star_count":7,"is_official":true,"is_automated":null},
                {"name":"x/alpaca"},{"name":"more"}]}"#,
        ),
        false => Reply::new(200, "{}"),
    });
    let found = client().search(&hub.host(), "alp", 2).unwrap();
    assert_eq!(found.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["alpine", "x/alpaca"]);
    assert!(
        found[0].is_official
            && found[0].star_count == 7
            && found[1] == super::super::Match { name: "x/alpaca".into(), ..Default::default() }
    );
    let plain = BadRegistry::start(|request| match request.path.contains("_catalog") {
        true => Reply::new(200, r#"{"repositories":["team/alpine","other","alp"]}"#),
        false if request.path.starts_with("/v1") => Reply::error(404, "", ""),
        false => Reply::new(200, "{}"),
    });
    let found = client().search(&plain.host(), "alp", 25).unwrap();
    assert_eq!(found.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["team/alpine", "alp"]);
    let closed = BadRegistry::start(|request| match request.path.contains("_catalog") {
        true => Reply::error(403, "DENIED", "no list"),
        false if request.path.starts_with("/v1") => Reply::error(404, "", ""),
        false => Reply::new(200, "{}"),
    });
    assert_eq!(client().search(&closed.host(), "x", 25).unwrap_err().kind(), Kind::Denied);
}
