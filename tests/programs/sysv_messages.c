/* System V message queues, each call with its result: keys, types, room, waiting, rights, what is
   told of a queue, and what becomes of those who wait when it goes. */
#include "check.h"
#include "caught.h"
#include <limits.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/syscall.h>

/* A text that may be empty. */
#define QUOTED(text) printf("%s: '%s'\n", #text, (const char *)(text))

static struct {
    long type;
    char text[9000];
} m;
static struct msqid_ds status;
static int q;

static int put(long type, const char *text)
{
    m.type = type;
    strcpy(m.text, text);
    return msgsnd(q, &m, strlen(text), IPC_NOWAIT);
}

static void take(long type, size_t room, int flags)
{
    memset(&m, 0, sizeof m);
    CALL(msgrcv(q, &m, room, type, flags | IPC_NOWAIT));
    NUMBER(m.type);
    QUOTED(m.text);
}

static void keys(void)
{
    key_t key = 0x50570000 + getpid();
    CALL(msgget(key, 0));
    int a = msgget(key, IPC_CREAT | 0640);
    NUMBER(a >= 0);
    NUMBER(msgget(key, 0) == a);
    NUMBER(msgget(key, IPC_CREAT | 0600) == a);
    CALL(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
    int b = msgget(IPC_PRIVATE, 0600), c = msgget(IPC_PRIVATE, 0600);
    NUMBER(b >= 0 && c >= 0 && b != c);
    CALL(msgctl(a, IPC_STAT, &status));
    NUMBER(status.msg_perm.__key == key);
    NUMBER(status.msg_perm.mode);
    NUMBER(status.msg_perm.uid == geteuid());
    NUMBER(status.msg_perm.cgid == getegid());
    NUMBER(status.msg_qnum);
    NUMBER(status.msg_stime);
    NUMBER(status.msg_ctime > 1000000000);
    NUMBER(status.msg_lspid);
    CALL(msgctl(a, IPC_RMID, 0));
    CALL(msgctl(a, IPC_RMID, 0) < 0);
    NUMBER(errno == EINVAL || errno == EIDRM);
    CALL(msgget(key, 0));
    CALL(msgctl(b, IPC_RMID, 0));
    CALL(msgctl(c, 99, 0));
    CALL(msgctl(-1, IPC_STAT, &status));
    CALL(syscall(SYS_msgctl, c, IPC_STAT, 8));
    CALL(syscall(SYS_msgctl, c, IPC_SET, 8));
    CALL(msgctl(c, IPC_RMID, 0));
}

static void types(void)
{
    q = msgget(IPC_PRIVATE, 0600);
    CALL(put(3, "three"));
    CALL(put(1, "one"));
    CALL(put(2, "two"));
    CALL(put(3, "another three"));
    CALL(put(5, ""));
    take(2, 100, 0);
    take(4, 100, 0);
    take(-2, 100, 0);
    take(3, 100, MSG_EXCEPT);
    take(0, 4, 0);
    take(0, 4, MSG_NOERROR);
    take(-3, 13, 0);
    take(0, 100, 0);
    CALL(put(1, "a"));
    CALL(put(7, "b"));
    CALL(put(4, "c"));
    take(LONG_MIN, 100, 0);
    take(-100, 100, 0);
    take(1, 100, MSG_EXCEPT);
    CALL(put(0, "bad"));
    CALL(put(-1, "bad"));
    m.type = 1;
    CALL(msgsnd(q, &m, 1 << 30, IPC_NOWAIT));
    CALL(msgsnd(q, &m, -1, IPC_NOWAIT));
    CALL(msgsnd(-1, &m, 1, IPC_NOWAIT));
    CALL(msgrcv(q, &m, -1, 0, IPC_NOWAIT));
    CALL(msgrcv(-1, &m, 1, 0, IPC_NOWAIT));
    CALL(syscall(SYS_msgsnd, q, 8, 1, IPC_NOWAIT));
    CALL(put(1, "lost"));
    CALL(syscall(SYS_msgrcv, q, 8, 100, 0, IPC_NOWAIT));
    take(0, 100, 0);
    CALL(msgctl(q, IPC_STAT, &status));
    NUMBER(status.msg_qnum);
    NUMBER(status.msg_cbytes);
    NUMBER(status.msg_lspid == getpid());
    NUMBER(status.msg_lrpid == getpid());
    NUMBER(status.msg_stime > 1000000000);
    NUMBER(status.msg_rtime > 1000000000);
    msgctl(q, IPC_RMID, 0);
}

static void room(void)
{
    q = msgget(IPC_PRIVATE, 0600);
    msgctl(q, IPC_STAT, &status);
    status.msg_qbytes = 10;
    status.msg_perm.mode = 07640;
    CALL(msgctl(q, IPC_SET, &status));
    CALL(msgctl(q, IPC_STAT, &status));
    NUMBER(status.msg_qbytes);
    NUMBER(status.msg_perm.mode);
    CALL(put(1, "12345678"));
    CALL(put(1, "123"));
    CALL(put(1, "12"));
    CALL(put(1, "1"));
    CALL(put(1, ""));
    CALL(msgctl(q, IPC_STAT, &status));
    NUMBER(status.msg_cbytes);
    NUMBER(status.msg_qnum);
    int empty = 0;
    while (put(1, "") == 0)
        empty++;
    NUMBER(empty);
    msgctl(q, IPC_RMID, 0);
}

static void waiting(void)
{
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART};
    pid_t child;
    q = msgget(IPC_PRIVATE, 0600);
    sigaction(SIGALRM, &action, 0);
    /* Never made again, whatever the handler's flags. */
    ualarm(20000, 0);
    CALL(msgrcv(q, &m, 10, 0, 0));
    CHILD(child, (sleep_ms(20), put(2, "other"), put(1, "mine")));
    memset(&m, 0, sizeof m);
    CALL(msgrcv(q, &m, 10, 1, 0));
    QUOTED(m.text);
    NUMBER(ending(child));
    msgctl(q, IPC_STAT, &status);
    status.msg_qbytes = 5;
    CALL(msgctl(q, IPC_SET, &status));
    ualarm(20000, 0);
    CALL(msgsnd(q, &m, 4, 0));
    CHILD(child, (sleep_ms(20), msgrcv(q, &m, 10, 2, 0) != 5));
    CALL(msgsnd(q, &m, 4, 0));
    NUMBER(ending(child));
    /* A receiver whose buffer is too small for what comes. */
    msgrcv(q, &m, 10, 0, 0);
    CHILD(child, msgrcv(q, &m, 1, 0, 0) < 0 ? errno : 0);
    sleep_ms(50);
    CALL(put(1, "1234"));
    NUMBER(ending(child) == E2BIG);
    CALL(msgrcv(q, &m, 10, 0, IPC_NOWAIT));
    CHILD(child, msgrcv(q, &m, 1, 0, MSG_NOERROR));
    sleep_ms(50);
    CALL(put(1, "1234"));
    NUMBER(ending(child));
    /* It goes while they wait. */
    CHILD(child, msgrcv(q, &m, 10, 9, 0) < 0 ? errno : 0);
    put(1, "12345");
    pid_t other;
    CHILD(other, msgsnd(q, &m, 4, 0) < 0 ? errno : 0);
    sleep_ms(50);
    CALL(msgctl(q, IPC_RMID, 0));
    NUMBER(ending(child) == EIDRM);
    NUMBER(ending(other) == EIDRM);
    CALL(msgrcv(q, &m, 10, 0, IPC_NOWAIT) < 0);
}

/* Many readers, some of one type and some of any: every message is read once. */
static void crowd(void)
{
    enum { READERS = 6, EACH = 300 };
    pid_t readers[READERS], writer;
    static int seen[EACH + 1];
    int wrong = 0, number;
    q = msgget(IPC_PRIVATE, 0600);
    int reply = msgget(IPC_PRIVATE, 0600);
    for (int r = 0; r < READERS; r++) {
        if ((readers[r] = fork()) == 0) {
            int last = 0, bad = 0;
            while (msgrcv(q, &m, 8, r < 3 ? r + 1 : -3, 0) == 4) {
                memcpy(&number, m.text, 4);
                bad |= r < 3 && number <= last;
                last = number;
                m.type = number;
                msgsnd(reply, &m, 0, 0);
            }
            /* Removed while it waited, or a moment before. */
            _exit(bad || errno != EIDRM && errno != EINVAL);
        }
    }
    if ((writer = fork()) == 0) {
        for (int i = 1; i <= EACH; i++) {
            m.type = i % 3 + 1;
            memcpy(m.text, &i, 4);
            if (msgsnd(q, &m, 4, 0))
                _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < EACH; i++) {
        msgrcv(reply, &m, 0, 0, 0);
        seen[m.type]++;
    }
    for (int i = 1; i <= EACH; i++)
        wrong += seen[i] != 1;
    NUMBER(wrong);
    NUMBER(ending(writer));
    msgctl(q, IPC_RMID, 0);
    for (int r = 0; r < READERS; r++)
        NUMBER(ending(readers[r]));
    msgctl(reply, IPC_RMID, 0);
}

int main(void)
{
    by_lines();
    keys();
    types();
    room();
    waiting();
    crowd();
    return 0;
}
