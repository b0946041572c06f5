//! What the guest's consoles and the monitor are connected to: `-serial`, `-monitor`, `-mon`,
//! `-chardev`, and the `chardev=` of a virtio console. [`Plan::new`] settles who has the
//! terminal; `terminal.rs` then serves it.

use std::path::PathBuf;

use super::program::Wiring;
use super::props::{Props, did_you_mean};

/// What the other end of a console is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Nothing: output is lost, input never comes.
    Null,
    /// Output goes to this file, input never comes.
    File(PathBuf),
    /// Standard input and output.
    Stdio,
    /// Standard error; input never comes.
    Stderr,
}

/// Whose standard input and output are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Owner {
    /// Those of consoles and monitor, as options say.
    #[default]
    Consoles,
    /// Those of a program in the guest. Messages of its kernel go to standard error.
    Program(Wiring),
}

/// Where the monitor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Monitor {
    /// Nowhere.
    None,
    /// On standard input, which it shares with a console: Ctrl-A c changes between them.
    Shared,
    /// On standard input, which no console uses.
    Alone,
}

/// A character device as options describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Backend {
    Null,
    File(PathBuf),
    Stdio(Sharing),
    Stderr,
}

/// Whether the monitor may share a character device with a console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    Alone,
    Shared,
}

/// `-chardev KIND,id=NAME`: a character device for others to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chardev {
    id: String,
    backend: Backend,
}

impl Chardev {
    /// # Errors
    /// In words, where `text` describes none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let props = Props::parse(text, Some("backend"))?;
        let backend = match props.demand("backend")? {
            "null" => {
                props.allow(&["backend", "id"])?;
                Backend::Null
            }
            "file" => {
                props.allow(&["backend", "id", "path"])?;
                Backend::File(props.demand("path")?.into())
            }
            "stdio" => {
                props.allow(&["backend", "id", "mux"])?;
                let is_shared = props.switch("mux")?.unwrap_or(false);
                Backend::Stdio(if is_shared { Sharing::Shared } else { Sharing::Alone })
            }
            other => {
                let advice = did_you_mean(other, &["null", "stdio", "file"]);
                return Err(format!(
                    "character devices of kind `{other}` are not supported{advice}"
                ));
            }
        };
        Ok(Self { id: props.demand("id")?.to_owned(), backend })
    }
}

/// What the serial port or the monitor is connected to: `stdio`, `chardev:NAME`, ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    text: String,
    end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Backend(Backend),
    Chardev(String),
    /// `mon:stdio`: the monitor comes along.
    WithMonitor,
}

impl Target {
    /// What `-serial` says.
    ///
    /// # Errors
    /// In words, where that is nothing that is known.
    pub(super) fn serial(text: &str) -> Result<Self, String> {
        let end = match text.split_once(':') {
            None if text == "stdio" => End::Backend(Backend::Stdio(Sharing::Alone)),
            None if text == "none" || text == "null" => End::Backend(Backend::Null),
            Some(("mon", "stdio")) => End::WithMonitor,
            Some(("chardev", id)) => End::Chardev(id.to_owned()),
            Some(("file", path)) if !path.is_empty() => End::Backend(Backend::File(path.into())),
            _ => {
                let known = "mon:stdio, stdio, none, null, file:PATH or chardev:NAME";
                return Err(format!("`{text}` is not supported: expected {known}"));
            }
        };
        Ok(Self { text: format!("-serial {text}"), end })
    }

    /// What `-monitor` says.
    ///
    /// # Errors
    /// In words, where that is nothing that is known.
    pub(super) fn monitor(text: &str) -> Result<Self, String> {
        let end = match text.split_once(':') {
            None if text == "stdio" => End::Backend(Backend::Stdio(Sharing::Alone)),
            None if text == "none" || text == "null" => End::Backend(Backend::Null),
            Some(("chardev", id)) => End::Chardev(id.to_owned()),
            _ => {
                let known = "none, stdio or chardev:NAME";
                return Err(format!("`{text}` is not supported: expected {known}"));
            }
        };
        Ok(Self { text: format!("-monitor {text}"), end })
    }

    /// What `-mon` says, which is the same as `-monitor chardev:NAME`.
    ///
    /// # Errors
    /// In words, where that is nothing that is known.
    pub(super) fn mon(text: &str) -> Result<Self, String> {
        let props = Props::parse(text, Some("chardev"))?;
        props.allow(&["chardev", "mode"])?;
        props.word("mode", &[("readline", ())])?;
        let id = props.demand("chardev")?.to_owned();
        Ok(Self { text: format!("-mon {text}"), end: End::Chardev(id) })
    }

    /// What the serial port is connected to where nobody says.
    fn default_serial(wishes: &Wishes<'_>) -> Self {
        let end = match (wishes.owner, wishes.monitor) {
            (Owner::Program(_), _) => End::Backend(Backend::Stderr),
            (Owner::Consoles, None) => End::WithMonitor,
            (Owner::Consoles, Some(_)) => End::Backend(Backend::Stdio(Sharing::Alone)),
        };
        Self { text: "the serial port".to_owned(), end }
    }

    /// What the `chardev=` of a virtio console says; `text` is the whole option.
    pub(super) fn console(text: &str, chardev: Option<&str>) -> Self {
        let end = chardev.map_or(End::Backend(Backend::Null), |id| End::Chardev(id.to_owned()));
        Self { text: text.to_owned(), end }
    }
}

/// What the options say of consoles and monitor.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes<'a> {
    pub(super) chardevs: &'a [Chardev],
    pub(super) serial: Option<&'a Target>,
    pub(super) monitor: Option<&'a Target>,
    /// Of each virtio console.
    pub(super) consoles: &'a [&'a Target],
    pub(super) owner: Owner,
}

/// Who is connected to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) serial: Stream,
    pub(super) monitor: Monitor,
    /// Of each virtio console.
    pub(super) consoles: Vec<Stream>,
    pub(super) owner: Owner,
}

impl Plan {
    /// Settles who has what. Where nothing is said of serial port and monitor, both have standard
    /// input and output.
    ///
    /// # Errors
    /// In words, where two want the same, or something that is not there.
    pub(super) fn new(wishes: &Wishes<'_>) -> Result<Self, String> {
        let default = Target::default_serial(wishes);
        let serial = wishes.serial.unwrap_or(&default);
        let mut settling = Settling::new(wishes.chardevs)?;
        if wishes.owner != Owner::Consoles {
            settling.console = Some(("the program", Sharing::Alone));
        }
        let serial_stream = settling.console(serial)?;
        let consoles = wishes.consoles.iter().map(|console| settling.console(console));
        let consoles = consoles.collect::<Result<_, _>>()?;
        if let Some(monitor) = wishes.monitor {
            settling.monitor(monitor)?;
        }
        let monitor = settling.finish()?;
        Ok(Self { serial: serial_stream, monitor, consoles, owner: wishes.owner })
    }
}

/// Who has been found to use what, so far.
struct Settling<'a> {
    chardevs: &'a [Chardev],
    used: Vec<&'a str>,
    /// The console on standard input and output.
    console: Option<(&'a str, Sharing)>,
    monitor: Option<(&'a str, Sharing)>,
}

impl<'a> Settling<'a> {
    fn new(chardevs: &'a [Chardev]) -> Result<Self, String> {
        for (index, chardev) in chardevs.iter().enumerate() {
            if chardevs[..index].iter().any(|other| other.id == chardev.id) {
                return Err(format!("-chardev: two are called `{}`", chardev.id));
            }
        }
        Ok(Self { chardevs, used: Vec::new(), console: None, monitor: None })
    }

    fn find<'t>(&mut self, target: &'t Target) -> Result<&'t Backend, String>
    where
        'a: 't,
    {
        match &target.end {
            End::Backend(backend) => Ok(backend),
            End::WithMonitor => Ok(&Backend::Stdio(Sharing::Shared)),
            End::Chardev(id) => {
                let found = self.chardevs.iter().find(|chardev| chardev.id == *id);
                let chardev =
                    found.ok_or_else(|| format!("{}: no -chardev has id=`{id}`", target.text))?;
                self.used.push(&chardev.id);
                Ok(&chardev.backend)
            }
        }
    }

    fn console(&mut self, target: &'a Target) -> Result<Stream, String> {
        let sharing = match self.find(target)? {
            Backend::Null => return Ok(Stream::Null),
            Backend::File(path) => return Ok(Stream::File(path.clone())),
            Backend::Stderr => return Ok(Stream::Stderr),
            Backend::Stdio(sharing) => *sharing,
        };
        if let Some((other, _)) = self.console {
            return Err(conflict(&target.text, other));
        }
        self.console = Some((&target.text, sharing));
        if target.end == End::WithMonitor {
            self.monitor = Some((&target.text, sharing));
        }
        Ok(Stream::Stdio)
    }

    fn monitor(&mut self, target: &'a Target) -> Result<(), String> {
        let sharing = match self.find(target)? {
            Backend::Null => return Ok(()),
            Backend::File(_) | Backend::Stderr => {
                return Err(format!("{}: a file cannot ask", target.text));
            }
            Backend::Stdio(sharing) => *sharing,
        };
        if let Some((other, _)) = self.monitor {
            return Err(conflict(&target.text, other));
        }
        self.monitor = Some((&target.text, sharing));
        Ok(())
    }

    fn finish(self) -> Result<Monitor, String> {
        let is_used = |chardev: &&Chardev| !self.used.contains(&chardev.id.as_str());
        if let Some(idle) = self.chardevs.iter().find(is_used) {
            return Err(format!("-chardev: nothing uses `{}`", idle.id));
        }
        match (self.console, self.monitor) {
            (_, None) => Ok(Monitor::None),
            (None, Some(_)) => Ok(Monitor::Alone),
            (Some((_, Sharing::Shared)), Some((_, Sharing::Shared))) => Ok(Monitor::Shared),
            (Some((console, _)), Some((monitor, _))) => Err(conflict(monitor, console)),
        }
    }
}

fn conflict(one: &str, other: &str) -> String {
    format!(
        "{one}: standard input is already used by {other} (-serial mon:stdio shares it between \
         serial port and monitor)"
    )
}

#[cfg(test)]
mod tests;
