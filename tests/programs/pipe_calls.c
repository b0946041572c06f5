/* Pipes with and without a name, each call with its result: how much goes in, who waits, what poll
   and select see, what happens when one end is gone. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char buf[70000];
static int p[2];

static void alarmed(int number) { (void)number; }

static void bytes(void)
{
    int count;
    CALL(pipe2(p, 0));
    CALL(write(p[1], "hello", 5));
    CALL(ioctl(p[0], FIONREAD, &count));
    NUMBER(count);
    CALL(read(p[0], buf, 3));
    CALL(read(p[0], buf, 30));
    CALL(read(p[1], buf, 1));
    CALL(write(p[0], buf, 1));
    CALL(lseek(p[0], 0, SEEK_SET));
    CALL(pread(p[0], buf, 1, 0));
    CALL(fcntl(p[0], F_SETFL, O_NONBLOCK));
    CALL(read(p[0], buf, 1));
}

static void capacity(void)
{
    struct pollfd polled[2] = {{p[0], POLLIN | POLLOUT, 0}, {p[1], POLLIN | POLLOUT, 0}};
    CALL(fcntl(p[1], F_GETPIPE_SZ));
    CALL(fcntl(p[1], F_SETPIPE_SZ, 4096));
    CALL(fcntl(p[1], F_SETPIPE_SZ, 5000));
    CALL(fcntl(p[1], F_GETPIPE_SZ));
    CALL(fcntl(p[1], F_SETFL, O_NONBLOCK));
    CALL(write(p[1], buf, 70000));
    CALL(write(p[1], buf, 1));
    CALL(fcntl(p[1], F_SETPIPE_SZ, 4096));
    CALL(poll(polled, 2, 0));
    NUMBER(polled[0].revents);
    NUMBER(polled[1].revents);
    CALL(read(p[0], buf, 70000));
    CALL(poll(polled, 2, 0));
    NUMBER(polled[0].revents);
    NUMBER(polled[1].revents);
    close(p[1]);
    CALL(read(p[0], buf, 1));
    CALL(poll(polled, 1, 0));
    NUMBER(polled[0].revents);
    close(p[0]);
    CALL(pipe2(p, 77));
}

static void broken(void)
{
    int status, got;
    pipe(p);
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    CALL(write(p[1], "x", 1));
    struct pollfd polled = {p[1], POLLOUT, 0};
    CALL(poll(&polled, 1, 0));
    NUMBER(polled.revents);
    close(p[1]);
    /* The writer is killed while it waits for room. */
    pipe(p);
    if (fork() == 0) {
        close(p[0]);
        signal(SIGPIPE, SIG_DFL);
        for (;;)
            write(p[1], buf, 1000);
    }
    close(p[1]);
    got = read(p[0], buf, 100) > 0;
    close(p[0]);
    wait(&status);
    NUMBER(got);
    NUMBER(WIFSIGNALED(status) ? WTERMSIG(status) : -1);
    /* All that was written is there, in its order, after the writer's end. */
    pipe(p);
    if (fork() == 0) {
        close(p[0]);
        for (int i = 0; i < 300; i++) {
            memset(buf, i, 1000);
            if (write(p[1], buf, 1000) != 1000)
                _exit(3);
        }
        _exit(0);
    }
    close(p[1]);
    long total = 0, wrong = 0;
    while ((got = read(p[0], buf, 777)) > 0)
        for (int i = 0; i < got; i++, total++)
            wrong += (unsigned char)buf[i] != (total / 1000 & 255);
    NUMBER(total);
    NUMBER(wrong);
    wait(&status);
    NUMBER(status);
    close(p[0]);
}

static void waiting(void)
{
    struct sigaction action = {.sa_handler = alarmed};
    pipe(p);
    sigaction(SIGALRM, &action, 0);
    ualarm(50000, 0);
    CALL(read(p[0], buf, 1));
    struct timespec briefly = {0, 30000000};
    struct pollfd polled = {p[0], POLLIN, 0};
    CALL(ppoll(&polled, 1, &briefly, 0));
    fd_set readable, writable;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(p[0], &readable);
    struct timeval limit = {0, 20000};
    CALL(select(p[0] + 1, &readable, 0, 0, &limit));
    NUMBER(FD_ISSET(p[0], &readable));
    CALL(write(p[1], "x", 1));
    FD_SET(p[0], &readable);
    FD_SET(p[1], &writable);
    CALL(select(p[1] + 1, &readable, &writable, 0, 0));
    NUMBER(FD_ISSET(p[0], &readable));
    NUMBER(FD_ISSET(p[1], &writable));
    /* Linux looks no further than its table of descriptors reaches, and that is never below 64. */
    close(60);
    FD_SET(60, &writable);
    CALL(select(61, 0, &writable, 0, &limit));
    CALL(select(-1, 0, 0, 0, &limit));
    limit.tv_usec = -1;
    CALL(select(0, 0, 0, 0, &limit));
    polled.fd = 99;
    CALL(poll(&polled, 1, 0));
    NUMBER(polled.revents);
    polled.fd = -1;
    CALL(poll(&polled, 1, 10));
    briefly.tv_nsec = 1000000000;
    CALL(ppoll(&polled, 1, &briefly, 0));
    /* Somebody writes while poll waits. */
    CALL(read(p[0], buf, 10));
    if (fork() == 0) {
        usleep(20000);
        write(p[1], "late", 4);
        _exit(0);
    }
    polled = (struct pollfd){p[0], POLLIN, 0};
    CALL(poll(&polled, 1, -1));
    CALL(read(p[0], buf, 10));
    wait(0);
    close(p[0]);
    close(p[1]);
}

static void with_a_name(void)
{
    struct stat st;
    CALL(mkfifo("fifo", 0600));
    CALL(mkfifo("fifo", 0600));
    CALL(stat("fifo", &st));
    NUMBER(st.st_mode);
    CALL(open("fifo", O_WRONLY | O_NONBLOCK));
    int reader = open("fifo", O_RDONLY | O_NONBLOCK);
    CALL(read(reader, buf, 1));
    int writer = open("fifo", O_WRONLY);
    CALL(write(writer, "abc", 3));
    CALL(read(reader, buf, 9));
    CALL(read(reader, buf, 1));
    close(writer);
    CALL(read(reader, buf, 1));
    close(reader);
    if (fork() == 0) {
        writer = open("fifo", O_WRONLY);
        write(writer, "from child", 10);
        _exit(0);
    }
    reader = open("fifo", O_RDONLY);
    CALL(read(reader, buf, 20));
    wait(0);
    close(reader);
}

int main(void)
{
    by_lines();
    bytes();
    capacity();
    broken();
    waiting();
    with_a_name();
    return 0;
}
