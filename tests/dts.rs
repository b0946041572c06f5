//! `pagewalk dts`: the trees of two machines, compared with `golden/` (`scripts/bless` rewrites
//! that); what `dtc` makes of them, where it is installed; trees from files, sound and not.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::program::{Scratch, pagewalk, run};

/// Golden file, and the options that lead to it.
const GOLDEN: [(&str, &[&str]); 2] = [
    ("virt.dts", &[]),
    ("virt-smp4.dts", &["-smp", "4", "-m", "5G", "-cpu", "rv64,sv57=off,zicboz=off,svadu=off"]),
];

fn printed(options: &[&str]) -> String {
    let ended = run(pagewalk().arg("dts").args(options));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{options:?}");
    ended.stdout
}

#[test]
fn golden() {
    for (name, options) in GOLDEN {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name);
        let now = printed(options);
        if std::env::var_os("PAGEWALK_BLESS").is_some() {
            fs::write(path, now).expect("the golden file can be written");
            continue;
        }
        let golden = fs::read_to_string(path).expect("the golden file can be read");
        let line = now.lines().zip(golden.lines()).find(|(now, golden)| now != golden);
        assert_eq!(line, None, "tests/golden/{name} differs (scripts/bless rewrites it)");
        assert_eq!(now.lines().count(), golden.lines().count(), "tests/golden/{name} differs");
    }
}

#[test]
fn a_blob_is_the_same_tree() {
    let scratch = Scratch::new();
    let blob = scratch.path().join("tree.dtb");
    for (_, options) in GOLDEN {
        let said = printed(&[options, &["--binary", blob.to_str().unwrap()]].concat());
        assert_eq!(said, "");
        for option in ["-dtb", "--dtb"] {
            assert_eq!(printed(&[option, blob.to_str().unwrap()]), printed(options));
        }
    }
}

#[test]
fn what_cannot_be_used_is_said() {
    let scratch = Scratch::new();
    let text = scratch.file("text", b"text");
    let text = text.to_str().unwrap();
    for (options, code, message) in [
        (["--dtb", text], 2, format!("cannot load {text}: not a device tree blob: it starts with")),
        (["--dtb", "/nonexistent/x"], 2, "cannot read /nonexistent/x: No such file".to_owned()),
        (["--binary", "/nonexistent/x"], 125, "cannot write /nonexistent/x: No such".to_owned()),
    ] {
        let ended = run(pagewalk().arg("dts").args(options));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
        assert!(ended.stderr.starts_with(&format!("pagewalk: {message}")), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}

/// What `dtc` says to `source`; none where it is not installed.
fn dtc(arguments: &[&str], source: &str) -> Option<Output> {
    let mut command = Command::new("dtc");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let why = "dts::dtc_agrees is skipped: dtc is not installed (package \
                       device-tree-compiler)";
            writeln!(io::stderr(), "{why}").expect("standard error takes a line");
            return None;
        }
        Err(error) => panic!("dtc cannot be started: {error}"),
    };
    child.stdin.take().expect("piped").write_all(source.as_bytes()).expect("dtc reads all");
    Some(child.wait_with_output().expect("dtc ends"))
}

/// What `dtc` compiles our text into is our blob, byte for byte, and it finds nothing to complain
/// about but handles that are numbers: those have no names in a blob.
#[test]
fn dtc_agrees() {
    let scratch = Scratch::new();
    let path = scratch.path().join("tree.dtb");
    for (name, options) in GOLDEN {
        let quiet = ["-W", "no-interrupts_extended_property"];
        let arguments = [&quiet[..], &["-I", "dts", "-O", "dtb"]].concat();
        let Some(output) = dtc(&arguments, &printed(options)) else { return };
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), complaints.as_ref()), (Some(0), ""), "{name}");
        printed(&[options, &["--binary", path.to_str().unwrap()]].concat());
        assert_eq!(output.stdout, fs::read(&path).expect("it was written"), "{name}");
    }
}
