/* Bytes that go from file to file without passing through the program: splice, tee, vmsplice,
   sendfile and copy_file_range, each way and each refusal. */
#include "check.h"
#include "place.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { PAGE = 4096, FULL = 65536 };

static char buf[2 * FULL], other[2 * FULL];
static int p[2], q[2];

static void alarmed(int number) { (void)number; }

static void pipes(void)
{
    pipe(p);
    pipe(q);
}

static void close_pipes(void)
{
    close(p[0]);
    close(p[1]);
    close(q[0]);
    close(q[1]);
}

static long in_pipe(int fd)
{
    int count = -1;
    ioctl(fd, FIONREAD, &count);
    return count;
}

/* A file of so many bytes that differ from place to place. */
static int filled(const char *name, int size)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    for (int i = 0; i < size; i++)
        buf[i] = i * 7 + i / 251;
    write(fd, buf, size);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void from_file(void)
{
    off_t at = 100, negative = -1, high = INT64_MAX - 10;
    int fd = filled("source", 10000), only_to_write = open("source", O_WRONLY);
    pipes();
    CALL(splice(fd, 0, p[1], 0, 1000, 0));
    NUMBER(lseek(fd, 0, SEEK_CUR));
    CALL(splice(fd, &at, p[1], 0, 1000, SPLICE_F_MOVE | SPLICE_F_MORE));
    NUMBER(at);
    NUMBER(lseek(fd, 0, SEEK_CUR));
    NUMBER(in_pipe(p[0]));
    CALL(read(p[0], other, sizeof other));
    NUMBER(memcmp(other, buf, 1000));
    NUMBER(memcmp(other + 1000, buf + 100, 1000));
    /* No more than there is. */
    at = 9990;
    CALL(splice(fd, &at, p[1], 0, 1000, 0));
    CALL(splice(fd, &at, p[1], 0, 1000, 0));
    NUMBER(at);
    at = 20000;
    CALL(splice(fd, &at, p[1], 0, 1000, 0));
    CALL(splice(fd, &negative, p[1], 0, 1000, 0));
    CALL(splice(fd, &high, p[1], 0, 1000, 0));
    CALL(splice(fd, (void *)1, p[1], 0, 1000, 0));
    CALL(splice(fd, 0, p[1], &at, 1000, 0));
    CALL(splice(fd, &at, p[1], &at, 1000, 0));
    CALL(splice(fd, 0, p[0], 0, 1000, 0));
    CALL(splice(only_to_write, 0, p[1], 0, 1000, 0));
    CALL(splice(fd, 0, fd, 0, 1000, 0));
    CALL(splice(fd, 0, p[1], 0, 0, 0));
    CALL(splice(-1, 0, p[1], 0, 0, 77));
    CALL(splice(fd, 0, p[1], 0, 1, 16));
    CALL(splice(-1, 0, p[1], 0, 1, 0));
    CALL(splice(fd, 0, 99, 0, 1, 0));
    int directory = open(".", O_RDONLY), name = open("source", O_PATH);
    CALL(splice(directory, 0, p[1], 0, 1, 0));
    CALL(splice(name, 0, p[1], 0, 1, 0));
    close(directory);
    close(name);
    close(only_to_write);
    close(fd);
    close_pipes();
}

static void to_file(void)
{
    off_t at = 5000, negative = -1;
    struct stat status;
    int fd = open("target", O_RDWR | O_CREAT | O_TRUNC, 0644);
    int at_end = open("target", O_WRONLY | O_APPEND), only_to_read = open("target", O_RDONLY);
    pipes();
    write(p[1], "abcdefghij", 10);
    CALL(splice(p[0], 0, fd, 0, 4, 0));
    NUMBER(lseek(fd, 0, SEEK_CUR));
    CALL(splice(p[0], 0, fd, &at, 3, 0));
    NUMBER(at);
    NUMBER(lseek(fd, 0, SEEK_CUR));
    NUMBER(in_pipe(p[0]));
    CALL(splice(p[0], &at, fd, 0, 3, 0));
    CALL(splice(p[0], 0, fd, &negative, 3, 0));
    CALL(splice(p[0], 0, fd, (void *)1, 3, 0));
    CALL(splice(p[0], 0, at_end, 0, 3, 0));
    CALL(splice(p[0], 0, only_to_read, 0, 3, 0));
    CALL(splice(p[1], 0, fd, 0, 3, 0));
    NUMBER(in_pipe(p[0]));
    /* What there is, though more is wanted; then nobody is left to write. */
    CALL(splice(p[0], 0, fd, 0, 1000, 0));
    CALL(splice(p[0], 0, fd, 0, 1000, SPLICE_F_NONBLOCK));
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    CALL(splice(p[0], 0, fd, 0, 1000, 0));
    close(p[1]);
    CALL(splice(p[0], 0, fd, 0, 1000, 0));
    fstat(fd, &status);
    NUMBER(status.st_size);
    CALL(pread(fd, other, 100, 0));
    TEXT(other);
    CALL(pread(fd, other, 100, 5000));
    NUMBER(memcmp(other, "efg", 3));
    close(at_end);
    close(only_to_read);
    close(fd);
    close_pipes();
}

static void large(void)
{
    int in = filled("large", 2 * FULL), out = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0644);
    pipes();
    CALL(splice(in, 0, p[1], 0, 2 * FULL, 0));
    CALL(splice(in, 0, p[1], 0, 1, SPLICE_F_NONBLOCK));
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    CALL(splice(in, 0, p[1], 0, 1, 0));
    fcntl(p[1], F_SETFL, 0);
    CALL(splice(p[0], 0, out, 0, 2 * FULL, 0));
    long left = FULL;
    while (left > 0) {
        long moved = splice(in, 0, p[1], 0, 5000, 0);
        if (moved <= 0 || splice(p[0], 0, out, 0, moved, 0) != moved)
            break;
        left -= moved;
    }
    NUMBER(left);
    CALL(pread(out, other, 2 * FULL, 0));
    NUMBER(memcmp(other, buf, 2 * FULL));
    close(in);
    close(out);
    close_pipes();
}

static void among_pipes(void)
{
    off_t at = 0;
    pipes();
    write(p[1], "0123456789", 10);
    CALL(splice(p[0], 0, q[1], 0, 4, 0));
    CALL(splice(p[0], 0, q[1], 0, 100, 0));
    CALL(splice(p[0], 0, q[1], 0, 100, SPLICE_F_NONBLOCK));
    CALL(read(q[0], other, 100));
    NUMBER(memcmp(other, "0123456789", 10));
    write(p[1], "0123456789", 10);
    CALL(splice(p[0], 0, p[1], 0, 4, 0));
    CALL(splice(p[0], &at, q[1], 0, 4, 0));
    CALL(splice(p[0], 0, q[1], &at, 4, 0));
    CALL(splice(p[1], 0, q[1], 0, 4, 0));
    CALL(splice(p[0], 0, q[0], 0, 4, 0));
    CALL(tee(p[0], q[1], 4, 0));
    CALL(tee(p[0], q[1], 100, 0));
    NUMBER(in_pipe(p[0]));
    CALL(read(q[0], other, 100));
    NUMBER(memcmp(other, "01230123456789", 14));
    CALL(tee(p[0], p[1], 4, 0));
    CALL(tee(p[1], q[1], 4, 0));
    CALL(tee(p[0], q[0], 4, 0));
    CALL(tee(p[0], q[1], 0, 0));
    CALL(tee(p[0], q[1], 4, 16));
    CALL(tee(p[0], 99, 4, 0));
    CALL(tee(99, q[1], 0, 0));
    int fd = filled("source", 100);
    CALL(tee(fd, q[1], 4, 0));
    CALL(tee(p[0], fd, 4, 0));
    close(fd);
    CALL(read(p[0], other, 100));
    CALL(tee(p[0], q[1], 4, SPLICE_F_NONBLOCK));
    close(p[1]);
    CALL(tee(p[0], q[1], 4, 0));
    CALL(splice(p[0], 0, q[1], 0, 4, 0));
    close_pipes();

    /* Full, or with nobody who reads. */
    pipes();
    fcntl(q[1], F_SETPIPE_SZ, PAGE);
    write(q[1], buf, PAGE);
    write(p[1], "abc", 3);
    CALL(splice(p[0], 0, q[1], 0, 4, SPLICE_F_NONBLOCK));
    CALL(tee(p[0], q[1], 4, SPLICE_F_NONBLOCK));
    signal(SIGPIPE, SIG_IGN);
    close(q[0]);
    CALL(splice(p[0], 0, q[1], 0, 4, 0));
    CALL(tee(p[0], q[1], 4, 0));
    NUMBER(in_pipe(p[0]));
    fd = filled("source", 100);
    CALL(splice(fd, 0, q[1], 0, 4, 0));
    NUMBER(lseek(fd, 0, SEEK_CUR));
    signal(SIGPIPE, SIG_DFL);
    pid_t child;
    CHILD(child, tee(p[0], q[1], 4, 0));
    NUMBER(ending(child));
    CHILD(child, splice(p[0], 0, q[1], 0, 4, 0));
    NUMBER(ending(child));
    CHILD(child, splice(fd, 0, q[1], 0, 4, 0));
    NUMBER(ending(child));
    close(fd);
    close_pipes();
}

static void waiting(void)
{
    struct sigaction action = {.sa_handler = alarmed};
    pid_t child;
    sigaction(SIGALRM, &action, 0);
    int fd = open("target", O_RDWR | O_CREAT | O_TRUNC, 0644);
    pipes();
    ualarm(50000, 0);
    CALL(splice(p[0], 0, fd, 0, 4, 0));
    ualarm(50000, 0);
    CALL(tee(p[0], q[1], 4, 0));
    ualarm(50000, 0);
    CALL(splice(p[0], 0, q[1], 0, 4, 0));
    write(p[1], buf, FULL);
    lseek(fd, 0, SEEK_SET);
    write(fd, "file", 4);
    lseek(fd, 0, SEEK_SET);
    ualarm(50000, 0);
    CALL(splice(fd, 0, p[1], 0, 4, 0));
    NUMBER(lseek(fd, 0, SEEK_CUR));
    /* Somebody reads, or writes. */
    if ((child = fork()) == 0) {
        sleep_ms(50);
        _exit(read(p[0], other, FULL) != FULL);
    }
    CALL(splice(fd, 0, p[1], 0, 4, 0));
    NUMBER(ending(child));
    CALL(read(p[0], other, 10));
    if ((child = fork()) == 0) {
        sleep_ms(50);
        _exit(write(p[1], "late", 4) != 4);
    }
    CALL(tee(p[0], q[1], 100, 0));
    NUMBER(ending(child));
    CALL(read(p[0], other, 10));
    if ((child = fork()) == 0) {
        sleep_ms(50);
        _exit(write(p[1], "later", 5) != 5);
    }
    CALL(splice(p[0], 0, q[1], 0, 100, 0));
    NUMBER(ending(child));
    CALL(read(q[0], other, 100));
    NUMBER(memcmp(other, "latelater", 9));
    close(fd);
    close_pipes();
}

/* Two processes pour through two pipes into a file, and nothing is lost. */
static void poured(void)
{
    enum { ROUNDS = 200, BYTES = 3333 };
    pid_t writer, mover;
    int fd = open("poured", O_RDWR | O_CREAT | O_TRUNC, 0644);
    pipes();
    if ((writer = fork()) == 0) {
        for (int i = 0; i < ROUNDS; i++) {
            memset(other, i, BYTES);
            if (write(p[1], other, BYTES) != BYTES)
                _exit(1);
        }
        _exit(0);
    }
    if ((mover = fork()) == 0) {
        close(p[1]);
        close(q[0]);
        long moved;
        while ((moved = splice(p[0], 0, q[1], 0, 1 << 30, 0)) > 0) {}
        _exit(moved != 0);
    }
    close(p[1]);
    close(q[1]);
    long moved, total = 0, wrong = 0;
    while ((moved = splice(q[0], 0, fd, 0, 1 << 20, 0)) > 0)
        total += moved;
    NUMBER(moved);
    NUMBER(total);
    NUMBER(ending(writer));
    NUMBER(ending(mover));
    unsigned char *map = mmap(0, total, PROT_READ, MAP_SHARED, fd, 0);
    for (long i = 0; i < total; i++)
        wrong += map[i] != (unsigned char)(i / BYTES);
    NUMBER(wrong);
    munmap(map, total);
    close(fd);
    close_pipes();
}

static void from_memory(void)
{
    static char pages[2 * PAGE] __attribute__((aligned(PAGE)));
    struct iovec parts[3] = {{pages, PAGE}, {0, 0}, {pages + PAGE, 10}};
    struct iovec bad = {(void *)8, 100}, negative = {pages, -1}, half = {pages, 2 * PAGE};
    memset(pages, 'v', sizeof pages);
    pipes();
    CALL(vmsplice(p[1], parts, 3, 0));
    NUMBER(in_pipe(p[0]));
    CALL(read(p[0], other, sizeof other));
    NUMBER(memcmp(other, pages, PAGE + 10));
    CALL(vmsplice(p[1], parts + 1, 1, 0));
    CALL(vmsplice(p[1], 0, 0, SPLICE_F_GIFT));
    CALL(vmsplice(p[1], &bad, 1, 0));
    CALL(vmsplice(p[1], (void *)8, 1, 0));
    CALL(vmsplice(p[1], &negative, 1, 0));
    CALL(vmsplice(p[1], parts, 1025, 0));
    CALL(vmsplice(p[1], parts, 1, 16));
    CALL(vmsplice(99, parts, 1, 0));
    int fd = filled("source", 100);
    CALL(vmsplice(fd, parts, 1, 0));
    close(fd);
    /* What fits. */
    CALL(fcntl(p[1], F_SETPIPE_SZ, PAGE));
    CALL(vmsplice(p[1], &half, 1, 0));
    CALL(vmsplice(p[1], &half, 1, SPLICE_F_NONBLOCK));
    /* And back, to other memory: Linux may move the pages themselves. */
    parts[0].iov_base = other;
    parts[0].iov_len = 100;
    parts[2].iov_base = other + PAGE;
    memset(other, 0, sizeof other);
    CALL(vmsplice(p[0], parts, 3, 0));
    NUMBER(other[99] == 'v' && other[100] == 0 && other[PAGE + 9] == 'v');
    CALL(vmsplice(p[0], &half, 1, 0));
    CALL(vmsplice(p[0], &half, 1, SPLICE_F_NONBLOCK));
    write(p[1], "abc", 3);
    CALL(vmsplice(p[0], &bad, 1, 0));
    close(p[1]);
    CALL(read(p[0], other, 10));
    CALL(vmsplice(p[0], &half, 1, 0));
    signal(SIGPIPE, SIG_IGN);
    close(q[0]);
    CALL(vmsplice(q[1], parts, 1, 0));
    close_pipes();
}

static void devices(void)
{
    int zero = open("/dev/zero", O_RDWR), null = open("/dev/null", O_WRONLY);
    pipes();
    CALL(splice(zero, 0, p[1], 0, 10000, 0));
    CALL(read(p[0], other, 5000));
    NUMBER(other[0] | other[4999]);
    CALL(splice(p[0], 0, null, 0, 1000, 0));
    CALL(splice(p[0], 0, zero, 0, 100000, 0));
    NUMBER(in_pipe(p[0]));
    int memory = memfd_create("m", 0);
    CALL(splice(zero, 0, p[1], 0, 5000, 0));
    CALL(splice(p[0], 0, memory, 0, 5000, 0));
    NUMBER(lseek(memory, 0, SEEK_END));
    CALL(mkfifo("fifo", 0600));
    int fifo = open("fifo", O_RDWR);
    CALL(splice(zero, 0, fifo, 0, 5000, 0));
    CALL(tee(fifo, p[1], 5000, 0));
    CALL(splice(fifo, 0, p[1], 0, 5000, 0));
    CALL(splice(fifo, 0, fifo, 0, 5000, 0));
    NUMBER(in_pipe(p[0]));
    close(fifo);
    close(memory);
    close(zero);
    close(null);
    close_pipes();
}

static void sent(void)
{
    off_t at = 10, negative = -5;
    int in = filled("source", 10000), out = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0644);
    int at_end = open("copy", O_WRONLY | O_APPEND);
    pipes();
    CALL(sendfile(out, in, 0, 100));
    CALL(sendfile(out, in, &at, 100));
    NUMBER(at);
    NUMBER(lseek(in, 0, SEEK_CUR));
    CALL(sendfile(p[1], in, 0, 1000));
    NUMBER(in_pipe(p[0]));
    CALL(sendfile(out, in, &negative, 100));
    CALL(sendfile(out, in, (void *)1, 100));
    CALL(sendfile(at_end, in, 0, 100));
    CALL(sendfile(p[0], in, 0, 100));
    CALL(sendfile(out, in, 0, 0));
    CALL(sendfile(out, 99, 0, 10));
    CALL(sendfile(99, in, 0, 10));
    CALL(sendfile(out, in, 0, 100000));
    CALL(sendfile(out, in, 0, 100000));
    NUMBER(lseek(out, 0, SEEK_END));
    close(in);
    close(out);
    close(at_end);
    close_pipes();
}

static void ranges(void)
{
    off_t from = 0, to = 0, negative = -1;
    int in = filled("source", 10000), out = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0644);
    int at_end = open("copy", O_WRONLY | O_APPEND), directory = open(".", O_RDONLY);
    int only_to_read = open("copy", O_RDONLY), only_to_write = open("copy", O_WRONLY);
    int name = open("copy", O_PATH), null = open("/dev/null", O_RDWR);
    pipes();
    CALL(copy_file_range(in, 0, out, 0, 5000, 0));
    NUMBER(lseek(in, 0, SEEK_CUR));
    NUMBER(lseek(out, 0, SEEK_CUR));
    from = 9000;
    CALL(copy_file_range(in, &from, out, 0, 5000, 0));
    NUMBER(from);
    NUMBER(lseek(in, 0, SEEK_CUR));
    NUMBER(lseek(out, 0, SEEK_CUR));
    to = 20000;
    CALL(copy_file_range(in, 0, out, &to, SIZE_MAX / 4, 0));
    NUMBER(to);
    NUMBER(lseek(out, 0, SEEK_END));
    CALL(pread(out, other, 10000, 0));
    NUMBER(memcmp(other, buf, 5000));
    NUMBER(memcmp(other + 5000, buf + 9000, 1000));
    NUMBER(other[6000]);
    CALL(copy_file_range(in, 0, out, 0, 100, 0));
    CALL(copy_file_range(in, 0, out, 0, 100, 1));
    /* Within one file. */
    from = 0, to = 5000;
    CALL(copy_file_range(in, &from, in, &to, 5000, 0));
    from = 0, to = 4999;
    CALL(copy_file_range(in, &from, in, &to, 5000, 0));
    from = 0, to = 0;
    CALL(copy_file_range(in, &from, in, &to, 1, 0));
    CALL(copy_file_range(in, &from, in, &to, 0, 0));
    from = 20000;
    CALL(copy_file_range(in, &from, in, &to, 1, 0));
    from = 0;
    CALL(copy_file_range(in, &negative, out, 0, 10, 0));
    CALL(copy_file_range(in, &from, out, &negative, 10, 0));
    CALL(copy_file_range(in, &from, out, (void *)1, 10, 0));
    CALL(copy_file_range(in, &from, out, 0, SIZE_MAX, 0));
    CALL(copy_file_range(in, &from, at_end, 0, 10, 0));
    CALL(copy_file_range(in, &from, only_to_read, 0, 10, 0));
    CALL(copy_file_range(only_to_write, 0, out, 0, 10, 0));
    CALL(copy_file_range(directory, 0, out, 0, 10, 0));
    CALL(copy_file_range(in, &from, directory, 0, 10, 0));
    CALL(copy_file_range(p[0], 0, out, 0, 10, 0));
    CALL(copy_file_range(in, &from, p[1], 0, 10, 0));
    CALL(copy_file_range(in, &from, null, 0, 10, 0));
    CALL(copy_file_range(name, 0, out, 0, 10, 0));
    CALL(copy_file_range(99, 0, out, 0, 10, 0));
    int memory = memfd_create("m", 0);
    CALL(copy_file_range(in, &from, memory, 0, 10, 0));
    close_pipes();
}

int main(int argc, char **argv)
{
    by_lines();
    begin_in_place(argc, argv);
    from_file();
    to_file();
    large();
    among_pipes();
    waiting();
    poured();
    from_memory();
    devices();
    sent();
    ranges();
    return end_in_place();
}
