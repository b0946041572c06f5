#!/bin/bash
# Debian's programs at work, dynamically linked, from a disk: what this prints is the same on Linux.
# Run by bash as the first command of a machine; also tells whether processes share the frames of
# the C library.
export LC_ALL=C PATH=/usr/bin:/usr/sbin TZ=UTC
cd /tmp || exit
set -u

echo "== programs"
hello
hello --greeting 'Hello, disk!'
hello | tr a-z A-Z
/usr/lib/riscv64-linux-gnu/ld-linux-riscv64-lp64d.so.1 /usr/bin/hello --traditional
LD_TRACE_LOADED_OBJECTS=1 bash | while read -r name _; do
    # The kernel's own is no file.
    [[ $name == linux-vdso* ]] || echo "needs $name"
done

echo "== pipes and substitution"
seq 1 100 | sort -r | head -n 3 | tail -n 1
count=$(ls /usr/bin | wc -l)
echo "many: $((count > 100))"
echo "nested: $(echo "inner $(echo "$(printf '%s' innermost)" | tac)")"
sum=0
while read -r number; do sum=$((sum + number)); done < <(seq 1 100)
echo "sum $sum"
echo "$(seq 1 20000 | md5sum) $(seq 1 20000 | sha256sum | cut -c 1-16)"
seq 1 1000 | tee copy | wc -l
[ "$(<copy)" = "$(cat <(seq 1 1000))" ] && echo same
yes | head -n 100000 | uniq -c
echo "status ${PIPESTATUS[*]}"

echo "== here-documents"
cat <<END
six times seven is $((6 * 7)), and $(echo so on)
END
tr -d '\n' <<<"$(seq -s, 1 3000)" | wc -c
cat <<'END' | wc -l
$not
`expanded`
END

echo "== the language"
declare -A of=([one]=1 [two]=2 [three]=3)
for key in one two three; do echo "$key ${of[$key]}"; done
fib() { if (($1 < 2)); then echo "$1"; else echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); fi; }
echo "fib $(fib 8)"
text="some words in a line"
words=($text)
echo "${#words[@]} ${words[-1]} ${text//o/0} ${text^^} ${text:5:5}"
[[ $text =~ (w[a-z]+) ]] && echo "matched ${BASH_REMATCH[1]}"
printf '%05d|%-6s|%x\n' 42 ab 255
case $text in *words*) echo "has words" ;; esac
(exit 7) || echo "status $?"
eval 'echo evaluated'

echo "== processes"
for i in 3 2 1; do (sleep "0.$i"; echo "child $i") & done
wait
(trap 'echo terminated; exit 3' TERM; kill -TERM $BASHPID; sleep 5)
echo "status $?"
{ bash -c 'kill -KILL $$'; } 2>/dev/null
echo "status $?"
timeout 0.2 sleep 10
echo "status $?"
coproc cat
echo "to and fro" >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}"
echo "$line"
{ kill "$COPROC_PID"; wait "$COPROC_PID"; } 2>/dev/null
echo "status $?"
missing-program 2>/dev/null
echo "status $?"
env -i /usr/bin/env
nice -n 5 nice
exec 5>kept; echo first >&5; exec 5>&-; echo second >>kept; cat kept

echo "== files on the disk"
mkdir -p /var/tmp/work/a/b
cd /var/tmp/work || exit
seq 1 5000 >a/numbers
ln a/numbers a/b/link
ln -s ../a/numbers b
stat -c '%n %h %s %a %F' a/numbers a/b/link b
chmod 640 a/numbers
touch -d @86400 a/numbers
ls -l --time-style=+%F a/numbers
cp -a a c && stat -c '%n %h %y' c/numbers c/b/link
mv c/b/link c/moved; ls c
dd if=/dev/zero of=sparse bs=1 count=0 seek=1M 2>/dev/null
stat -c '%s %b' sparse
truncate -s 10 a/numbers; od -c a/numbers
sync
rm -r a b c sparse
ls -A | wc -l

echo "== interpreters"
printf '#!/bin/bash\necho "script $0 $*"\n' >/tmp/script
chmod +x /tmp/script
/tmp/script x 'y z'
# Where in a program the path of its interpreter is, with 0 behind it.
offset=0
while IFS= read -r -d '' chunk; do
    before=${chunk%%/lib/ld-linux*}
    [[ $before != "$chunk" ]] && offset=$((offset + ${#before})) && break
    offset=$((offset + ${#chunk} + 1))
done </usr/bin/hello
try() {
    chmod +x /tmp/other
    said=$("$@" 2>&1)
    echo "status $?: ${said##*: }"
}
for length in 1 63 100 700; do
    head -c $length /usr/bin/hello >/tmp/other
    try /tmp/other
done
echo text >/tmp/text; chmod +x /tmp/text
echo text >/tmp/not-executable
head -c 100 /usr/bin/hello >/tmp/cut; chmod +x /tmp/cut
for name in /lib/ld-none.so /tmp /tmp/not-executable /tmp/text /tmp/cut /tmp/script/x; do
    cp /usr/bin/hello /tmp/other
    printf '%s\0' "$name" | dd of=/tmp/other bs=1 seek=$offset conv=notrunc 2>/dev/null
    echo "interpreter $name"
    try /tmp/other
done

# Numbers in the header and in the second entry of the table, which is the interpreter's, that make
# no sense: byte by byte.
for place in 32:offset-of-table 54:size-of-entries 56:entries 72:offset-of-itself \
    $((64 + 56 + 8)):offset-of-path $((64 + 56 + 32)):length-of-path; do
    for bytes in '\xff\xff\xff\xff\xff\xff\xff\xff' '\xff\xff\xff\xff\xff\xff\xff\x7f' \
        '\0\0\0\0\0\0\0\0'; do
        # What Linux finds only when the program before is gone is no error there, but a signal.
        [[ $place == 32:* && $bytes == '\0'* ]] && continue
        [[ $place == 5[46]:* ]] && bytes=${bytes:0:8}
        cp /usr/bin/hello /tmp/other
        printf "$bytes" | dd of=/tmp/other bs=1 seek="${place%%:*}" conv=notrunc 2>/dev/null
        echo "${place##*:} $bytes"
        try /tmp/other
    done
done

echo "== frames"
# Frames of the text of the C library in a process: a line for each page, page and frame.
frames() {
    while read -r range rights _ _ _ path; do
        case $rights,$path in
            r-xp,*/libc.so.6)
                start=$((16#${range%-*} / 4096)) end=$((16#${range#*-} / 4096)) index=0
                dd if="/proc/$1/pagemap" bs=8 skip=$start count=$((end - start)) 2>/dev/null |
                    od -An -v -w8 -t x8 | while read -r entry; do
                    entry=$((16#$entry)) index=$((index + 1))
                    ((entry < 0)) && echo "$index $((entry & ((1 << 55) - 1)))"
                done
                ;;
        esac
    done <"/proc/$1/maps"
}
sleep 1000 & one=$!
mkfifo /tmp/fifo
cat /tmp/fifo & two=$!
sleep 0.3
frames $one | sort >/tmp/one
frames $two | sort >/tmp/two
common=$(join /tmp/one /tmp/two | wc -l)
same=$(comm -12 /tmp/one /tmp/two | wc -l)
echo "pages in both: $((common > 20)), each in one frame: $((common == same))"
inside=no shared=0 dirty=0 rss=0 pss=0
while read -r name value rest; do
    case $name,$value,$rest in
        *-*,r-xp,*/libc.so.6) inside=yes ;;
        *-*,*,*) inside=no ;;
        Shared_Clean:,*) [ $inside = no ] || shared=$value ;;
        Private_Dirty:,*) [ $inside = no ] || dirty=$value ;;
        Rss:,*) [ $inside = no ] || rss=$value ;;
        Pss:,*) [ $inside = no ] || pss=$value ;;
    esac
done <"/proc/$one/smaps"
echo "shared: $((shared > 80)) dirty: $dirty less than half: $((pss * 2 <= rss))"
# Where the kernel checks its own books, they are in order.
read -r books 2>/dev/null </proc/sys/vm/audit || books=ok
echo "books: $books"
{ kill $one $two; wait; } 2>/dev/null
echo "== end"
