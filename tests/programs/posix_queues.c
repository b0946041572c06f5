/* POSIX message queues, each call with its result: sizes, priorities, waiting and timeouts, who is
   told, what a descriptor may do, names. */
#include "check.h"
#include "caught.h"
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* A text that may be empty. */
#define QUOTED(text) printf("%s: '%s'\n", #text, (const char *)(text))

static char name[64], buf[9000];
static struct mq_attr attributes;
static unsigned priority;

/* The host may have queues of others. */
static const char *own(const char *what)
{
    sprintf(name, "/pagewalk-%d-%s", getpid(), what);
    return name;
}

static mqd_t make(const char *what, int flags, long messages, long bytes)
{
    struct mq_attr size = {.mq_maxmsg = messages, .mq_msgsize = bytes};
    return mq_open(own(what), O_CREAT | flags, 0600, &size);
}

static struct timespec soon(long ms)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_nsec += ms * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

static void opening(void)
{
    CALL(mq_open("no-slash", O_RDONLY));
    CALL(mq_open("/", O_RDONLY));
    CALL(mq_open("/a/b", O_RDONLY));
    CALL(mq_open("/.", O_RDONLY));
    CALL(mq_open("/..", O_RDWR | O_CREAT, 0600, 0));
    CALL(mq_open(own("none"), O_RDONLY));
    memset(buf, 'x', 300);
    buf[0] = '/';
    buf[257] = 0;
    CALL(mq_open(buf, O_RDONLY));
    buf[5000] = 0;
    CALL(mq_unlink(buf));
    CALL(syscall(SYS_mq_open, "", O_RDONLY, 0, 0));
    CALL(syscall(SYS_mq_open, 8, O_RDONLY, 0, 0));
    CALL(make("bad", O_RDWR, 0, 10));
    CALL(make("bad", O_RDWR, 10, 0));
    CALL(make("bad", O_RDWR, -1, 10));
    CALL(make("bad", O_RDWR, 10, -1));
    CALL(make("bad", O_RDWR, 1 << 20, 10));
    CALL(make("bad", O_RDWR, 1, 1 << 30));
    CALL(mq_unlink(own("bad")));
    mqd_t q = make("q", O_RDWR | O_EXCL, 4, 64);
    NUMBER(q >= 0);
    CALL(make("q", O_RDWR | O_EXCL, 4, 64));
    CALL(mq_close(make("q", O_RDWR, 8, 128)) >= 0);
    CALL(mq_getattr(q, &attributes));
    NUMBER(attributes.mq_flags);
    NUMBER(attributes.mq_maxmsg);
    NUMBER(attributes.mq_msgsize);
    NUMBER(attributes.mq_curmsgs);
    CALL(fcntl(q, F_GETFD));
    CALL(syscall(SYS_mq_open, own("q") + 1, O_WRONLY | O_RDWR, 0, 0));
    CALL(mq_close(q));
    CALL(mq_close(q));
    CALL(mq_unlink(own("q")));
    CALL(mq_unlink(own("q")));
    CALL(mq_unlink("/a/b"));
}

static void order(void)
{
    mqd_t q = make("order", O_RDWR | O_NONBLOCK, 6, 8);
    CALL(mq_receive(q, buf, 8, &priority));
    CALL(mq_send(q, "low 1", 5, 1));
    CALL(mq_send(q, "high 1", 6, 30));
    CALL(mq_send(q, "low 2", 5, 1));
    CALL(mq_send(q, "top", 3, 32767));
    CALL(mq_send(q, "high 2", 6, 30));
    CALL(mq_send(q, "", 0, 0));
    CALL(mq_send(q, "more", 4, 0));
    CALL(mq_send(q, "more", 4, 32768));
    CALL(mq_send(q, "too long.", 9, 0));
    CALL(mq_receive(q, buf, 7, &priority));
    for (int i = 0; i < 6; i++) {
        memset(buf, 0, 10);
        CALL(mq_receive(q, buf, i % 2 ? 8 : sizeof buf, &priority));
        NUMBER(priority);
        QUOTED(buf);
    }
    CALL(mq_receive(q, buf, 8, 0));
    attributes.mq_flags = 0;
    CALL(mq_setattr(q, &attributes, &attributes));
    NUMBER(attributes.mq_flags == O_NONBLOCK);
    CALL(mq_getattr(q, &attributes));
    NUMBER(attributes.mq_flags);
    attributes.mq_flags = O_APPEND;
    CALL(mq_setattr(q, &attributes, 0));
    mq_close(q);
    mq_unlink(own("order"));
}

static void rights(void)
{
    make("rights", O_RDONLY, 2, 8);
    mqd_t reader = mq_open(own("rights"), O_RDONLY), writer = mq_open(own("rights"), O_WRONLY);
    CALL(mq_send(reader, "x", 1, 0));
    CALL(mq_send(writer, "x", 1, 0));
    CALL(mq_receive(writer, buf, 8, 0));
    CALL(mq_receive(reader, buf, 8, 0));
    CALL(mq_send(-1, "x", 1, 0));
    CALL(mq_receive(99, buf, 8, 0));
    CALL(mq_getattr(0, &attributes));
    CALL(mq_notify(0, 0));
    CALL(mq_send(0, "x", 1, 0));
    CALL(syscall(SYS_mq_timedsend, writer, 8, 4, 0, 0));
    /* What was taken is gone, wherever it was to go. */
    CALL(mq_send(writer, "x", 1, 0));
    CALL(syscall(SYS_mq_timedreceive, reader, 8, 8, 0, 0));
    CALL(mq_getattr(reader, &attributes));
    NUMBER(attributes.mq_curmsgs);
    mq_unlink(own("rights"));
    CALL(mq_open(own("rights"), O_RDONLY));
    /* Without a name it lives as long as somebody has it open. */
    CALL(mq_send(writer, "left", 4, 0));
    CALL(mq_receive(reader, buf, 8, 0));
    mq_close(reader);
    mq_close(writer);
}

static void waiting(void)
{
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    mqd_t q = make("waiting", O_RDWR, 1, 8);
    struct timespec late = {1, 0}, bad = {1, 1000000000}, negative = {-1, 0}, time = soon(30);
    CALL(mq_timedreceive(q, buf, 8, 0, &late));
    CALL(mq_timedreceive(q, buf, 8, 0, &time));
    CALL(mq_timedreceive(q, buf, 8, 0, &bad));
    CALL(mq_timedreceive(q, buf, 8, 0, &negative));
    CALL(mq_timedsend(q, "one", 3, 0, &late));
    CALL(mq_timedsend(q, "two", 3, 0, &late));
    time = soon(20);
    CALL(mq_timedsend(q, "two", 3, 0, &time));
    CALL(mq_timedsend(q, "two", 3, 0, &bad));
    CALL(syscall(SYS_mq_timedsend, q, "two", 3, 0, 8));
    sigaction(SIGALRM, &action, 0);
    ualarm(20000, 0);
    CALL(mq_send(q, "two", 3, 0));
    CALL(mq_receive(q, buf, 8, 0));
    ualarm(20000, 0);
    CALL(mq_receive(q, buf, 8, 0));
    /* A handler that lets calls go on. */
    action.sa_flags |= SA_RESTART;
    sigaction(SIGALRM, &action, 0);
    ualarm(20000, 0);
    time = soon(60);
    CALL(mq_timedreceive(q, buf, 8, 0, &time));
    pid_t child;
    CHILD(child, (sleep_ms(20), mq_send(q, "late", 4, 3)));
    memset(buf, 0, 9);
    CALL(mq_receive(q, buf, 8, &priority));
    QUOTED(buf);
    NUMBER(priority);
    NUMBER(ending(child));
    mq_send(q, "full", 4, 0);
    CHILD(child, (sleep_ms(20), mq_receive(q, buf, 8, 0) != 4));
    CALL(mq_send(q, "next", 4, 0));
    NUMBER(ending(child));
    CALL(mq_receive(q, buf, 8, 0));
    QUOTED(buf);
    mq_close(q);
    mq_unlink(own("waiting"));
}

static void polling(void)
{
    mqd_t q = make("polling", O_RDWR, 2, 8);
    struct pollfd polled = {q, POLLIN | POLLOUT, 0};
    for (int i = 0; i < 3; i++) {
        CALL(poll(&polled, 1, 0));
        NUMBER(polled.revents);
        mq_send(q, "x", 1, 0);
        if (i == 1)
            break;
    }
    CALL(poll(&polled, 1, 0));
    NUMBER(polled.revents);
    mq_receive(q, buf, 8, 0);
    mq_receive(q, buf, 8, 0);
    pid_t child;
    CHILD(child, (sleep_ms(20), mq_send(q, "x", 1, 0)));
    polled.events = POLLIN;
    CALL(poll(&polled, 1, -1));
    NUMBER(polled.revents);
    NUMBER(ending(child));
    mq_close(q);
    mq_unlink(own("polling"));
}

static volatile sig_atomic_t value;

static void note_value(int number, siginfo_t *info, void *context)
{
    note(number, info, context);
    value = info->si_value.sival_int;
}

static void telling(void)
{
    struct sigaction action = {.sa_sigaction = note_value, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    event.sigev_value.sival_int = 42;
    mqd_t q = make("telling", O_RDWR | O_NONBLOCK, 4, 8), again = mq_open(own("telling"), O_RDWR);
    sigaction(SIGUSR1, &action, 0);
    CALL(mq_notify(q, &event));
    CALL(mq_notify(q, &event));
    pid_t child;
    CHILD(child, mq_notify(q, &event) == 0 || errno != EBUSY);
    NUMBER(ending(child));
    CALL(mq_send(q, "a", 1, 0));
    NUMBER(got == SIGUSR1);
    NUMBER(code == SI_MESGQ);
    NUMBER(sender == getpid());
    NUMBER(value);
    got = 0;
    CALL(mq_send(q, "b", 1, 0));
    NUMBER(got);
    CALL(mq_notify(q, &event));
    CALL(mq_send(q, "c", 1, 0));
    NUMBER(got);
    while (mq_receive(q, buf, 8, 0) >= 0) {}
    CHILD(child, mq_send(q, "d", 1, 0));
    NUMBER(ending(child));
    NUMBER(got == SIGUSR1);
    NUMBER(sender == child);
    mq_receive(q, buf, 8, 0);
    CALL(mq_notify(q, &event));
    CALL(mq_notify(q, 0));
    CALL(mq_notify(q, 0));
    got = 0;
    mq_send(q, "e", 1, 0);
    NUMBER(got);
    event.sigev_notify = SIGEV_NONE;
    CALL(mq_notify(q, &event));
    CALL(mq_notify(again, &event));
    /* Closing any descriptor of it ends that. */
    mq_close(again);
    event.sigev_notify = SIGEV_SIGNAL;
    CALL(mq_notify(q, &event));
    again = dup(q);
    close(again);
    CALL(mq_notify(q, &event));
    again = dup(q);
    dup2(0, again);
    CALL(mq_notify(q, &event));
    close(again);
    CALL(mq_notify(q, &event));
    CALL(mq_notify(q, 0));
    event.sigev_signo = 65;
    CALL(mq_notify(q, &event));
    event.sigev_notify = 77;
    CALL(mq_notify(q, &event));
    /* Who waits is served, and nobody is told. */
    while (mq_receive(q, buf, 8, 0) >= 0) {}
    event = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    CALL(mq_notify(q, &event));
    attributes.mq_flags = 0;
    mq_setattr(q, &attributes, 0);
    CHILD(child, mq_receive(q, buf, 8, 0) != 1);
    sleep_ms(50);
    mq_send(q, "f", 1, 0);
    NUMBER(ending(child));
    NUMBER(got);
    mq_send(q, "g", 1, 0);
    NUMBER(got == SIGUSR1);
    mq_close(q);
    mq_unlink(own("telling"));
}

/* Each message is read once, whoever reads it, and those of a writer in their order. */
static void crowd(void)
{
    enum { READERS = 6, WRITERS = 3, EACH = 200 };
    mqd_t q = make("crowd", O_RDWR, 5, 8);
    int counts[2];
    pid_t writers[WRITERS], readers[READERS];
    pipe(counts);
    for (int r = 0; r < READERS; r++) {
        if ((readers[r] = fork()) == 0) {
            int last[WRITERS] = {0}, message[2], bad = 0;
            while (mq_receive(q, (char *)message, 8, 0) == 8 && message[0] >= 0) {
                bad |= message[1] <= last[message[0]];
                last[message[0]] = message[1];
                write(counts[1], message, 8);
            }
            _exit(bad);
        }
    }
    for (int w = 0; w < WRITERS; w++) {
        if ((writers[w] = fork()) == 0) {
            for (int i = 1; i <= EACH; i++) {
                int message[2] = {w, i};
                if (mq_send(q, (char *)message, 8, 0) != 0)
                    _exit(1);
            }
            _exit(0);
        }
    }
    close(counts[1]);
    int seen[WRITERS][EACH + 1] = {0}, message[2], wrong = 0;
    for (int i = 0; i < WRITERS * EACH && read(counts[0], message, 8) == 8; i++)
        seen[message[0]][message[1]]++;
    for (int w = 0; w < WRITERS; w++)
        for (int i = 1; i <= EACH; i++)
            wrong += seen[w][i] != 1;
    NUMBER(wrong);
    for (int w = 0; w < WRITERS; w++)
        NUMBER(ending(writers[w]));
    for (int r = 0; r < READERS; r++)
        mq_send(q, (char *)(int[2]){-1, 0}, 8, 0);
    for (int r = 0; r < READERS; r++)
        NUMBER(ending(readers[r]));
    close(counts[0]);
    mq_close(q);
    mq_unlink(own("crowd"));
}

int main(void)
{
    by_lines();
    opening();
    order();
    rights();
    waiting();
    polling();
    telling();
    crowd();
    return 0;
}
