//! Tests of `streams.rs`.

use super::*;

/// What comes of options, each a word and what it says.
fn plan(options: &str) -> Result<Plan, String> {
    let (mut chardevs, mut consoles) = (Vec::new(), Vec::new());
    let (mut serial, mut monitor) = (None, None);
    for option in options.split(' ').filter(|option| !option.is_empty()) {
        let (name, text) = option.split_once('=').unwrap();
        match name {
            "chardev" => chardevs.push(Chardev::parse(text)?),
            "serial" => serial = Some(Target::serial(text)?),
            "monitor" => monitor = Some(Target::monitor(text)?),
            "mon" => monitor = Some(Target::mon(text)?),
            "console" => consoles.push(Target::console("console", Some(text))),
            "bare" => consoles.push(Target::console("console", None)),
            _ => panic!("{name}"),
        }
    }
    let consoles: Vec<_> = consoles.iter().collect();
    let (serial, monitor) = (serial.as_ref(), monitor.as_ref());
    let owner = Owner::Consoles;
    Plan::new(&Wishes { chardevs: &chardevs, serial, monitor, consoles: &consoles, owner })
}

#[test]
fn everybody_gets_a_stream() {
    use Monitor as M;
    use Stream::{Null, Stdio};
    let file = || Stream::File("out.log".into());
    for (options, serial, monitor, consoles) in [
        ("", Stdio, M::Shared, vec![]),
        ("serial=mon:stdio", Stdio, M::Shared, vec![]),
        ("serial=mon:stdio monitor=none", Stdio, M::Shared, vec![]),
        ("serial=stdio", Stdio, M::None, vec![]),
        ("monitor=none", Stdio, M::None, vec![]),
        ("serial=stdio monitor=none", Stdio, M::None, vec![]),
        ("serial=none", Null, M::None, vec![]),
        ("serial=null monitor=stdio", Null, M::Alone, vec![]),
        ("serial=file:out.log", file(), M::None, vec![]),
        ("serial=file:out.log monitor=stdio", file(), M::Alone, vec![]),
        ("chardev=stdio,id=c serial=chardev:c", Stdio, M::None, vec![]),
        ("chardev=stdio,id=c,mux=on serial=chardev:c", Stdio, M::None, vec![]),
        ("chardev=stdio,id=c,mux=on serial=chardev:c mon=c", Stdio, M::Shared, vec![]),
        (
            "chardev=stdio,id=c,mux=on serial=chardev:c mon=chardev=c,mode=readline",
            Stdio,
            M::Shared,
            vec![],
        ),
        ("chardev=null,id=c console=c", Stdio, M::Shared, vec![Null]),
        ("bare=", Stdio, M::Shared, vec![Null]),
        ("chardev=file,id=c,path=out.log console=c", Stdio, M::Shared, vec![file()]),
        ("chardev=stdio,id=c serial=none console=c", Null, M::None, vec![Stdio]),
        ("chardev=stdio,id=c,mux=on serial=none console=c mon=c", Null, M::Shared, vec![Stdio]),
    ] {
        let owner = Owner::Consoles;
        assert_eq!(plan(options), Ok(Plan { serial, monitor, consoles, owner }), "{options}");
    }
}

#[test]
fn conflicts_and_gaps_are_explained() {
    for (options, says) in [
        ("serial=pty", "`pty` is not supported: expected mon:stdio, stdio"),
        ("serial=file:", "`file:` is not supported"),
        ("monitor=vc", "`vc` is not supported: expected none, stdio"),
        ("mon=c,mode=control", "`mode=control` is not supported"),
        ("mon=mode=readline", "`chardev=` is missing"),
        ("chardev=socket,id=c", "kind `socket` are not supported (there is null, stdio, file)"),
        ("chardev=null", "`id=` is missing"),
        ("chardev=file,id=c", "`path=` is missing"),
        ("chardev=null,id=c,path=x", "unknown property `path`"),
        ("chardev=null,id=c chardev=null,id=c", "two are called `c`"),
        ("chardev=null,id=c", "nothing uses `c`"),
        ("serial=chardev:c", "-serial chardev:c: no -chardev has id=`c`"),
        ("monitor=chardev:c", "-monitor chardev:c: no -chardev has id=`c`"),
        ("monitor=stdio", "-monitor stdio: standard input is already used by the serial port"),
        ("serial=stdio monitor=stdio", "already used by -serial stdio"),
        ("serial=mon:stdio monitor=stdio", "already used by -serial mon:stdio"),
        ("chardev=stdio,id=c console=c", "console: standard input is already used by the serial"),
        ("chardev=stdio,id=c serial=chardev:c mon=c", "-mon c: standard input is already used"),
        ("chardev=file,id=c,path=x monitor=chardev:c", "a file cannot ask"),
    ] {
        let error = plan(options).expect_err(options);
        assert!(error.contains(says), "{options}: {error}");
    }
}

#[test]
fn a_program_keeps_its_streams_for_itself() {
    let owner = Owner::Program(Wiring::Streams);
    let chardevs = [Chardev::parse("null,id=n").unwrap(), Chardev::parse("stdio,id=s").unwrap()];
    let plan = |serial: Option<&str>, monitor: Option<&str>, chardevs: &[Chardev]| {
        let serial = serial.map(|text| Target::serial(text).unwrap());
        let monitor = monitor.map(|text| Target::monitor(text).unwrap());
        let (serial, monitor) = (serial.as_ref(), monitor.as_ref());
        let plan = Plan::new(&Wishes { chardevs, serial, monitor, consoles: &[], owner })?;
        assert_eq!((plan.monitor, plan.owner), (Monitor::None, owner));
        Ok::<_, String>(plan.serial)
    };
    assert_eq!(plan(None, None, &[]), Ok(Stream::Stderr));
    assert_eq!(plan(None, Some("none"), &[]), Ok(Stream::Stderr));
    assert_eq!(plan(Some("none"), None, &[]), Ok(Stream::Null));
    assert_eq!(plan(Some("chardev:n"), None, &chardevs[..1]), Ok(Stream::Null));
    for (serial, monitor, chardevs) in [
        (Some("stdio"), None, &[][..]),
        (Some("mon:stdio"), None, &[]),
        (None, Some("stdio"), &[]),
        (Some("chardev:s"), None, &chardevs[1..]),
    ] {
        let error = plan(serial, monitor, chardevs).unwrap_err();
        assert!(error.contains("standard input is already used by the program"), "{error}");
    }
}
