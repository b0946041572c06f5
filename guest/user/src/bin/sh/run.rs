//! Walks the tree of commands.

use alloc::vec::Vec;

use guest_user::bytes::Bytes;
use guest_user::shell::ast::{Chain, Command, Condition, Item, Kind, List, Pipeline, Word};
use guest_user::shell::expand;
use guest_user::sys::signal;
use guest_user::{eprint, eprintln};
use linux_raw_sys::general::SIGINT;

use crate::EXIT_USAGE;
use crate::builtins::{self, Builtin};
use crate::redirect::Saved;
use crate::spawn::Place;
use crate::state::{Flow, Shell, Variable};

/// Status after Ctrl-C.
const STATUS_INTERRUPTED: i32 = 128 + SIGINT as i32;

/// A simple command after expansion.
pub(crate) struct Simple {
    pub(crate) assignments: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) words: Vec<Vec<u8>>,
}

impl Shell {
    /// Runs commands one after the other.
    pub(crate) fn run_list(&mut self, list: &List) {
        for item in &list.0 {
            self.notice_interrupt();
            if self.flow != Flow::On {
                return;
            }
            if item.background {
                self.start_in_background(item);
            } else {
                self.run_item(item);
            }
        }
    }

    fn run_item(&mut self, item: &Item) {
        self.run_chain(&item.chain, &item.text);
        let failed = self.status != 0 && !item.chain.first.negated && item.chain.rest.is_empty();
        if failed && self.exits_on_error && self.conditions == 0 && self.flow == Flow::On {
            self.flow = Flow::Exit;
        }
    }

    /// Whether Ctrl-C was typed while the shell itself was at work.
    pub(crate) fn notice_interrupt(&mut self) {
        if self.interactive && signal::take(SIGINT) {
            // Behind the ^C that the terminal shows.
            eprintln!();
            self.interrupt();
        }
    }

    /// Gives up what runs.
    pub(crate) fn interrupt(&mut self) {
        self.status = STATUS_INTERRUPTED;
        self.flow = Flow::Interrupted;
    }

    pub(crate) fn run_chain(&mut self, chain: &Chain, text: &[u8]) {
        self.conditions += usize::from(!chain.rest.is_empty());
        self.run_pipeline(&chain.first, text);
        for (index, (condition, pipeline)) in chain.rest.iter().enumerate() {
            // The last one's failure is the chain's.
            if index + 1 == chain.rest.len() {
                self.conditions -= 1;
            }
            if self.flow == Flow::On && self.holds(*condition) {
                self.run_pipeline(pipeline, text);
            }
        }
    }

    fn holds(&self, condition: Condition) -> bool {
        (self.status == 0) == (condition == Condition::Success)
    }

    fn run_pipeline(&mut self, pipeline: &Pipeline, text: &[u8]) {
        match &pipeline.commands[..] {
            [command] => self.run_command(command, text),
            commands => self.run_job(commands, text),
        }
        if pipeline.negated {
            self.status = i32::from(self.status == 0);
        }
    }

    /// Runs a command in this process as far as that is possible.
    pub(crate) fn run_command(&mut self, command: &Command, text: &[u8]) {
        match &command.kind {
            Kind::Simple { assignments, words } => {
                match self.expand(assignments, words) {
                    Some(simple) => self.run_simple(command, &simple, text),
                    None => self.status = EXIT_USAGE,
                }
                return;
            }
            Kind::Subshell(_) => return self.run_job(core::slice::from_ref(command), text),
            _ => {}
        }
        if let Some(saved) = self.redirect(&command.redirections) {
            self.run_compound(&command.kind);
            saved.restore();
        }
    }

    /// Runs a compound command whose redirections are made.
    pub(crate) fn run_compound(&mut self, kind: &Kind) {
        match kind {
            Kind::Group(list) | Kind::Subshell(list) => self.run_list(list),
            Kind::If { branches, otherwise } => {
                for (condition, body) in branches {
                    self.run_condition(condition);
                    if self.flow != Flow::On {
                        return;
                    }
                    if self.status == 0 {
                        return self.run_list(body);
                    }
                }
                self.status = 0;
                if let Some(body) = otherwise {
                    self.run_list(body);
                }
            }
            Kind::While { wanted, condition, body } => self.run_while(*wanted, condition, body),
            Kind::For { name, words, body } => self.run_for(name, words.as_deref(), body),
            Kind::Simple { .. } => {}
        }
    }

    fn run_condition(&mut self, condition: &List) {
        self.conditions += 1;
        self.run_list(condition);
        self.conditions -= 1;
    }

    fn run_while(&mut self, wanted: Condition, condition: &List, body: &List) {
        let mut status = 0;
        self.loops += 1;
        loop {
            self.run_condition(condition);
            if self.flow == Flow::On && self.holds(wanted) {
                self.run_list(body);
                status = self.status;
            } else if self.flow == Flow::On {
                self.status = status;
                break;
            }
            if self.ends_loop() {
                break;
            }
        }
        self.loops -= 1;
    }

    fn run_for(&mut self, name: &[u8], words: Option<&[Word]>, body: &List) {
        let values = match words {
            None => self.positional.clone(),
            Some(words) => match expand::fields(words, self) {
                Ok(values) => values,
                Err(error) => return self.fail(error),
            },
        };
        self.status = 0;
        self.loops += 1;
        for value in values {
            self.set(name, &value);
            self.run_list(body);
            if self.ends_loop() {
                break;
            }
        }
        self.loops -= 1;
    }

    /// Whether the innermost loop ends here; `break` and `continue` are used up by one loop.
    fn ends_loop(&mut self) -> bool {
        self.notice_interrupt();
        match self.flow {
            Flow::On => false,
            Flow::Continue(1) => {
                self.flow = Flow::On;
                false
            }
            Flow::Break(1) => {
                self.flow = Flow::On;
                true
            }
            Flow::Break(more) => {
                self.flow = Flow::Break(more - 1);
                true
            }
            Flow::Continue(more) => {
                self.flow = Flow::Continue(more - 1);
                true
            }
            Flow::Exit | Flow::Interrupted => true,
        }
    }

    /// Expands a simple command; none, with a message, where that fails.
    pub(crate) fn expand(
        &mut self,
        assignments: &[(Vec<u8>, Word)],
        words: &[Word],
    ) -> Option<Simple> {
        self.substituted = None;
        let words = expand::fields(words, self).map_err(|error| self.fail(error)).ok()?;
        let mut values = Vec::new();
        for (name, word) in assignments {
            let value = expand::text(word, self).map_err(|error| self.fail(error)).ok()?;
            values.push((name.clone(), value));
        }
        if words.is_empty() {
            // Without a command, the status is that of the last substitution.
            self.status = self.substituted.unwrap_or(0);
        }
        if self.traces {
            eprint!("+");
            for (name, value) in &values {
                eprint!(" {}={}", Bytes(name), Bytes(value));
            }
            words.iter().for_each(|word| eprint!(" {}", Bytes(word)));
            eprintln!();
        }
        Some(Simple { assignments: values, words })
    }

    /// Complains about words that have no value.
    fn fail(&mut self, error: expand::ExpandError) {
        eprintln!("sh: {error}");
        self.status = EXIT_USAGE;
    }

    fn run_simple(&mut self, command: &Command, simple: &Simple, text: &[u8]) {
        let Some(name) = simple.words.first() else {
            // Redirections alone only make files.
            if let Some(saved) = self.redirect(&command.redirections) {
                saved.restore();
                simple.assignments.iter().for_each(|(name, value)| self.set(name, value));
            }
            return;
        };
        match builtins::find(name) {
            Some(builtin) => self.run_builtin(builtin, command, simple),
            None => {
                let place = Place::Foreground;
                self.start_program(simple, &command.redirections, place, text);
            }
        }
    }

    fn run_builtin(&mut self, builtin: &Builtin, command: &Command, simple: &Simple) {
        let Some(saved) = self.redirect(&command.redirections) else { return };
        if builtin.name == "exec" {
            return self.run_exec(simple, saved);
        }
        let before: Vec<(Vec<u8>, Option<Variable>)> =
            simple.assignments.iter().map(|(name, _)| (name.clone(), self.unset(name))).collect();
        simple.assignments.iter().for_each(|(name, value)| self.set(name, value));
        self.status = (builtin.run)(self, &simple.words[1..]);
        for (name, variable) in before {
            match variable {
                Some(variable) => self.put_back(variable),
                None => drop(self.unset(&name)),
            }
        }
        if let Err(error) = saved.restore_reporting() {
            eprintln!("sh: {}: write error: {error}", builtin.name);
            self.status = 1;
        }
    }

    /// `exec`: the redirections stay; a program takes this process's place.
    fn run_exec(&mut self, simple: &Simple, saved: Saved) {
        saved.keep();
        simple.assignments.iter().for_each(|(name, value)| self.set(name, value));
        self.status = 0;
        if simple.words.len() > 1 {
            let program = Simple {
                assignments: simple.assignments.clone(),
                words: simple.words[1..].to_vec(),
            };
            self.status = self.become_program(&program);
            if !self.interactive {
                self.flow = Flow::Exit;
            }
        }
    }
}
