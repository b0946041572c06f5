//! Sessions with gdb's server, over the real protocol on loopback: stopping and going on here,
//! what can be looked at in `gdb/state.rs`, who connects and leaves in `gdb/clients.rs`.

mod client;
mod clients;
mod state;

use std::thread::JoinHandle;
use std::time::Duration;

use pagewalk::engine::Debuggable;
use pagewalk::hart::Observer;
use pagewalk::isa::Extensions;
use pagewalk::machine::board::Devices;
use pagewalk::machine::boot::{Boot, Payload};
use pagewalk::machine::console::{Console, Input};
use pagewalk::machine::gdb::{Options, Server, StartMode};
use pagewalk::machine::{Config, Limits, Machine, Stop};

use crate::program::asm::{SPIN, WFI, addi, beqz, csrr, csrw, ld, li, sd};
use crate::program::{Elf, FINISHER, RAM, exit_with};
use client::Client;

/// Where the programs here keep data.
const DATA: u64 = RAM + 0x2000;

const ECALL: u32 = 0x73;
const MRET: u32 = 0x3020_0073;

/// gdb's numbers of registers.
const FIRST_F: usize = 33;
const FIRST_CSR: usize = 65;
const PRIV: usize = FIRST_CSR + 4096;

const MSTATUS: u32 = 0x300;
const MIE: u32 = 0x304;
const MTVEC: u32 = 0x305;
const MEPC: u32 = 0x341;
const MCAUSE: u32 = 0x342;

/// Hears nothing, and lets the engine stop.
#[derive(Debug)]
struct Silent;

impl Observer for Silent {
    const ACTIVE: bool = true;
}

/// A machine with a server in a thread of its own.
struct Served {
    address: std::net::SocketAddr,
    thread: JoinHandle<Stop>,
}

impl Served {
    fn with(insns: &[u32], harts: usize, options: Options) -> Self {
        Self::of(&Elf::code(insns), harts, options)
    }

    fn of(elf: &Elf, harts: usize, options: Options) -> Self {
        let server = Server::bind("127.0.0.1", 0).unwrap();
        let address = server.address();
        let config = Config { ram_bytes: 4 << 20, harts, ..Config::default() };
        let program = Payload::new("test", elf.bytes());
        let plan = Boot::of(program).plan(&config).unwrap();
        let thread = std::thread::spawn(move || {
            let engine = Box::new(Debuggable::new(Extensions::ALL, Silent));
            let console = Console::new(std::io::sink());
            let (devices, input) = (Devices::default(), Input::none());
            let machine = Machine::new(config, plan, devices, engine, console, input);
            let mut machine = machine.unwrap();
            server.serve(&mut machine, &options).unwrap()
        });
        Self { address, thread }
    }

    /// A machine that stands at its first instruction.
    fn stopped(insns: &[u32], harts: usize) -> Self {
        // A test that goes wrong does not run for ever.
        let limits = Limits { timeout: Some(Duration::from_secs(60)), max_insns: None };
        Self::with(
            insns,
            harts,
            Options { start: StartMode::Stopped, limits, ..Options::default() },
        )
    }

    /// How the run has ended.
    fn end(self) -> Stop {
        self.thread.join().unwrap()
    }
}

/// The machine waits for a client; a test that goes wrong does not run for ever.
fn standing() -> Options {
    let limits = Limits { timeout: Some(Duration::from_secs(60)), max_insns: None };
    Options { start: StartMode::Stopped, limits, ..Options::default() }
}

/// A session with a machine of one hart that stands at the first of `insns`.
fn session(insns: &[u32]) -> (Served, Client) {
    let served = Served::stopped(insns, 1);
    let client = Client::connect(served.address);
    (served, client)
}

/// x5 counts up in memory: four instructions, the third loads what the second has stored.
fn counting() -> Vec<u32> {
    let body = vec![addi(5, 5, 1), sd(5, 6), ld(7, 6), beqz(0, -3)];
    [li(6, DATA), body].concat()
}

/// The loop of [`counting`].
const LOOP: u64 = RAM + 16;

/// Begins the loop of [`counting`] at 0.
fn begin_loop(gdb: &mut Client) {
    gdb.set_pc(LOOP);
    assert_eq!((gdb.set_register(5, 0), gdb.set_register(6, DATA)), ("OK".into(), "OK".into()));
}

#[test]
fn breakpoints_stop_before_their_instruction() {
    let (_served, mut gdb) = session(&counting());
    let code = gdb.read(LOOP, 16);
    for kind in [0, 1] {
        begin_loop(&mut gdb);
        assert_eq!(gdb.ask(&format!("Z{kind},{:x},4", LOOP + 8)), "OK");
        let name = ["swbreak", "hwbreak"][kind];
        for round in 1..4 {
            assert_eq!(gdb.resume("vCont;c"), format!("T05thread:01;{name}:;"));
            assert_eq!((gdb.pc(), gdb.register(5)), (LOOP + 8, round));
        }
        // At the pc it stops nobody who sets out from there; memory does not show it.
        assert_eq!(gdb.resume("vCont;s:1"), "T05thread:01;");
        assert_eq!((gdb.pc(), gdb.read(LOOP, 16)), (LOOP + 12, code.clone()));
        assert_eq!(gdb.ask(&format!("z{kind},{:x},4", LOOP + 8)), "OK");
        assert_eq!(gdb.ask(&format!("z{kind},{:x},4", LOOP + 8)), "E16");
    }
    // Both at one place are two.
    assert_eq!(gdb.ask(&format!("Z0,{LOOP:x},4")), "OK");
    assert_eq!(gdb.ask(&format!("Z1,{LOOP:x},4")), "OK");
    assert_eq!(gdb.ask(&format!("z0,{LOOP:x},4")), "OK");
    assert_eq!(gdb.resume("vCont;c:1"), "T05thread:01;hwbreak:;");
}

#[test]
fn watchpoints_stop_after_the_access() {
    let (_served, mut gdb) = session(&counting());
    for (kind, name, pc) in [(2, "watch", LOOP + 8), (3, "rwatch", LOOP + 12)] {
        begin_loop(&mut gdb);
        assert_eq!(gdb.ask(&format!("Z{kind},{DATA:x},8")), "OK");
        for _ in 0..2 {
            assert_eq!(gdb.resume("vCont;c"), format!("T05thread:01;{name}:{DATA:x};"));
            assert_eq!(gdb.pc(), pc);
        }
        assert_eq!(gdb.ask(&format!("z{kind},{DATA:x},8")), "OK");
    }
    begin_loop(&mut gdb);
    assert_eq!(gdb.ask(&format!("Z4,{:x},1", DATA + 1)), "OK");
    for pc in [LOOP + 8, LOOP + 12] {
        assert_eq!(gdb.resume("vCont;c"), format!("T05thread:01;awatch:{:x};", DATA + 1));
        assert_eq!(gdb.pc(), pc);
    }
}

#[test]
fn as_many_stops_as_there_is_room_for() {
    let (_served, mut gdb) = session(&[SPIN]);
    gdb.drop_acks();
    let mut set = |kind: u64| {
        let mut ask = |at: u64| gdb.ask(&format!("Z{kind},{:x},4", 4 * at));
        let count = (0..10_000).take_while(|at| ask(*at) == "OK").count();
        assert_eq!(ask(0), "OK", "it is set already");
        count
    };
    assert_eq!((set(0), set(1), set(2)), (4096, 4096, 64));
}

/// A handler at `RAM + 0x100` that skips the instruction that has trapped.
fn with_handler(head: &[u32]) -> Vec<u32> {
    let mut insns = [li(6, RAM + 0x100), vec![csrw(MTVEC, 6)], head.to_vec()].concat();
    insns.resize(64, SPIN);
    insns.extend([csrr(5, MEPC), addi(5, 5, 4), csrw(MEPC, 5), MRET]);
    insns
}

#[test]
fn steps_lead_into_traps_and_back() {
    let handler = RAM + 0x100;
    let start = RAM + 20;
    // An ecall, a load from nowhere, and an instruction that there is not.
    for (trapping, cause) in [(ECALL, 11), (ld(7, 0), 5), (0, 2)] {
        let (_served, mut gdb) = session(&with_handler(&[trapping, addi(0, 0, 0)]));
        let mut pcs = Vec::new();
        for _ in 0..11 {
            assert_eq!(gdb.resume("vCont;s:1"), "T05thread:01;");
            pcs.push(gdb.pc());
        }
        let expect = (1..6).map(|at| RAM + 4 * at).chain((0..4).map(|at| handler + 4 * at));
        assert_eq!(pcs, expect.chain([start + 4, start + 8]).collect::<Vec<_>>());
        assert_eq!(gdb.register(FIRST_CSR + MCAUSE as usize), cause);
    }
}

#[test]
fn a_step_into_the_machines_own_firmware_ends_behind_it() {
    // A kernel, which does not begin where firmware would: it calls for the SBI's version.
    const KERNEL: u64 = RAM + 0x20_0000;
    let insns = [addi(17, 0, 0x10), addi(16, 0, 0), ECALL, SPIN];
    let mut elf = Elf::code(&insns);
    elf.segments.truncate(1);
    elf.symbols.clear();
    (elf.segments[0].virt, elf.segments[0].phys, elf.entry) = (KERNEL, KERNEL, KERNEL);
    let served = Served::of(&elf, 2, standing());
    let mut gdb = Client::connect(served.address);
    assert_eq!((gdb.pc(), gdb.register(PRIV)), (KERNEL, 1));
    for step in 1..4 {
        assert_eq!(gdb.resume("vCont;s:1"), "T05thread:01;");
        assert_eq!((gdb.pc(), gdb.register(PRIV)), (KERNEL + 4 * step, 1));
    }
    assert_eq!(gdb.register(10), 0, "no error");
    assert!(gdb.register(11) >= 1 << 24, "the version");
    assert_eq!(gdb.ask(&format!("P{PRIV:x}=03")), "E79", "M-mode is not the user's");
    assert!(gdb.ask("qThreadExtraInfo,2").contains(&client::hex(b"stopped")));
}

#[test]
fn a_range_is_stepped_through_in_one_go() {
    let (_served, mut gdb) = session(&counting());
    begin_loop(&mut gdb);
    let (second, fourth) = (LOOP + 4, LOOP + 12);
    assert_eq!(gdb.resume(&format!("vCont;r{LOOP:x},{fourth:x}:1")), "T05thread:01;");
    assert_eq!(gdb.pc(), fourth);
    // A breakpoint in the range is one.
    gdb.ask(&format!("Z0,{second:x},4"));
    let whole = format!("vCont;r{LOOP:x},{:x}:1", LOOP + 16);
    assert_eq!(gdb.resume(&whole), "T05thread:01;swbreak:;");
    assert_eq!(gdb.pc(), second);
    assert_eq!(gdb.resume(&format!("vCont;r{second:x},{second:x}:1")), "T05thread:01;");
    assert_eq!(gdb.pc(), LOOP + 8);
}

#[test]
fn interrupts_wait_while_a_hart_steps() {
    const MTIMECMP: u64 = 0x200_4000;
    let enable = [li(7, MTIMECMP), vec![sd(0, 7), addi(5, 0, 0x80), csrw(MIE, 5), addi(5, 0, 8)]];
    let head = [enable.concat(), vec![csrw(MSTATUS, 5), addi(0, 0, 0), addi(0, 0, 0)]].concat();
    let (_served, mut gdb) = session(&with_handler(&head));
    let last = RAM + 4 * (5 + head.len() as u64 - 1);
    gdb.ask(&format!("Z0,{:x},4", last - 8));
    gdb.resume("vCont;c");
    for at in [last - 4, last] {
        gdb.resume("vCont;s:1");
        assert_eq!(gdb.pc(), at);
    }
    gdb.ask(&format!("Z0,{:x},4", RAM + 0x100));
    assert_eq!(gdb.resume("vCont;c"), "T05thread:01;swbreak:;");
    assert_eq!(gdb.register(FIRST_CSR + MEPC as usize), last);
}

#[test]
fn a_step_over_wfi_ends_behind_it() {
    let (_served, mut gdb) = session(&[WFI, addi(5, 5, 1), SPIN]);
    assert_eq!(gdb.resume("vCont;s:1"), "T05thread:01;");
    assert_eq!((gdb.pc(), gdb.register(5)), (RAM + 4, 0));
    assert!(gdb.ask("qThreadExtraInfo,1").contains(&client::hex(b"waiting")));
    // Nothing can wake it: the user is told, and may look around, and send it on.
    assert_eq!(gdb.resume("vCont;c"), "T05thread:01;");
    assert!(gdb.shown.starts_with("asleep: wfi before pc"), "{}", gdb.shown);
    gdb.set_pc(RAM + 4);
    gdb.resume("vCont;s:1");
    assert_eq!((gdb.pc(), gdb.register(5)), (RAM + 8, 1));
}

#[test]
fn a_trap_loop_can_be_looked_at() {
    let (_served, mut gdb) = session(&[csrw(MTVEC, 0), 0]);
    assert_eq!(gdb.resume("vCont;c"), "T0bthread:01;");
    assert!(gdb.shown.starts_with("trap loop: hart 0 "), "{}", gdb.shown);
    assert_eq!(gdb.register(FIRST_CSR + MCAUSE as usize), 1);
    assert_eq!(gdb.ask("k"), "");
}

#[test]
fn code_that_the_user_writes_is_what_runs() {
    let (_served, mut gdb) = session(&counting());
    gdb.ask(&format!("Z0,{:x},4", LOOP + 12));
    gdb.resume("vCont;c");
    for value in [7, 9] {
        assert_eq!(gdb.write(LOOP, &addi(5, 0, value).to_le_bytes()), "OK");
        gdb.resume("vCont;c");
        assert_eq!(gdb.register(5), value as u64);
    }
    // In binary, as gdb prefers it.
    gdb.send_raw(&client::packet(
        &[format!("X{LOOP:x},4:").as_bytes(), &addi(5, 0, 3).to_le_bytes()].concat(),
    ));
    assert_eq!(gdb.receive().as_deref(), Some("OK"));
    gdb.resume("vCont;c");
    assert_eq!(gdb.register(5), 3);
}

#[test]
fn ctrl_c_stops_what_does_not_stop_by_itself() {
    let (_served, mut gdb) = session(&[addi(5, 5, 1), beqz(0, -1)]);
    let mut counted = 0;
    for _ in 0..3 {
        gdb.send("vCont;c");
        gdb.interrupt();
        assert_eq!(gdb.stopped(), "T02thread:01;");
        assert!(gdb.register(5) >= counted);
        counted = gdb.register(5);
    }
    // While nothing runs, it means nothing.
    gdb.interrupt();
    assert_eq!(gdb.resume("vCont;s:1"), "T05thread:01;");
}

#[test]
fn harts_are_threads() {
    // Each counts for itself: a0 is its id.
    let (served, body) = (Served::stopped(&[addi(5, 5, 1), addi(7, 10, 0), beqz(0, -2)], 2), RAM);
    let mut gdb = Client::connect(served.address);
    assert_eq!((gdb.ask("qfThreadInfo"), gdb.ask("qsThreadInfo")), ("m01,02".into(), "l".into()));
    assert_eq!([1, 2, 3].map(|tid| gdb.ask(&format!("T{tid}"))), ["OK", "OK", "E01"]);
    for (tid, info) in [(1, "hart 0, M-mode, running"), (2, "hart 1, M-mode, running")] {
        assert_eq!(gdb.ask(&format!("qThreadExtraInfo,{tid}")), client::hex(info.as_bytes()));
    }
    let both = |gdb: &mut Client, number| {
        [1, 2].map(|tid| {
            assert_eq!(gdb.ask(&format!("Hg{tid}")), "OK");
            gdb.register(number)
        })
    };
    assert_eq!(both(&mut gdb, 10), [0, 1]);
    // Only the second goes.
    assert_eq!(gdb.resume("vCont;s:2"), "T05thread:02;");
    assert_eq!(both(&mut gdb, 32), [body, body + 4]);
    // The others go on meanwhile, but not far.
    assert_eq!(gdb.resume("vCont;s:2;c"), "T05thread:02;");
    assert_eq!(both(&mut gdb, 32)[1], body + 8);
    assert!(both(&mut gdb, 5)[0] < 10);
    // A breakpoint stops whoever comes first; alone, each comes.
    gdb.ask(&format!("Z0,{body:x},4"));
    for tid in [1, 2] {
        assert_eq!(gdb.resume(&format!("vCont;c:{tid}")), format!("T05thread:0{tid};swbreak:;"));
    }
    assert_eq!(both(&mut gdb, 32), [body; 2]);
    // Nobody starves: they come in turn.
    let mut order: Vec<_> = (0..6).map(|_| gdb.resume("vCont;c")).collect();
    order.dedup();
    assert_eq!(order.len(), 6, "{order:?}");
}

#[test]
fn a_session_survives_the_guests_reset() {
    let reset = [li(6, FINISHER), li(5, 0x7777), vec![0x0053_2023]].concat();
    let insns = [vec![addi(8, 8, 1)], reset, vec![SPIN]].concat();
    let (served, mut gdb) = session(&insns);
    gdb.ask(&format!("Z0,{RAM:x},4"));
    gdb.ask(&format!("Z0,{:x},4", RAM + 4));
    for at in [4, 0, 4, 0] {
        assert_eq!(gdb.resume("vCont;c"), "T05thread:01;swbreak:;");
        assert_eq!((gdb.pc(), gdb.register(8)), (RAM + at, at / 4));
    }
    gdb.send("k");
    drop(served);
}

#[test]
fn the_guests_exit_is_told() {
    for (code, told) in [(0, "W00"), (42, "W2a"), (255, "Wff"), (256, "Wff")] {
        let insns = [li(10, code), exit_with(10)].concat();
        let (served, mut gdb) = session(&insns);
        assert_eq!(gdb.resume("vCont;c"), told);
        assert_eq!(gdb.receive(), None, "it hangs up");
        assert_eq!(served.end(), Stop::Exit(code));
    }
}
