//! netd from outside: a "laptop" of namespaces that the test makes itself, in which supervisors' requests are made as a
//! supervisor makes them, and containers are network namespaces in user namespaces of their own.
//!
//! A test program of its own (no harness): netd is started from a process with one thread. Every test of
//! [`TESTS`] runs in a laptop of its own; `cargo test --test netd -- NAME` runs those whose name holds NAME.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "net/again.rs"]
mod again;
#[path = "net/forgers.rs"]
mod forgers;
#[path = "net/host.rs"]
mod host;
#[path = "net/laptop.rs"]
mod laptop;
#[path = "net/members.rs"]
mod members;
#[path = "net/outside.rs"]
mod outside;
#[path = "net/roaming.rs"]
mod roaming;
#[path = "net/trouble.rs"]
mod trouble;

use std::process::Command;

/// All tests.
const TESTS: &[(&str, fn())] = &[
    ("containers_reach_each_other", members::containers_reach_each_other),
    ("networks_are_apart", members::networks_are_apart),
    ("a_killed_netd_is_revived", members::a_killed_netd_is_revived),
    ("a_netd_that_does_not_answer_is_joined_again", members::a_netd_that_does_not_answer_is_joined_again),
    ("a_netd_that_knew_nobody_is_joined_by_everybody", members::a_netd_that_knew_nobody_is_joined_by_everybody),
    ("networks_come_and_go", members::networks_come_and_go),
    ("a_network_is_made_again", again::a_network_is_made_again),
    ("networks_of_a_killed_netd_are_swept", again::networks_of_a_killed_netd_are_swept),
    ("an_address_gets_another_hardware_address", again::an_address_gets_another_hardware_address),
    ("ports_are_closed_when_a_container_has_left", again::ports_are_closed_when_a_container_has_left),
    ("rates_hold_both_ways", members::rates_hold_both_ways),
    ("traffic_is_counted", members::traffic_is_counted),
    ("many_join_at_once", members::many_join_at_once),
    ("nobody_is_taken_for_another", forgers::nobody_is_taken_for_another),
    ("stolen_addresses_serve_nobody_with_the_guard", forgers::stolen_addresses_serve_nobody_with_the_guard),
    (
        "stolen_hardware_addresses_serve_nobody_without_netfilter",
        forgers::stolen_hardware_addresses_serve_nobody_without_netfilter,
    ),
    ("nobody_inside_tells_containers_the_way", forgers::nobody_inside_tells_containers_the_way),
    ("nobody_speaks_for_another_network_with_the_guard", forgers::nobody_speaks_for_another_network_with_the_guard),
    (
        "nobody_speaks_for_another_network_without_netfilter",
        forgers::nobody_speaks_for_another_network_without_netfilter,
    ),
    ("the_outside_is_as_the_host_sees_it", outside::the_outside_is_as_the_host_sees_it),
    ("the_host_is_reached_but_not_its_loopback", host::the_host_is_reached_but_not_its_loopback),
    (
        "the_host_is_reached_without_a_gate_but_not_its_loopback",
        host::the_host_is_reached_without_a_gate_but_not_its_loopback,
    ),
    (
        "published_ports_are_not_reached_by_the_hosts_loopback",
        host::published_ports_are_not_reached_by_the_hosts_loopback,
    ),
    ("datagrams_go_out_and_back", outside::datagrams_go_out_and_back),
    ("names_are_known_on_their_networks", outside::names_are_known_on_their_networks),
    ("an_updated_network_asks_other_resolvers", outside::an_updated_network_asks_other_resolvers),
    ("the_host_s_resolvers_are_followed", outside::the_host_s_resolvers_are_followed),
    ("published_udp_ports_lead_to_containers", outside::published_udp_ports_lead_to_containers),
    ("pings_are_answered", outside::pings_are_answered),
    ("more_programs_ping_than_netd_has_room_for", outside::more_programs_ping_than_netd_has_room_for),
    ("without_a_device_there_are_neighbours", outside::without_a_device_there_are_neighbours),
    ("without_a_gate_connections_are_spoken", outside::without_a_gate_connections_are_spoken),
    ("published_ports_lead_to_containers", outside::published_ports_lead_to_containers),
    ("published_ports_move_with_their_container", outside::published_ports_move_with_their_container),
    ("ports_come_back_after_netd_was_killed", outside::ports_come_back_after_netd_was_killed),
    ("addresses_and_links_come_and_go", roaming::addresses_and_links_come_and_go),
    ("a_vpn_comes_and_goes", roaming::a_vpn_comes_and_goes),
    ("the_host_may_have_the_same_addresses", roaming::the_host_may_have_the_same_addresses),
    ("resolv_conf_changes_in_every_way", roaming::resolv_conf_changes_in_every_way),
    ("a_suspended_netd_goes_on", roaming::a_suspended_netd_goes_on),
    ("killed_under_load", trouble::killed_under_load),
    ("ten_thousand_connections_leave_nothing", trouble::ten_thousand_connections_leave_nothing),
    ("few_descriptors", trouble::few_descriptors),
    ("others_keep_room_for_connections", trouble::others_keep_room_for_connections),
    ("others_keep_room_for_connections_without_a_gate", trouble::others_keep_room_for_connections_without_a_gate),
    ("idle_netd_is_small_and_asleep", trouble::idle_netd_is_small_and_asleep),
    ("nothing_runs_when_nothing_runs", members::nothing_runs_when_nothing_runs),
    ("attaching_waits_for_no_timer", members::attaching_waits_for_no_timer),
];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[0] == coracle::testing::net::ROLE {
        let args: Vec<_> = std::env::args_os().skip(1).collect();
        std::process::exit(coracle::testing::net::main(&args, &laptop::running).into());
    }
    if args.get(1).is_some_and(|arg| arg == "--list") {
        return;
    }
    match args.iter().position(|arg| arg == "inside") {
        Some(at) => laptop::inside(&args[at + 1], |name| TESTS.iter().find(|(known, _)| *known == name).unwrap().1()),
        None => all(args.iter().skip(1).find(|arg| !arg.starts_with('-')).map_or("", String::as_str)),
    }
}

/// Runs each test in namespaces of its own, one after the other.
fn all(filter: &str) {
    let mut failed = Vec::new();
    let user: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["-U", "--map-root-user"] };
    for (name, _) in TESTS.iter().filter(|(name, _)| name.contains(filter)) {
        let status = Command::new("unshare")
            .args(user)
            .args(["-m", "-n", "-p", "-f", "--mount-proc"])
            .arg(std::env::current_exe().unwrap())
            .args(["inside", name])
            .status()
            .expect("unshare(1) is needed");
        println!("test {name} ... {}", if status.success() { "ok" } else { "FAILED" });
        if !status.success() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}
