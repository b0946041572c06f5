//! `semget` and the others, of System V semaphores.

use alloc::vec::Vec;

use guest::errno::Errno;
use guest::ipc::ids::{self, READ, WRITE};
use guest::ipc::layout::{self, SEMAPHORES_WORDS};
use guest::ipc::semaphores::{For, Operation, VALUE_MAX};
use guest::task::time;

use super::super::Answer;
use super::{Commands, identifier, read_time};
use crate::arch::trap::TrapFrame;
use crate::ipc::{Lookup, limits, semaphores};
use crate::mm::user;
use crate::time as clock;

/// Bytes of `struct sembuf`.
const OPERATION_BYTES: u64 = 6;
/// Operations for which no memory of the heap is needed.
const FEW_OPERATIONS: usize = 8;
const NO_OPERATION: Operation = Operation::of([0; 3]);
/// Bytes of a value.
const VALUE_BYTES: u64 = 2;

const GET_PID: u32 = 11;
const GET_VALUE: u32 = 12;
const GET_ALL: u32 = 13;
const GET_INCREASE_WAITERS: u32 = 14;
const GET_ZERO_WAITERS: u32 = 15;
const SET_VALUE: u32 = 16;
const SET_ALL: u32 = 17;
const COMMANDS: Commands = Commands { stat: 18, info: 19, stat_any: 20 };

pub(super) fn semget(frame: &mut TrapFrame) -> Answer {
    let (key, count, flags) = (frame.a(0) as i32, frame.a(1) as i32, frame.a(2) as u32);
    semaphores::get(key, count, flags).map(|id| id as u64)
}

pub(super) fn semop(frame: &mut TrapFrame) -> Answer {
    operate(frame, None)
}

pub(super) fn semtimedop(frame: &mut TrapFrame) -> Answer {
    let time = read_time(frame.a(3))?;
    operate(frame, time)
}

/// Does operations, for at most so long.
fn operate(frame: &TrapFrame, timeout: Option<[u64; 2]>) -> Answer {
    let (at, count) = (frame.a(1), frame.a(2) as u32);
    let id = identifier(frame.a(0))?;
    if count < 1 {
        return Err(Errno::EINVAL);
    }
    if u64::from(count) > limits::semaphores().operations {
        return Err(Errno::E2BIG);
    }
    // Hardly anybody has many, and memory of the heap costs more than they do.
    let mut few = [NO_OPERATION; FEW_OPERATIONS];
    let mut many = Vec::new();
    let operations = match few.get_mut(..count as usize) {
        Some(few) => few,
        None => {
            many.try_reserve_exact(count as usize).map_err(|_| Errno::ENOMEM)?;
            many.resize(count as usize, NO_OPERATION);
            &mut many
        }
    };
    for (index, operation) in (0..).zip(&mut *operations) {
        *operation = Operation::of(user::read(at.wrapping_add(index * OPERATION_BYTES))?);
    }
    let timeout = timeout.map(time::from_timespec).transpose()?;
    let deadline = timeout.map(|ns| clock::now().after(ns));
    semaphores::operate(id, operations, deadline)?;
    Ok(0)
}

pub(super) fn semctl(frame: &mut TrapFrame) -> Answer {
    let (number, command, argument) = (frame.a(1) as i32, frame.a(2) as u32, frame.a(3));
    let id = identifier(frame.a(0))?;
    let status = |lookup: Lookup| {
        let (id, permissions, status) = semaphores::status(id, lookup)?;
        user::write(argument, &layout::semaphores(&permissions, &status))?;
        Ok(lookup.answer(id))
    };
    match command {
        command if command == ids::INFO || command == COMMANDS.info => info(command, argument),
        ids::STATUS => status(Lookup::Identifier),
        command if command == COMMANDS.stat => status(Lookup::Place),
        command if command == COMMANDS.stat_any => status(Lookup::PlaceForAnybody),
        GET_PID | GET_VALUE | GET_INCREASE_WAITERS | GET_ZERO_WAITERS => {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            semaphores::read(id, |set| {
                Ok(match command {
                    GET_PID => u64::from(set.pid(number)?),
                    GET_VALUE => u64::from(set.value(number)?),
                    GET_ZERO_WAITERS => set.waiters(number, For::Zero)? as u64,
                    _ => set.waiters(number, For::Increase)? as u64,
                })
            })
        }
        GET_ALL => get_all(id, argument),
        SET_ALL => set_all(id, argument),
        SET_VALUE => {
            let value = u16::try_from(argument as i32).ok().filter(|value| *value <= VALUE_MAX);
            let value = value.ok_or(Errno::ERANGE)?;
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            semaphores::set_values(id, number, &[value])?;
            Ok(0)
        }
        ids::SET => {
            let words: [u64; SEMAPHORES_WORDS] = user::read(argument)?;
            semaphores::change(id, layout::new_owner(&words))?;
            Ok(0)
        }
        ids::REMOVE => {
            semaphores::remove(id)?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Room for so many values.
fn values(count: usize) -> Result<Vec<u16>, Errno> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    values.resize(count, 0);
    Ok(values)
}

fn get_all(id: i32, at: u64) -> Answer {
    let mut values = values(semaphores::count(id, READ)?)?;
    semaphores::read(id, |set| {
        set.values(&mut values);
        Ok(())
    })?;
    for (index, value) in (0..).zip(&values) {
        user::write(at.wrapping_add(index * VALUE_BYTES), value)?;
    }
    Ok(0)
}

fn set_all(id: i32, at: u64) -> Answer {
    let mut values = values(semaphores::count(id, WRITE)?)?;
    for (index, value) in (0..).zip(&mut values) {
        *value = user::read(at.wrapping_add(index * VALUE_BYTES))?;
    }
    semaphores::set_values(id, 0, &values)?;
    Ok(0)
}

/// `IPC_INFO` and `SEM_INFO`: limits and what is in use; the highest place.
fn info(command: u32, at: u64) -> Answer {
    /// What Linux says of a structure that it once had.
    const UNDO_BYTES: u64 = 20;
    let [count, highest, used] = semaphores::usage();
    let limits::Semaphores { of_set, all, operations, sets } = limits::semaphores();
    let [count, used] = match command == COMMANDS.info {
        true => [count, used],
        false => [UNDO_BYTES, u64::from(VALUE_MAX)],
    };
    let value_max = u64::from(VALUE_MAX);
    let numbers = [all, sets, all, all, of_set, operations, operations, count, value_max, used];
    user::write(at, &layout::semaphores_info(numbers))?;
    Ok(highest)
}
