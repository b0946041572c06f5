//! Clients that come and go, and clients that nobody should have let in.

use std::time::Duration;

use pagewalk::machine::gdb::{OnReset, Options, StartMode};
use pagewalk::machine::{Limits, Stop, StopRequest};
use proptest::prelude::*;

use super::client::{Client, packet};
use super::{DATA, Served, counting, session};
use crate::program::asm::{SPIN, addi, beqz, ld, li};
use crate::program::{FINISHER, RAM, exit_with};

/// Spins until somebody writes to `DATA`, then ends with what was written.
fn waiting_for_word() -> Vec<u32> {
    [li(6, DATA), vec![ld(10, 6), beqz(10, -1)], exit_with(10)].concat()
}

#[test]
fn after_detaching_the_machine_runs_on() {
    let (served, mut gdb) = session(&waiting_for_word());
    // Breakpoints and holds end with the session.
    gdb.ask(&format!("Z0,{:x},4", RAM + 16));
    gdb.resume("vCont;c");
    assert_eq!(gdb.ask("D"), "OK");
    assert_eq!(gdb.receive(), None);
    // Another one may come, and finds it running.
    let mut gdb = Client::connect(served.address);
    assert!((RAM + 16..RAM + 24).contains(&gdb.pc()));
    gdb.write(DATA, &[7]);
    assert_eq!(gdb.ask("D"), "OK");
    assert_eq!(served.end(), Stop::Exit(7));
}

#[test]
fn a_running_machine_is_stopped_by_who_connects() {
    let limits = Limits { timeout: Some(Duration::from_secs(60)), max_insns: None };
    let options = Options { start: StartMode::Running, limits, ..Options::default() };
    let served = Served::with(&waiting_for_word(), 1, options);
    let mut gdb = Client::connect(served.address);
    assert_eq!(gdb.ask("?"), "T05thread:01;");
    let pc = gdb.pc();
    assert_eq!(gdb.pc(), pc);
    gdb.write(DATA, &[9]);
    assert_eq!(gdb.resume("c"), "W09");
    assert_eq!(served.end(), Stop::Exit(9));
}

#[test]
fn killing_ends_the_run() {
    for kill in ["k", "vKill;1"] {
        let (served, mut gdb) = session(&[SPIN]);
        gdb.send(kill);
        assert_eq!(served.end(), Stop::Request(StopRequest::Quit), "{kill}");
    }
}

#[test]
fn a_lost_client_leaves_the_machine_where_it_is() {
    let (served, mut gdb) = session(&counting());
    gdb.ask(&format!("Z0,{:x},4", RAM + 20));
    gdb.resume("vCont;c");
    drop(gdb);
    let mut gdb = Client::connect(served.address);
    assert_eq!(gdb.pc(), RAM + 20);
    // Its breakpoints have gone with it.
    gdb.send("vCont;c");
    gdb.interrupt();
    assert_eq!(gdb.stopped(), "T02thread:01;");
    gdb.send("k");
    served.end();
}

#[test]
fn limits_hold_while_nothing_runs() {
    let limits = Limits { timeout: Some(Duration::from_millis(50)), max_insns: None };
    let options = Options { start: StartMode::Stopped, limits, ..Options::default() };
    // Without a client, and with one who says nothing.
    assert_eq!(Served::with(&[SPIN], 1, options.clone()).end(), Stop::Timeout);
    let served = Served::with(&[SPIN], 1, options);
    let mut gdb = Client::connect(served.address);
    assert_eq!(gdb.receive(), None);
    assert_eq!(served.end(), Stop::Timeout);
}

#[test]
fn limits_are_told_to_who_waits() {
    let limits = Limits { timeout: None, max_insns: Some(1000) };
    let options = Options { start: StartMode::Stopped, limits, ..Options::default() };
    let served = Served::with(&[addi(0, 0, 0), SPIN], 1, options);
    let mut gdb = Client::connect(served.address);
    assert_eq!(gdb.resume("vCont;c"), "X18");
    assert_eq!(served.end(), Stop::InsnLimit);
}

#[test]
fn a_reset_ends_the_run_where_it_should() {
    let reset = [li(6, FINISHER), li(5, 0x7777), vec![0x0053_2023, SPIN]].concat();
    for start in [StartMode::Running, StartMode::Stopped] {
        let options = Options { start, on_reset: OnReset::End, ..Options::default() };
        let served = Served::with(&reset, 1, options);
        if start == StartMode::Stopped {
            assert_eq!(Client::connect(served.address).resume("vCont;c"), "W00");
        }
        assert_eq!(served.end(), Stop::Reset);
    }
}

#[test]
fn packets_that_do_not_arrive_are_sent_again() {
    let (_served, mut gdb) = session(&[SPIN]);
    // Ours, with a wrong checksum, and theirs.
    gdb.send_raw(b"$p20#00");
    assert_eq!(gdb.receive().as_deref(), Some("-"));
    let pc = gdb.ask("p20");
    gdb.send_raw(b"-");
    assert_eq!(gdb.receive(), Some(pc));
    // Whoever does without acknowledgements cannot be asked again.
    gdb.drop_acks();
    gdb.send_raw(b"$p20#00");
    assert_eq!(gdb.receive(), None);
}

#[test]
fn nonsense_harms_nobody() {
    let served = Served::stopped(&counting(), 2);
    let long = [&b"$m"[..], &[b'0'; 1 << 16]].concat();
    let huge_read = packet(format!("m{RAM:x},ffffffffffffffff").as_bytes());
    for bytes in [
        &b"$"[..],
        b"#",
        b"$#00",
        b"\x00\xff\x03\x03\x03",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &long,
        &huge_read,
        &packet(b"m"),
        &packet(b"mffffffffffffffff,ffffffffffffffff"),
        &packet(b"mfffffffffffffffff,1"),
        &packet(b"m-1,1"),
        &packet(b"M80000000,4:00"),
        &packet(b"M80000000,1:zz"),
        &packet(b"X80000000,ffffffff:"),
        &packet(b"Z0"),
        &packet(b"Z2,0,ffffffffffffffff"),
        &packet(b"Z9,0,0"),
        &packet(b"vCont"),
        &packet(b"vCont;"),
        &packet(b"vCont;s"),
        &packet(b"vCont;c:0"),
        &packet(b"vCont;s:ffffffff"),
        &packet(b"vCont;r0,0:1;r,:2"),
        &packet(b"Hg-1"),
        &packet(b"Hcffffffffffffffff"),
        &packet(b"G00"),
        &packet(b"P=0"),
        &packet(b"Pffffffffffffffff=0"),
        &packet(b"qRcmd,zz"),
        &packet(b"qXfer:features:read:target.xml:ffffffffffffffff,ffffffffffffffff"),
        &packet(b"qXfer:features:read"),
        &packet(b"qThreadExtraInfo,0"),
        &packet(b"qThreadExtraInfo,ffffffff"),
        &packet(b"T0"),
        &packet("q\u{fc}\u{1f300}".as_bytes()),
    ] {
        let mut hostile = Client::connect(served.address);
        hostile.send_raw(bytes);
        hostile.send_raw(&packet(b"D"));
        drop(hostile);
        // The next one is served.
        let mut gdb = Client::connect(served.address);
        let what = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
        assert_eq!(gdb.ask("?"), "T05thread:01;", "{what}");
    }
    let mut gdb = Client::connect(served.address);
    gdb.send("k");
    assert_eq!(served.end(), Stop::Request(StopRequest::Quit));
}

/// Packets that begin like those that mean something.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let heads = prop::sample::select(vec![
        "m",
        "M",
        "X",
        "p",
        "P",
        "G",
        "H",
        "Z0,",
        "Z1,",
        "Z2,",
        "z3,",
        "vCont;",
        "vCont;s:",
        "T",
        "vCont;r",
        "qRcmd,",
        "qXfer:features:read:",
        "qXfer:features:read:target.xml:",
        "qSupported:",
        "qThreadExtraInfo,",
        "q",
        "Q",
        "v",
        "c",
        "s",
        "Qqemu.PhyMemMode:",
        "?",
        "g",
    ]);
    let tails = prop_oneof!["[0-9a-f,;:=p.-]{0,40}", "\\PC{0,20}", "[0-9a-f]{1,16},[0-9a-f]{1,16}"];
    (heads, tails).prop_map(|(head, tail)| packet(format!("{head}{tail}").as_bytes()))
}

#[test]
fn packets_at_random_harm_nobody() {
    let served = Served::stopped(&counting(), 2);
    let address = served.address;
    let config =
        ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let sessions = prop::collection::vec(packets(), 1..30);
    let outcome = runner.run(&sessions, |packets| {
        let mut hostile = Client::connect(address);
        packets.iter().for_each(|bytes| hostile.send_raw(bytes));
        drop(hostile);
        let mut gdb = Client::connect(address);
        prop_assert_eq!(gdb.ask("?"), "T05thread:01;");
        Ok(())
    });
    outcome.unwrap();
    assert!(!served.thread.is_finished());
    let mut gdb = Client::connect(address);
    gdb.send("k");
    served.end();
}
