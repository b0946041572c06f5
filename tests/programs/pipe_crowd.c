/* Many processes on one pipe: writers and readers of their own pace, some with poll, some
   interrupted by timers again and again. Each writer writes its own byte; all that was written must
   be read, once. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_WRITERS = 16, CAPACITY = 8192, ATOMIC = 4096 };
enum alarms { QUIET, ALARMS };

static unsigned state;

static unsigned any(unsigned below)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
}

static void alarmed(int number) { (void)number; }

static void disturb_every(int microseconds)
{
    struct sigaction action = {.sa_handler = alarmed};
    struct itimerval interval = {{0, microseconds}, {0, microseconds}};
    sigaction(SIGALRM, &action, 0);
    setitimer(ITIMER_REAL, &interval, 0);
}

static void write_all(int to, int number, int bytes)
{
    static char block[ATOMIC];
    state = (unsigned)number;
    memset(block, number, sizeof block);
    for (int left = bytes; left;) {
        int length = 1 + (int)any(number % 2 ? 300 : ATOMIC);
        if (length > left)
            length = left;
        int put = (int)write(to, block, (size_t)length);
        if (put < 0 && errno == EINTR)
            continue;
        /* So little goes in at once or not at all. */
        if (put != length)
            _exit(2);
        left -= length;
    }
    _exit(0);
}

static void read_all(int from, int number, int results)
{
    unsigned counts[MOST_WRITERS + 1] = {0};
    static unsigned char block[5000];
    state = 77 + (unsigned)number;
    for (;;) {
        struct pollfd polled = {from, POLLIN, 0};
        if (number % 3 == 2 && poll(&polled, 1, -1) < 0 && errno == EINTR)
            continue;
        int got = (int)read(from, block, 1 + any(number % 2 ? sizeof block : 50));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            _exit(3);
        if (got == 0)
            break;
        for (int i = 0; i < got; i++)
            counts[block[i] <= MOST_WRITERS ? block[i] : 0]++;
    }
    _exit(write(results, counts, sizeof counts) == sizeof counts ? 0 : 4);
}

/* Bytes that are missing or too many, and processes that failed. */
static long crowd(int writers, int readers, int bytes, enum alarms alarms)
{
    int ends[2], results[2];
    if (pipe(ends) || pipe(results) || fcntl(ends[1], F_SETPIPE_SZ, CAPACITY) != CAPACITY)
        return -1;
    for (int i = 1; i <= writers; i++)
        if (fork() == 0) {
            close(ends[0]);
            if (alarms == ALARMS)
                disturb_every(2700);
            write_all(ends[1], i, bytes);
        }
    for (int i = 0; i < readers; i++)
        if (fork() == 0) {
            close(ends[1]);
            if (alarms == ALARMS)
                disturb_every(2900);
            read_all(ends[0], i, results[1]);
        }
    close(ends[0]);
    close(ends[1]);
    close(results[1]);
    long total[MOST_WRITERS + 1] = {0}, wrong = 0;
    unsigned counts[MOST_WRITERS + 1];
    while (read(results[0], counts, sizeof counts) == sizeof counts)
        for (int i = 0; i <= MOST_WRITERS; i++)
            total[i] += counts[i];
    close(results[0]);
    for (int i = 0; i <= MOST_WRITERS; i++)
        wrong += labs(total[i] - (i >= 1 && i <= writers ? bytes : 0));
    int status;
    while (wait(&status) > 0)
        wrong += status != 0;
    return wrong;
}

int main(void)
{
    by_lines();
    NUMBER(crowd(1, 1, 150000, QUIET));
    NUMBER(crowd(4, 1, 40000, QUIET));
    NUMBER(crowd(1, 4, 80000, QUIET));
    NUMBER(crowd(5, 5, 40000, QUIET));
    NUMBER(crowd(4, 4, 40000, ALARMS));
    return 0;
}
