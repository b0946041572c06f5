//! What is run: programs of `../programs/` and scripts for busybox.

/// A program and what it is given. Its directory holds the files.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Name of a program in `../programs/`; of none for busybox.
    pub(crate) source: Option<&'static str>,
    pub(crate) judge: Judge,
    pub(crate) args: &'static [&'static str],
    pub(crate) input: Input,
    pub(crate) env: &'static [(&'static str, &'static str)],
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Whether there is a disk, which the program mounts where its argument says.
    pub(crate) on_disk: bool,
}

/// Who knows what a program has to print.
#[derive(Debug)]
pub(crate) enum Judge {
    /// qemu-riscv64, which runs it beside.
    Peer,
    /// Linux for riscv64: `linux.rs` has kept what it printed. And why not the peer.
    Linux(#[expect(dead_code, reason = "for those who read the cases")] &'static str),
}

/// Standard input.
#[derive(Debug)]
pub(crate) enum Input {
    Text(&'static str),
    /// The numbers up to this one, a line each.
    Numbers(u32),
}

impl Input {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Numbers(last) => {
                (1..=*last).flat_map(|n| format!("{n}\n").into_bytes()).collect()
            }
        }
    }
}

const fn program(name: &'static str, source: &'static str, args: &'static [&'static str]) -> Case {
    let input = Input::Text("");
    let (source, judge) = (Some(source), Judge::Peer);
    Case { name, source, judge, args, input, env: &[], files: &[], on_disk: false }
}

const fn plain(name: &'static str) -> Case {
    program(name, name, &[])
}

/// Judged by Linux itself, as the peer is not like it.
const fn on_linux(name: &'static str, why: &'static str) -> Case {
    Case { judge: Judge::Linux(why), ..plain(name) }
}

/// The same on a disk, which makes no difference.
const fn on_disk(name: &'static str, source: &'static str) -> Case {
    let judge = Judge::Linux("it is not to touch a disk of this host");
    Case { judge, on_disk: true, ..program(name, source, &["/disk"]) }
}

/// Those that cannot run in little RAM, and why.
pub(crate) const LARGE: [(&str, &str); 2] = [
    ("cow_crowd", "there may be fewer processes at a time, as on Linux"),
    ("disk_files", "half of RAM, which tmpfs has, is less than the file that it makes"),
];

const HOSTS_OWN: &str = "the peer has the calls of its host, whatever Linux that is";

pub(crate) const PROGRAMS: &[Case] = &[
    plain("hello"),
    program("hello-arguments", "hello", &["-n", "two words", "", "--", "-smp"]),
    program("mem", "mem", &["20", "3"]),
    plain("fork"),
    plain("signals"),
    plain("pipes"),
    plain("threads"),
    plain("mmap"),
    plain("floats"),
    plain("files"),
    plain("file_calls"),
    plain("names"),
    plain("attributes"),
    plain("descriptors"),
    plain("pipe_calls"),
    plain("pipe_crowd"),
    plain("file_crowd"),
    plain("mapped_file"),
    plain("processes"),
    plain("signal_calls"),
    on_linux("clocks_and_facts", "the peer is not run by the superuser, or it should not be"),
    plain("fault_signals"),
    plain("cow_crowd"),
    on_linux("bad_addresses", "qemu-user judges addresses itself, in an order of its own"),
    on_linux("bad_lengths", "qemu-user loses itself in lengths that go around the end"),
    on_linux("mapping_calls", "qemu-user has some flags and the limits only in part"),
    on_linux("heap_and_stack", "qemu-user gives no heap back, and its stack does not grow"),
    on_linux("locks", "qemu-user keeps no list of robust locks, so their death is not told"),
    on_linux("executing", "qemu-user starts no programs but those of the host, and vfork is fork"),
    on_linux("posix_queues", "qemu-user has no mq_notify"),
    on_linux("sysv_messages", "qemu-user fails for messages that are longer than memory"),
    on_linux("sysv_semaphores", "the peer is not run by the superuser, or it should not be"),
    on_linux("sysv_shared", "the peer is not run by the superuser, and has addresses of its own"),
    on_linux("block_numbers", "the peer's files lie elsewhere, and it is not run by the superuser"),
    on_linux("clone_sharing", "qemu-user shares all that threads share, or nothing"),
    on_linux("file_limits", "qemu-user keeps some limits for itself, and has others than Linux"),
    on_linux("file_windows", "qemu-user has no remap_file_pages"),
    on_linux("pipe_limits", "the peer is not run by the superuser, or it should not be"),
    on_linux("seals", "the peer's kernel may know other seals"),
    on_linux("futex_several", "qemu-user has no futex_waitv"),
    on_linux("sysv_identifiers", "the peer is not run by the superuser, or it should not be"),
    on_linux("futexes", "qemu-user doubles no mapping with mremap"),
    on_linux("splicing", HOSTS_OWN),
    on_linux("vectors_with_flags", HOSTS_OWN),
    on_linux("process_files", HOSTS_OWN),
    on_linux("named_pipes", HOSTS_OWN),
    on_linux("mounts", "the peer is not run by the superuser, or it should not be"),
    on_linux("file_mappings", "qemu-user has addresses and limits of its own"),
    on_linux("futex_keys", "qemu-user keeps no list of robust locks"),
    on_linux("disk_files", "the peer is not run by the superuser, or it should not be"),
    on_disk("splicing-on-disk", "splicing"),
    on_disk("vectors_with_flags-on-disk", "vectors_with_flags"),
    on_disk("named_pipes-on-disk", "named_pipes"),
    on_disk("file_mappings-on-disk", "file_mappings"),
    on_disk("futex_keys-on-disk", "futex_keys"),
    on_disk("disk_files-on-disk", "disk_files"),
    Case {
        env: &[("SET_HERE", "x y"), ("WITH_EQUALS", "a=b=c"), ("EMPTY", "")],
        ..program("environment", "environment", &["a", "", "c d"])
    },
    plain("input"),
    Case { input: Input::Text("one\ntwo\nand no end"), ..program("input-text", "input", &[]) },
    Case { input: Input::Numbers(100_000), ..program("input-long", "input", &[]) },
    Case { input: Input::Numbers(100_000), ..program("input-partial", "input", &["10"]) },
    program("ending-return", "ending", &["return"]),
    program("ending-exit", "ending", &["exit"]),
    program("ending-exit-at-once", "ending", &["_exit"]),
    program("ending-thread", "ending", &["thread"]),
    program("ending-abort", "ending", &["abort"]),
    program("ending-segv", "ending", &["segv"]),
    program("ending-text", "ending", &["text"]),
    program("ending-data", "ending", &["data"]),
    program("ending-stack", "ending", &["stack"]),
    program("ending-illegal", "ending", &["illegal"]),
    program("ending-break", "ending", &["break"]),
    program("ending-term", "ending", &["term"]),
    program("ending-kill", "ending", &["kill"]),
];

/// A poem, to be cut and sorted.
const POEM: (&str, &str) =
    ("w/poem", "the page was here\nthe page was there\nand when I touched it\nit was everywhere\n");
const TABLE: (&str, &str) = ("w/table", "pear 3 1.50\nplum 10 0.25\nfig 7 2\napple 3 0.4\n");

const fn applet(name: &'static str, args: &'static [&'static str]) -> Case {
    let input = Input::Text("");
    let (judge, files) = (Judge::Peer, &[POEM, TABLE]);
    Case { name, source: None, judge, args, input, env: &[], files, on_disk: false }
}

/// Scripts use what the shell runs by itself: qemu-riscv64 cannot start other riscv64 programs.
pub(crate) const BUSYBOX: &[Case] = &[
    applet("echo", &["echo", "-n", "a  b", "c"]),
    applet("cat", &["cat", "w/poem", "w/table"]),
    applet("ls", &["ls", "-1p", "w"]),
    applet("grep", &["grep", "-n", "wa[a-z]", "w/poem"]),
    applet("grep-nothing", &["grep", "-c", "frame", "w/poem"]),
    applet(
        "awk",
        &[
            "awk",
            "{ s += $2 * $3; print NR, toupper($1) } END { printf \"%.3f\\n\", s }",
            "w/table",
        ],
    ),
    applet("sort", &["sort", "-k2,2n", "-k1,1r", "w/table"]),
    applet("sha256sum", &["sha256sum", "w/poem", "w/table"]),
    applet(
        "tar",
        &[
            "sh",
            "-c",
            "cd w; mkdir d && cat poem >d/p && tar cf a.tar d table && rm d/p && tar xf a.tar && cat d/p && tar tf a.tar",
        ],
    ),
    applet("missing", &["cat", "nowhere"]),
    applet("true", &["true"]),
    applet("false", &["false"]),
    applet("sed", &["sed", "-e", "s/page/frame/g", "-e", "2d", "w/poem"]),
    Case { input: Input::Numbers(50_000), ..applet("wc", &["wc"]) },
    Case { input: Input::Numbers(50_000), ..applet("sum", &["sha256sum"]) },
    applet(
        "pipeline",
        &["sh", "-c", "cd w; cat poem | tr ' ' '\\n' | sort | uniq -c | sort -rn | head -n 3"],
    ),
    applet(
        "pipeline-status",
        &["sh", "-c", "cd w; cat poem | grep -q frame; echo $?; ! true; echo $?"],
    ),
    applet("head-of-many", &["sh", "-c", "cd w; yes | head -n 3; seq 1 100000 | tail -n 2"]),
    applet(
        "long-pipeline",
        &[
            "sh",
            "-c",
            "cd w; seq 1 20000 | awk '{ print $1 * 3 }' | grep 7 | sort -n | cat | sha256sum",
        ],
    ),
    applet(
        "subshells",
        &["sh", "-c", "cd w; for i in 1 2 3; do (exit $i); echo $?; done; exit 12"],
    ),
    applet("background", &["sh", "-c", "cd w; sleep 0.1 & sleep 0.2; wait; echo done $?"]),
    applet(
        "variables",
        &[
            "sh",
            "-c",
            "cd w; x=abcabc; echo ${x#a} ${x%b*} ${#x} $((1 << 40)) \"$*\" $#",
            "name",
            "p",
            "q r",
        ],
    ),
    applet(
        "functions",
        &[
            "sh",
            "-c",
            "cd w; f() { [ $1 -le 1 ] && echo 1 || echo $(($1 * $(f $(($1 - 1))))); }; f 6",
        ],
    ),
    applet(
        "redirection",
        &["sh", "-c", "cd w; echo a >f; echo b >>f; cat <f; ls nowhere 2>e || cat e; cat f 1>&2"],
    ),
    applet("here-document", &["sh", "-c", "cd w; x=1\ncat <<E | tr a-z A-Z\nvalue $x\nE\n"]),
    applet(
        "trap",
        &[
            "sh",
            "-c",
            "cd w; trap 'echo caught' TERM; trap 'echo leaving' EXIT; kill -TERM $$; echo on",
        ],
    ),
    applet("killed", &["sh", "-c", "cd w; echo before; kill -KILL $$; echo after"]),
    applet("child-killed", &["sh", "-c", "cd w; (kill -SEGV $$) ; sleep 1; echo not reached"]),
    Case {
        input: Input::Text("3 4\n5 6\n"),
        ..applet("read", &["sh", "-c", "cd w; while read a b; do echo $((a * b)); done; echo end"])
    },
    Case { input: Input::Text("echo from input\nexit 3\n"), ..applet("script-input", &["sh"]) },
    applet("globs", &["sh", "-c", "cd w; touch b1 a2 c; echo *[0-9] ?; set -- p*; echo $1"]),
    applet(
        "files",
        &[
            "sh",
            "-c",
            "cd w; mkdir -p x/y; cat poem >x/y/z; mv x/y x/w; ln -s w/z x/l; cat x/l | wc -l; rm -r x; ls",
        ],
    ),
    applet(
        "test",
        &[
            "sh",
            "-c",
            "cd w; [ -f poem ] && [ ! -d poem ] && [ poem -nt nowhere ]; echo $?; [ -s table -a -r table ]; echo $?",
        ],
    ),
    applet("seek", &["dd", "if=w/poem", "bs=1", "skip=4", "count=4", "status=none"]),
    applet(
        "compress",
        &[
            "sh",
            "-c",
            "cd w; cat poem poem | gzip -9 | gunzip | sha256sum; cat poem | bzip2 | bunzip2 | wc -c",
        ],
    ),
    applet("xargs", &["sh", "-c", "cd w; echo 1 2 3 | xargs -n 1 echo n"]),
    applet("find", &["sh", "-c", "cd w; mkdir -p a/b; touch a/b/c; find . -type f | sort"]),
    applet("printf", &["printf", "%05d|%-5s|%x|%c|%.2f\\n", "42", "ab", "255", "z", "3.14159"]),
    applet("bc", &["sh", "-c", "cd w; echo 'scale=20; 2^100; 1/7; sqrt(2)' | bc"]),
    applet(
        "ed",
        &["sh", "-c", "cd w; printf '1d\\n$a\\nend\\n.\\nw\\nq\\n' | ed -s poem; cat poem"],
    ),
    applet("cmp", &["cmp", "w/poem", "w/table"]),
    applet("diff", &["sh", "-c", "cd w; sed 2d poem >p; diff poem p"]),
    applet("od", &["od", "-A", "d", "-t", "x1z", "w/table"]),
    applet("expr", &["sh", "-c", "cd w; expr 7 '*' 6; expr abcd : 'ab\\(.*\\)'; expr 1 = 2"]),
];
