/* Pipes with names: who waits for whom when they are opened, between processes that know only the
   name; what poll sees, and the end. */
#include "check.h"
#include "place.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static char buf[70000];

static void alarmed(int number) { (void)number; }

static int events(int fd)
{
    struct pollfd polled = {fd, POLLIN | POLLOUT, 0};
    poll(&polled, 1, 0);
    return polled.revents;
}

static void names(void)
{
    struct stat status;
    CALL(mkfifo("fifo", 0640));
    CALL(mkfifo("fifo", 0640));
    CALL(mkfifo("missing/fifo", 0640));
    CALL(mkfifo("", 0640));
    CALL(mkfifo("fifo/fifo", 0640));
    CALL(mknod("other", S_IFIFO | 0600, 0));
    CALL(stat("fifo", &status));
    NUMBER(S_ISFIFO(status.st_mode));
    NUMBER(status.st_mode & 07777);
    NUMBER(status.st_size);
    CALL(open("fifo", O_RDONLY | O_DIRECTORY));
    CALL(open("fifo", O_RDWR | O_CREAT | O_EXCL, 0600));
    CALL(truncate("fifo", 0));
    CALL(link("fifo", "linked"));
    CALL(rename("linked", "other"));
    CALL(chmod("fifo", 0600));
}

static void in_no_hurry(void)
{
    CALL(open("fifo", O_WRONLY | O_NONBLOCK));
    int reader = open("fifo", O_RDONLY | O_NONBLOCK);
    NUMBER(reader >= 0);
    NUMBER(events(reader));
    CALL(read(reader, buf, 1));
    int writer = open("fifo", O_WRONLY | O_NONBLOCK);
    NUMBER(writer >= 0);
    CALL(read(reader, buf, 1));
    NUMBER(events(reader));
    NUMBER(events(writer));
    CALL(write(writer, "hello", 5));
    NUMBER(events(reader));
    CALL(read(reader, buf, 100));
    /* Full. */
    long total = 0, count;
    while ((count = write(writer, buf, 4096)) > 0)
        total += count;
    NUMBER(total);
    CALL(write(writer, buf, 1));
    NUMBER(events(writer));
    NUMBER(events(reader));
    close(writer);
    NUMBER(events(reader));
    total = 0;
    while ((count = read(reader, buf, 5000)) > 0)
        total += count;
    NUMBER(total);
    NUMBER(events(reader));
    CALL(read(reader, buf, 1));
    /* A new writer takes the end back; the other name is the same pipe. */
    writer = open("other", O_WRONLY);
    NUMBER(events(reader));
    CALL(write(writer, "again", 5));
    close(reader);
    NUMBER(events(writer));
    signal(SIGPIPE, SIG_IGN);
    CALL(write(writer, "x", 1));
    signal(SIGPIPE, SIG_DFL);
    /* What nobody has read stays as long as somebody has it open. */
    reader = open("fifo", O_RDONLY);
    CALL(read(reader, buf, 100));
    close(reader);
    close(writer);
    reader = open("fifo", O_RDONLY | O_NONBLOCK);
    CALL(read(reader, buf, 100));
    close(reader);
}

static void for_both(void)
{
    int both = open("fifo", O_RDWR);
    NUMBER(both >= 0);
    NUMBER(events(both));
    CALL(write(both, "me", 2));
    NUMBER(events(both));
    CALL(read(both, buf, 10));
    CALL(lseek(both, 0, SEEK_CUR));
    CALL(pwrite(both, "x", 1, 0));
    CALL(ftruncate(both, 0));
    CALL(fsync(both));
    CALL(fcntl(both, F_SETPIPE_SZ, 8192));
    CALL(fcntl(both, F_GETPIPE_SZ));
    close(both);
}

static void waited_for(void)
{
    struct sigaction action = {.sa_handler = alarmed};
    sigaction(SIGALRM, &action, 0);
    ualarm(50000, 0);
    CALL(open("fifo", O_RDONLY));
    ualarm(50000, 0);
    CALL(open("fifo", O_WRONLY));
    /* The one that waits comes first, whichever it is. */
    for (int late = 0; late < 2; late++) {
        pid_t child = fork();
        if (child == 0) {
            sleep_ms(late ? 50 : 0);
            int fd = open("fifo", O_WRONLY);
            write(fd, "from a child", 12);
            _exit(fd < 0);
        }
        sleep_ms(late ? 0 : 50);
        int fd = open("fifo", O_RDONLY);
        sleep_ms(50);
        CALL(read(fd, buf, 100));
        CALL(read(fd, buf, 100));
        close(fd);
        NUMBER(ending(child));
    }
    /* A writer that was there, though only for a moment, is one. */
    pid_t child = fork();
    if (child == 0) {
        sleep_ms(50);
        close(open("fifo", O_WRONLY | O_NONBLOCK));
        _exit(0);
    }
    int fd = open("fifo", O_RDONLY);
    NUMBER(fd >= 0);
    CALL(read(fd, buf, 1));
    close(fd);
    NUMBER(ending(child));
}

/* Strangers: programs that were started apart, and know only the name. */
static void strangers(void)
{
    enum { WRITERS = 4, RECORDS = 300, BYTES = 500 };
    pid_t writers[WRITERS];
    for (int who = 0; who < WRITERS; who++) {
        if ((writers[who] = fork()) == 0) {
            setsid();
            if (fork() != 0)
                _exit(0);
            int fd = open("fifo", O_WRONLY);
            char record[BYTES];
            memset(record, 'a' + who, BYTES);
            for (int i = 0; i < RECORDS; i++)
                if (write(fd, record, BYTES) != BYTES)
                    _exit(1);
            _exit(0);
        }
    }
    for (int who = 0; who < WRITERS; who++)
        NUMBER(ending(writers[who]));
    int fd = open("fifo", O_RDONLY);
    long records = 0, torn = 0, counts[WRITERS] = {0}, got;
    char record[BYTES];
    for (;;) {
        for (long at = 0; at < BYTES; at += got)
            if ((got = read(fd, record + at, BYTES - at)) <= 0)
                goto end;
        for (int i = 1; i < BYTES; i++)
            torn += record[i] != record[0];
        counts[record[0] - 'a']++;
        records++;
    }
end:
    close(fd);
    /* Some may have come after the others had gone. */
    while (records < WRITERS * RECORDS && (fd = open("fifo", O_RDONLY)) >= 0) {
        while ((got = read(fd, record, BYTES)) > 0) {
            while (got < BYTES)
                got += read(fd, record + got, BYTES - got);
            counts[record[0] - 'a']++;
            records++;
        }
        close(fd);
    }
    NUMBER(records);
    NUMBER(torn);
    for (int who = 0; who < WRITERS; who++)
        NUMBER(counts[who]);
}

static void gone(void)
{
    pid_t child;
    int reader = open("fifo", O_RDONLY | O_NONBLOCK), writer = open("fifo", O_WRONLY);
    CALL(unlink("fifo"));
    CALL(unlink("other"));
    CALL(write(writer, "nameless", 8));
    CALL(read(reader, buf, 100));
    CHILD(child, (close(reader), close(writer), 0));
    NUMBER(ending(child));
    close(reader);
    CHILD(child, write(writer, "x", 1));
    NUMBER(ending(child));
    close(writer);
    mkfifo("closed", 0);
    if ((child = fork()) == 0) {
        setuid(1000);
        CALL(open("closed", O_RDONLY | O_NONBLOCK));
        CALL(open("closed", O_WRONLY | O_NONBLOCK));
        _exit(0);
    }
    NUMBER(ending(child));
    CALL(unlink("closed"));
}

int main(int argc, char **argv)
{
    by_lines();
    begin_in_place(argc, argv);
    umask(0);
    names();
    in_no_hurry();
    for_both();
    waited_for();
    strangers();
    gone();
    return end_in_place();
}
