//! Breakpoints, watchpoints and steps, on the same small programs, by each engine that a debugger
//! may find.

use super::*;

const DATA: u64 = RAM + 0x800;

type Make = fn(&[u32]) -> Fixture<dyn Engine>;

/// Fixtures with an observed engine, and with one that is observed where it has to be.
const MAKES: [Make; 2] = [
    |program| {
        let engine = Interpreter::with_observer(Extensions::ALL, Events::default());
        Fixture::with(Box::new(engine), program)
    },
    |program| {
        let engine = Debuggable::new(Extensions::ALL, Events::default());
        Fixture::with(Box::new(engine), program)
    },
];

/// x5 counts up in the middle of three instructions, for ever.
fn counting() -> [u32; 4] {
    [addi(6, 0, 0), addi(5, 5, 1), addi(7, 0, 0), insn(Op::Jal, 0, 0, 0, -8)]
}

fn breakpoints(at: &[u64]) -> Stops {
    Stops { breakpoints: at.iter().map(|at| VirtAddr(*at)).collect(), ..Stops::default() }
}

fn watch(start: u64, len_bytes: u64, kind: WatchKind) -> Stops {
    let start = VirtAddr(start);
    Stops { watchpoints: vec![Watchpoint { start, len_bytes, kind }], ..Stops::default() }
}

impl Fixture<dyn Engine> {
    /// Goes on from here, whatever is set at the pc.
    fn leave(&mut self, mut stops: Stops, budget_insns: u64) -> Exit {
        stops.leaving = vec![Place::of(&self.hart)];
        self.engine.set_stops(stops);
        self.run(budget_insns)
    }

    fn step(&mut self) -> Exit {
        self.leave(Stops { stepping: vec![0], ..Stops::default() }, 1000)
    }

    fn state(&self) -> (u64, u64) {
        (self.hart.pc.0, self.hart.insns)
    }
}

#[test]
fn a_breakpoint_stops_before_its_instruction_each_time() {
    for make in MAKES {
        let mut f = make(&counting());
        // Decoded as one block before it is cut.
        f.run(4);
        let at = RAM + 8;
        let insns = f.hart.insns;
        for round in 0..3 {
            assert_eq!(f.leave(breakpoints(&[at]), 1000), Exit::Breakpoint);
            assert_eq!((f.state(), f.hart.x[5]), ((at, insns + 1 + 3 * round), 2 + round));
        }
        // Gone, it stops nobody.
        assert_eq!(f.leave(Stops::default(), 100), Exit::Budget);
    }
}

#[test]
fn a_breakpoint_that_the_budget_leads_to_is_met_in_the_next_run() {
    for make in MAKES {
        let mut f = make(&counting());
        f.engine.set_stops(breakpoints(&[RAM + 4]));
        assert_eq!(f.run(1), Exit::Budget);
        assert_eq!(f.run(1), Exit::Breakpoint);
        assert_eq!(f.run(1), Exit::Breakpoint, "as long as nobody leaves");
        assert_eq!(f.state(), (RAM + 4, 1));
        assert_eq!(f.leave(breakpoints(&[RAM + 4]), 3), Exit::Budget);
        assert_eq!(f.state(), (RAM + 4, 4), "once around the loop");
        assert_eq!(f.run(1), Exit::Breakpoint);
    }
}

#[test]
fn only_the_whole_address_is_a_breakpoint() {
    for make in MAKES {
        let mut f = make(&counting());
        f.engine.set_stops(breakpoints(&[4, RAM + 0x1004, !0xfff | 4]));
        assert_eq!(f.run(100), Exit::Budget);
        assert_eq!(f.hart.x[5], 33);
        // An instruction that no cached block may hold.
        f.put(RAM + 0xffe, &[addi(5, 0, 7), jump_to_self()]);
        f.hart.pc = VirtAddr(RAM + 0xffe);
        let around = breakpoints(&[RAM + 0xffe, RAM + 0x1002]);
        f.engine.set_stops(around.clone());
        assert_eq!(f.run(100), Exit::Breakpoint);
        assert_eq!(f.leave(around, 100), Exit::Breakpoint);
        assert_eq!(f.hart.pc.0, RAM + 0x1002);
    }
}

#[test]
fn a_breakpoint_at_a_jump_is_met_each_time() {
    for make in MAKES {
        let mut f = make(&counting());
        for round in 1..4 {
            assert_eq!(f.leave(breakpoints(&[RAM + 12]), 1000), Exit::Breakpoint);
            assert_eq!((f.hart.pc.0, f.hart.x[5]), (RAM + 12, round));
        }
        assert_eq!(f.hart.trail.events().count(), 0, "no jump has left its page");
    }
}

/// Debuggers let functions that they call return to such places.
#[test]
fn a_breakpoint_is_met_even_where_nothing_can_be_fetched() {
    for make in MAKES {
        let mut f = make(&[insn(Op::Jalr, 0, 5, 0, 0)]);
        f.hart.x[5] = 0x40;
        let both = breakpoints(&[0x40, HANDLER]);
        f.engine.set_stops(both.clone());
        assert_eq!((f.run(100), f.hart.pc.0), (Exit::Breakpoint, 0x40));
        assert_eq!(f.leave(both, 100), Exit::Breakpoint);
        assert_eq!((f.hart.pc.0, f.trap().0), (HANDLER, 1));
    }
}

#[test]
fn a_breakpoint_may_be_where_no_instruction_is() {
    for make in MAKES {
        let mut f = make(&[0]);
        assert_eq!(f.leave(breakpoints(&[RAM, HANDLER]), 10), Exit::Breakpoint);
        assert_eq!((f.hart.pc.0, f.trap().0), (HANDLER, 2));
        f.hart.pc = VirtAddr(RAM);
        f.engine.set_stops(breakpoints(&[RAM]));
        assert_eq!((f.run(10), f.hart.pc.0), (Exit::Breakpoint, RAM), "not set out from here");
    }
}

#[test]
fn watchpoints_stop_after_the_access() {
    use WatchKind::{Access, Read, Write};
    let load = insn(Op::Lw, 6, 8, 0, 4);
    let store = insn(Op::Sw, 0, 8, 5, 4);
    let amo = insn(Op::AmoaddD, 6, 8, 5, 0);
    let zero = insn(Op::CboZero, 0, 8, 0, 0);
    let faulting = insn(Op::Lw, 6, 9, 0, 4);
    let at = DATA + 4;
    for (name, accessing, stops, found) in [
        ("load", load, watch(at, 4, Read), Some((at, Read))),
        ("load", load, watch(DATA, 8, Access), Some((at, Access))),
        ("load", load, watch(at, 4, Write), None),
        ("load", load, watch(DATA, 4, Read), None),
        ("load", load, watch(at + 3, 1, Read), Some((at + 3, Read))),
        ("store", store, watch(at, 4, Write), Some((at, Write))),
        ("store", store, watch(at, 4, Read), None),
        ("amo", amo, watch(DATA, 8, Read), Some((DATA, Read))),
        ("amo", amo, watch(DATA, 8, Write), Some((DATA, Write))),
        ("cbo.zero", zero, watch(DATA + 63, 1, Write), Some((DATA + 63, Write))),
        ("fault", faulting, watch(0, 100, Access), None),
    ] {
        for make in MAKES {
            let mut f = make(&[addi(7, 0, 1), accessing, addi(7, 0, 2), jump_to_self()]);
            f.hart.x[8] = DATA;
            f.engine.set_stops(stops.clone());
            let exit = f.run(100);
            let Some((at, kind)) = found else {
                assert_eq!(exit, Exit::Budget, "{name}");
                continue;
            };
            assert_eq!(exit, Exit::Watchpoint { at: VirtAddr(at), kind }, "{name}");
            assert_eq!((f.state(), f.hart.x[7]), ((RAM + 8, 2), 1), "{name}");
            assert_eq!(f.run(10), Exit::Budget, "{name}: once for each access");
        }
    }
}

#[test]
fn a_failed_store_conditional_does_not_store() {
    let sc = insn(Op::ScD, 6, 8, 5, 0);
    for make in MAKES {
        let mut f = make(&[sc, insn(Op::LrD, 6, 8, 0, 0), sc, jump_to_self()]);
        f.hart.x[8] = DATA;
        f.engine.set_stops(watch(DATA, 8, WatchKind::Write));
        assert!(matches!(f.run(100), Exit::Watchpoint { .. }));
        assert_eq!(f.state(), (RAM + 12, 3));
    }
}

#[test]
fn a_step_may_touch_what_is_watched() {
    for make in MAKES {
        let mut f = make(&[insn(Op::Sd, 0, 8, 5, 0)]);
        f.hart.x[8] = DATA;
        let stops = Stops { stepping: vec![0], ..watch(DATA, 8, WatchKind::Write) };
        assert!(matches!(f.leave(stops, 1000), Exit::Watchpoint { .. }));
        assert_eq!(f.state(), (RAM + 4, 1));
    }
}

#[test]
fn steps_go_one_instruction_at_a_time_and_into_traps() {
    let ecall = insn(Op::Ecall, 0, 0, 0, 0);
    let load = insn(Op::Ld, 5, 0, 0, 8);
    for make in MAKES {
        // What is at the pc, and where a step leads, with how many instructions retired.
        for (name, at_pc, state) in [
            ("addi", addi(5, 0, 1), (RAM + 4, 1)),
            ("jump to itself", jump_to_self(), (RAM, 1)),
            ("ecall", ecall, (HANDLER, 0)),
            ("fault", load, (HANDLER, 0)),
            ("illegal", 0, (HANDLER, 0)),
        ] {
            let mut f = make(&[at_pc, addi(5, 0, 1), addi(5, 0, 2)]);
            assert_eq!(f.step(), Exit::Step, "{name}");
            assert_eq!(f.state(), state, "{name}");
        }
        // Code that cannot be fetched.
        let mut f = make(&[]);
        f.hart.pc = VirtAddr(0x40);
        assert_eq!((f.step(), f.state()), (Exit::Step, (HANDLER, 0)));
        // A breakpoint that the hart does not set out from.
        let mut f = make(&counting());
        f.engine.set_stops(Stops { stepping: vec![0], ..breakpoints(&[RAM]) });
        assert_eq!((f.run(1), f.state()), (Exit::Breakpoint, (RAM, 0)));
        // Sleep, which is the machine's affair.
        let mut f = make(&[insn(Op::Wfi, 0, 0, 0, 0)]);
        assert_eq!((f.step(), f.state()), (Exit::Wait, (RAM + 4, 1)));
    }
}

#[test]
fn a_step_out_of_cached_code_sees_it_overwritten() {
    for make in MAKES {
        let mut f = make(&counting());
        f.run(8);
        f.hart.pc = VirtAddr(RAM + 4);
        f.put(RAM + 4, &[addi(5, 0, 77)]);
        assert_eq!((f.step(), f.hart.x[5]), (Exit::Step, 77));
        // What a step overwrites is not run either.
        f.put(RAM + 0x20, &[insn(Op::Sw, 0, 8, 9, 0), jump_to_self()]);
        (f.hart.pc, f.hart.x[8], f.hart.x[9]) =
            (VirtAddr(RAM + 0x20), RAM + 0x24, addi(5, 0, 78).into());
        f.put(RAM + 0x28, &[jump_to_self()]);
        f.hart.pc = VirtAddr(RAM + 0x24);
        f.leave(Stops::default(), 10);
        f.hart.pc = VirtAddr(RAM + 0x20);
        assert_eq!(f.step(), Exit::Step);
        f.leave(Stops::default(), 1);
        assert_eq!(f.hart.x[5], 78);
    }
}

#[test]
fn code_overwritten_while_memory_is_watched_is_run_as_written() {
    for make in MAKES {
        // Stores x9 over the instruction behind the fence.
        let fence = insn(Op::FenceI, 0, 0, 0, 0);
        let mut f = make(&[insn(Op::Sw, 0, 8, 9, 0), fence, addi(5, 0, 1), jump_to_self()]);
        f.hart.x[8] = RAM + 8;
        for (round, stops) in (1..).zip([Stops::default(), watch(DATA, 8, WatchKind::Write)]) {
            for value in [2 * round, 2 * round + 1] {
                f.hart.x[9] = addi(5, 0, value).into();
                f.hart.pc = VirtAddr(RAM);
                while f.leave(stops.clone(), 10) == Exit::Attention {}
                assert_eq!(f.hart.x[5], value as u64);
            }
        }
        f.hart.x[9] = addi(5, 0, 99).into();
        f.hart.pc = VirtAddr(RAM);
        while f.leave(Stops::default(), 10) == Exit::Attention {}
        assert_eq!(f.hart.x[5], 99);
    }
}

#[test]
fn steps_take_no_interrupts() {
    for make in MAKES {
        let mut f = make(&[addi(5, 0, 1), addi(5, 0, 2), jump_to_self()]);
        f.write_csr(MIE, Interrupt::MachineSoftware.bit());
        f.write_csr(MSTATUS, 8);
        f.bus.irq.msip = 1;
        f.hart.sample_lines(&f.bus);
        assert_eq!((f.step(), f.state()), (Exit::Step, (RAM + 4, 1)));
        assert_eq!(f.leave(Stops::default(), 1), Exit::Budget);
        assert_eq!(f.trap(), (1 << 63 | 3, RAM + 4, 0));
    }
}

#[test]
fn stops_concern_other_harts_too() {
    for make in MAKES {
        let mut f = make(&counting());
        let stops = Stops { stepping: vec![1], ..Stops::default() };
        assert_eq!(f.leave(stops, 10), Exit::Budget, "hart 1 steps, this is hart 0");
    }
}

#[test]
fn what_a_hart_records_ends_with_the_watch() {
    let mut f = MAKES[1](&[insn(Op::Csrrw, 0, 8, 0, 0x340), jump_to_self()]);
    f.leave(watch(DATA, 8, WatchKind::Write), 10);
    f.hart.pc = VirtAddr(RAM);
    f.leave(Stops::default(), 10);
    assert_eq!(f.hart.csr.take_written().count(), 0);
    assert_eq!(f.hart.mmu.take_walks().count(), 0);
}

#[test]
#[should_panic(expected = "nobody hears")]
fn an_engine_that_nobody_observes_cannot_watch() {
    Interpreter::new(Extensions::ALL).set_stops(watch(DATA, 1, WatchKind::Read));
}
