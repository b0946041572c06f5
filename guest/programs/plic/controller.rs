//! The controller itself (RISC-V Platform-Level Interrupt Controller Specification; the chapters
//! that are named below are its).

use guest_runtime::check::Checks;
use guest_runtime::run::cause::{ECALL_S, INTERRUPT};
use guest_runtime::run::{Mode, run};
use guest_runtime::{csr, frames, snippets};

use crate::devices::{
    CONTEXTS, Context, SOURCES, Source, calm, completion_forgets, pending, priority, set_priority,
};

/// `mip`: external interrupts.
const MEIP: u64 = 1 << 11;
const SEIP: u64 = 1 << 9;

const MAX_PRIORITY: u32 = 7;
const BOTH: u32 = Source::Uart.bit() | Source::Rtc.bit();

snippets! {
    forever = "1: j 1b";
}

/// Which of the two external interrupts is pending.
fn lines() -> u64 {
    csr::read::<{ csr::MIP }>() & (MEIP | SEIP)
}

pub(crate) fn registers(checks: &mut Checks) {
    calm();
    for source in [1, 8, Source::Uart.number(), Source::Rtc.number(), 53] {
        for value in [0, 1, 5, MAX_PRIORITY, 0] {
            set_priority(source, value);
            checks.equal(format_args!("priority of {source}"), priority(source), value);
        }
    }
    for context in CONTEXTS {
        for (word, bits) in [(0, BOTH), (0, 0x0000_01fe), (1, 0x55), (1, 0), (0, 0)] {
            context.enable(word, bits);
            checks.equal(format_args!("{context:?} enables"), context.enabled(word), bits);
        }
        for value in [MAX_PRIORITY, 3, 0] {
            context.set_threshold(value);
            checks.equal(format_args!("{context:?} threshold"), context.threshold(), value);
        }
        let other = CONTEXTS[1 - context as usize];
        context.enable(0, BOTH);
        context.set_threshold(2);
        checks.equal("contexts are apart", (other.enabled(0), other.threshold()), (0, 0));
        context.enable(0, 0);
        context.set_threshold(0);
    }
    checks.equal("pending", pending(), 0);
    guest_runtime::mmio::write_word(guest_runtime::board::PLIC + 0x1000, u32::MAX);
    checks.equal("pending is read-only", pending(), 0);
    for context in CONTEXTS {
        checks.equal("nothing to claim", context.claim(), 0);
    }
}

/// "Interrupt Gateways": a request is forwarded once, then the gateway waits for completion.
pub(crate) fn gateways(checks: &mut Checks) {
    for source in SOURCES {
        calm();
        checks.equal("quiet", (pending() & BOTH, lines()), (0, 0));
        source.raise();
        checks.equal("pending while nobody enables it", pending() & BOTH, source.bit());
        checks.equal("no line", lines(), 0);
        checks.equal("nothing to claim", Context::Machine.claim(), 0);
        Context::Machine.enable_only(0, source.bit());
        if lines() == 0 {
            checks.skip("a line that rises when its source is enabled");
        }
        Context::Machine.enable(0, source.bit());
        checks.equal("enabled", lines(), MEIP);
        Context::Machine.enable(0, 0);
        checks.equal("disabled again", lines(), 0);
        Context::Machine.enable(0, source.bit());
        checks.equal("claim", Context::Machine.claim(), source.number());
        checks.equal("claimed", (pending() & BOTH, lines()), (0, 0));
        checks.equal("claimed once", Context::Machine.claim(), 0);
        // The device still asks, as the driver has not served it.
        Context::Machine.complete(source.number());
        if pending() & BOTH == 0 {
            completion_forgets();
            checks.skip("a new request of a source that was not served");
            source.lower();
            source.raise();
        }
        checks.equal("asks again", (pending() & BOTH, lines()), (source.bit(), MEIP));
        checks.equal("claim", Context::Machine.claim(), source.number());
        source.lower();
        Context::Machine.complete(source.number());
        checks.equal("served", (pending() & BOTH, lines()), (0, 0));
        // A request is not taken back.
        source.raise();
        source.lower();
        if pending() & BOTH == 0 {
            checks.skip("requests outlive their cause");
            continue;
        }
        checks.equal("still pending", (pending() & BOTH, lines()), (source.bit(), MEIP));
        checks.equal("claim", Context::Machine.claim(), source.number());
        Context::Machine.complete(source.number());
        checks.equal("once only", Context::Machine.claim(), 0);
    }
}

/// "Interrupt Priorities": the highest first; the lowest number among equals; 0 is never.
pub(crate) fn priorities(checks: &mut Checks) {
    let (uart, rtc) = (Source::Uart.number(), Source::Rtc.number());
    for (priorities, order) in [
        ([1, 2], [rtc, uart, 0]),
        ([2, 1], [uart, rtc, 0]),
        ([3, 3], [uart, rtc, 0]),
        ([MAX_PRIORITY, 6], [uart, rtc, 0]),
        ([6, MAX_PRIORITY], [rtc, uart, 0]),
        ([0, 1], [rtc, 0, 0]),
        ([1, 0], [uart, 0, 0]),
        ([0, 0], [0, 0, 0]),
    ] {
        calm();
        set_priority(uart, priorities[0]);
        set_priority(rtc, priorities[1]);
        SOURCES.iter().for_each(|source| source.raise());
        Context::Machine.enable(0, BOTH);
        let want = if order[0] == 0 { 0 } else { MEIP };
        checks.equal(format_args!("{priorities:?}: line"), lines(), want);
        let claimed = [(); 3].map(|()| Context::Machine.claim());
        checks.equal(format_args!("{priorities:?}: order of claims"), claimed, order);
    }
    // A priority that changes changes the order.
    calm();
    SOURCES.iter().for_each(|source| source.raise());
    Context::Machine.enable(0, BOTH);
    set_priority(uart, 0);
    set_priority(rtc, 0);
    checks.equal("both become 0", lines(), 0);
    set_priority(rtc, 4);
    checks.equal("one becomes 4", lines(), MEIP);
    checks.equal("claim", Context::Machine.claim(), rtc);
    calm();
}

/// "Priority Thresholds": only what is above interrupts; a claim does not look at it.
pub(crate) fn thresholds(checks: &mut Checks) {
    calm();
    Context::Machine.enable(0, Source::Uart.bit());
    Source::Uart.raise();
    for priority in 0..=MAX_PRIORITY {
        set_priority(Source::Uart.number(), priority);
        for threshold in 0..=MAX_PRIORITY {
            Context::Machine.set_threshold(threshold);
            let want = if priority > threshold { MEIP } else { 0 };
            checks.equal(format_args!("{priority} and {threshold}"), lines(), want);
        }
    }
    set_priority(Source::Uart.number(), 3);
    Context::Machine.set_threshold(5);
    match Context::Machine.claim() {
        0 => checks.skip("claims below the threshold"),
        claimed => checks.equal("claim", claimed, Source::Uart.number()),
    }
    Context::Machine.set_threshold(0);
    calm();
}

/// "Interrupt Completion": only of what the context enables, and in any order.
pub(crate) fn completion(checks: &mut Checks) {
    let (uart, rtc) = (Source::Uart.number(), Source::Rtc.number());
    calm();
    Context::Machine.enable(0, BOTH);
    SOURCES.iter().for_each(|source| source.raise());
    let claimed = [(); 2].map(|()| Context::Machine.claim());
    checks.equal("both are claimed", claimed, [uart, rtc]);
    // In the order of the claims or not.
    SOURCES.iter().for_each(|source| source.lower());
    Context::Machine.complete(uart);
    Context::Machine.complete(rtc);
    SOURCES.iter().for_each(|source| source.raise());
    let claimed = [(); 2].map(|()| Context::Machine.claim());
    checks.equal("and again", claimed, [uart, rtc]);
    // The serial port is in service until its own number comes back.
    for other in [0, rtc, 1, 53, 1023, u32::MAX] {
        Source::Uart.lower();
        Context::Machine.complete(other);
        Source::Uart.raise();
        let pending = pending() & Source::Uart.bit() != 0;
        if pending {
            checks.skip("a closed gateway holds back new requests");
            break;
        }
        checks.equal(
            format_args!("completion of {other}"),
            Context::Machine.claim() == uart,
            false,
        );
    }
    // Nobody listens to what a context completes that it does not enable.
    calm();
    Context::Machine.enable(0, BOTH);
    Source::Uart.raise();
    checks.equal("claim", Context::Machine.claim(), uart);
    Context::Machine.enable(0, Source::Rtc.bit());
    Context::Machine.complete(uart);
    Context::Machine.enable(0, BOTH);
    checks.equal("not completed", Context::Machine.claim(), 0);
    Context::Supervisor.complete(uart);
    checks.equal("not completed by the other context", Context::Machine.claim(), 0);
    Source::Uart.lower();
    Context::Machine.complete(uart);
    Source::Uart.raise();
    checks.equal("completed", Context::Machine.claim(), uart);
    calm();
}

/// "Interrupt Claims" and "Interrupt Notifications": each context has a line of its own, and the
/// first to claim gets the interrupt.
pub(crate) fn contexts(checks: &mut Checks) {
    let uart = Source::Uart.number();
    calm();
    Source::Uart.raise();
    for (machine, supervisor) in [(0, 0), (0, BOTH), (BOTH, 0), (BOTH, BOTH)] {
        Context::Machine.enable(0, machine);
        Context::Supervisor.enable(0, supervisor);
        let want = if machine != 0 { MEIP } else { 0 } | if supervisor != 0 { SEIP } else { 0 };
        checks.equal(format_args!("{machine:#x} {supervisor:#x}"), lines(), want);
    }
    Context::Supervisor.set_threshold(1);
    checks.equal("thresholds are apart", lines(), MEIP);
    Context::Supervisor.set_threshold(0);
    for context in CONTEXTS {
        checks.equal("claim", context.claim(), uart);
        checks.equal("both lines fall", lines(), 0);
        checks.equal("the other finds nothing", CONTEXTS[1 - context as usize].claim(), 0);
        Source::Uart.lower();
        context.complete(uart);
        Source::Uart.raise();
        checks.equal("both lines rise", lines(), MEIP | SEIP);
    }
    // mip.SEIP is the line or the bit that M-mode has written.
    csr::set::<{ csr::MIP }>(SEIP);
    calm();
    checks.equal("SEIP by M-mode", lines(), SEIP);
    csr::clear::<{ csr::MIP }>(SEIP);
    checks.equal("SEIP by nobody", lines(), 0);
    Source::Uart.raise();
    Context::Supervisor.enable(0, BOTH);
    csr::clear::<{ csr::MIP }>(SEIP);
    checks.equal("SEIP by the controller", lines(), SEIP);
    calm();
}

/// Interrupts go where they should, from running code.
pub(crate) fn taken(checks: &mut Checks) {
    calm();
    let stvec = frames::at(1);
    frames::write_code(stvec, &[0x73; 4]);
    csr::write::<{ csr::STVEC }>(stvec);
    csr::write::<{ csr::MIDELEG }>(SEIP);
    csr::write::<{ csr::MIE }>(MEIP | SEIP);
    for source in SOURCES {
        source.raise();
        Context::Machine.enable(0, BOTH);
        csr::set::<{ csr::MSTATUS }>(csr::MSTATUS_MPIE);
        for mode in [Mode::Machine, Mode::Supervisor, Mode::User] {
            let got = run(mode, forever(), &[]);
            let want = (INTERRUPT | 11, forever().address());
            checks.equal(format_args!("{source:?} in {mode:?}"), (got.cause, got.epc), want);
        }
        Context::Machine.enable(0, 0);
        Context::Supervisor.enable(0, BOTH);
        for (mode, sie) in [(Mode::Supervisor, csr::MSTATUS_SIE), (Mode::User, 0)] {
            csr::set::<{ csr::MSTATUS }>(sie);
            csr::write::<{ csr::SCAUSE }>(0);
            let got = run(mode, forever(), &[]);
            csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_SIE);
            checks.equal(
                format_args!("{source:?}, {mode:?}"),
                (got.cause, got.epc),
                (ECALL_S, stvec),
            );
            checks.equal("scause", csr::read::<{ csr::SCAUSE }>(), INTERRUPT | 9);
        }
        source.lower();
        let claimed = Context::Supervisor.claim();
        if claimed == 0 {
            checks.skip("requests outlive their cause");
        } else {
            checks.equal("claim", claimed, source.number());
        }
        Context::Supervisor.complete(source.number());
        calm();
    }
    csr::write::<{ csr::MIE }>(0);
    csr::write::<{ csr::MIDELEG }>(0);
    // A device ends a WFI.
    csr::write::<{ csr::MIE }>(MEIP);
    Context::Machine.enable(0, Source::Rtc.bit());
    let at = crate::rtc::alarm_soon();
    while lines() == 0 {
        csr::wait_for_interrupt();
    }
    checks.that(crate::devices::rtc::now_ns() >= at, "the alarm ends a WFI, not before its time");
    csr::write::<{ csr::MIE }>(0);
    calm();
}
