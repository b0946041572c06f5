//! One client's session, from its connection to its leave: passes packets to the stub, and runs
//! the machine while the client waits for it to stop.

use std::convert::Infallible;
use std::io;
use std::net::TcpStream;
use std::time::Instant;

use gdbstub::common::Tid;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStubBuilder, GdbStubError, MultiThreadStopReason};

use super::target::Debuggee;
use super::wire::{self, Frame, PACKET_MAX_BYTES, Patience, Wire, WireError};
use super::{Bounds, LOOK_INTERVAL};
use crate::debug::view::Space;
use crate::machine::{Machine, Stop, StopRequest};

/// The `$`, `#` and checksum around a packet's payload.
const FRAME_BYTES: usize = 4;

/// Bytes of memory that one packet may ask for: as hexadecimal digits they fill a packet.
const READ_MAX_BYTES: u64 = PACKET_MAX_BYTES as u64 / 2;

/// How a session has ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The client has let go of the machine, which runs on.
    Detached,
    /// The client is gone, or not to be understood: the machine stands where it stood.
    Lost,
    /// The run is over.
    Run(Stop),
}

#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0}")]
    Stub(#[from] GdbStubError<Infallible, WireError>),
}

type Stub<'m> = GdbStubStateMachine<'static, Debuggee<'m>, Wire>;

/// Serves the client on `stream`.
pub(super) fn serve(machine: &mut Machine, stream: TcpStream, bounds: &Bounds<'_>) -> Ended {
    let mut target = Debuggee::new(machine, bounds);
    let ended = converse(&mut target, stream);
    target.release();
    ended.unwrap_or_else(|error| {
        log::warn!("gdb: the client is given up: {error}");
        Ended::Lost
    })
}

fn converse<'m>(target: &mut Debuggee<'m>, stream: TcpStream) -> Result<Ended, SessionError> {
    let wire = Wire::new(stream)?;
    let stub = GdbStubBuilder::new(wire).packet_buffer_size(PACKET_MAX_BYTES + FRAME_BYTES).build();
    let mut stub = stub.expect("the packet buffer is allocated").run_state_machine(target)?;
    let mut looked = Instant::now();
    // Why the run has ended, once it has.
    let mut end = None;
    loop {
        stub = match stub {
            GdbStubStateMachine::Idle(mut idle) => {
                if let Some(stop) = target.ended() {
                    idle.borrow_conn().close();
                    return Ok(Ended::Run(stop));
                }
                let frame = idle.borrow_conn().receive(Patience::Some)?;
                looked = Instant::now();
                match frame {
                    Some(Frame::Packet(payload)) => respond(idle.into(), target, &payload)?,
                    // What is to be interrupted has stopped already.
                    Some(Frame::Interrupt) | None => idle.into(),
                }
            }
            GdbStubStateMachine::Running(mut running) if looked.elapsed() >= LOOK_INTERVAL => {
                let frame = running.borrow_conn().receive(Patience::None)?;
                looked = Instant::now();
                match frame {
                    Some(Frame::Packet(payload)) => respond(running.into(), target, &payload)?,
                    Some(Frame::Interrupt) => {
                        let pause = target.interrupted();
                        target.look_at(pause.tid());
                        running.report_stop(target, pause.reason)?
                    }
                    None => running.into(),
                }
            }
            GdbStubStateMachine::Running(mut running) => match target.advance() {
                None => running.into(),
                Some(pause) => {
                    if let Some(message) = &pause.message {
                        running.borrow_conn().console(message)?;
                    }
                    end = pause.end;
                    target.look_at(pause.tid());
                    running.report_stop(target, pause.reason)?
                }
            },
            GdbStubStateMachine::CtrlCInterrupt(interrupt) => {
                interrupt.interrupt_handled(target, None::<MultiThreadStopReason<u64>>)?
            }
            GdbStubStateMachine::Disconnected(mut over) => {
                over.borrow_conn().close();
                return Ok(match over.get_reason() {
                    DisconnectReason::Disconnect => Ended::Detached,
                    DisconnectReason::Kill => Ended::Run(Stop::Request(StopRequest::Quit)),
                    DisconnectReason::TargetExited(_) | DisconnectReason::TargetTerminated(_) => {
                        Ended::Run(end.expect("only the end of a run is told as one"))
                    }
                });
            }
        }
    }
}

/// Has the packet answered: here if the stub does not know it, else by the stub.
fn respond<'m>(
    mut stub: Stub<'m>,
    target: &mut Debuggee<'m>,
    payload: &[u8],
) -> Result<Stub<'m>, SessionError> {
    note_current(target, payload);
    if let Some(answer) = own_answer(target, payload) {
        wire_of(&mut stub).answer(&answer)?;
        return Ok(stub);
    }
    for byte in wire::packet(payload) {
        stub = match stub {
            GdbStubStateMachine::Idle(idle) => idle.incoming_data(target, byte)?,
            GdbStubStateMachine::Running(running) => running.incoming_data(target, byte)?,
            other => other,
        };
    }
    if payload.starts_with(b"QStartNoAckMode") {
        wire_of(&mut stub).drop_acks();
    }
    Ok(stub)
}

/// Notes which thread the user looks at from now on: the stub tells it with registers and memory,
/// but not with a line for the monitor.
fn note_current(target: &mut Debuggee<'_>, payload: &[u8]) {
    let thread = payload.strip_prefix(b"Hg").and_then(|thread| str::from_utf8(thread).ok());
    // `pPROCESS.THREAD`, or the thread alone.
    let number = thread.and_then(|thread| thread.rsplit('.').next());
    let tid = number.and_then(|number| usize::from_str_radix(number, 16).ok());
    target.look_at(tid.and_then(Tid::new));
}

/// The answer to a packet that the stub does not know: QEMU's switch between virtual and physical
/// addresses; or that it must not see: a read of more memory than a packet can carry.
fn own_answer(target: &mut Debuggee<'_>, payload: &[u8]) -> Option<Vec<u8>> {
    let ok = || Some(b"OK".to_vec());
    match payload {
        b"qqemu.Supported" => Some(b"PhyMemMode".to_vec()),
        b"qqemu.PhyMemMode" => {
            let physical = target.space == Space::Physical;
            Some(if physical { b"1".to_vec() } else { b"0".to_vec() })
        }
        b"Qqemu.PhyMemMode:0" => {
            target.space = Space::Virtual;
            ok()
        }
        b"Qqemu.PhyMemMode:1" => {
            target.space = Space::Physical;
            ok()
        }
        [b'm', range @ ..] => {
            let range = str::from_utf8(range).ok()?;
            let len_bytes = u64::from_str_radix(range.split(',').nth(1)?, 16);
            let is_served = len_bytes.is_ok_and(|len_bytes| len_bytes <= READ_MAX_BYTES);
            (!is_served).then(|| b"E16".to_vec())
        }
        _ => None,
    }
}

fn wire_of<'a>(stub: &'a mut Stub<'_>) -> &'a mut Wire {
    match stub {
        GdbStubStateMachine::Idle(inner) => inner.borrow_conn(),
        GdbStubStateMachine::Running(inner) => inner.borrow_conn(),
        GdbStubStateMachine::CtrlCInterrupt(inner) => inner.borrow_conn(),
        GdbStubStateMachine::Disconnected(inner) => inner.borrow_conn(),
    }
}
