/* System V semaphores, each call with its result: several at once or none, whose turn it is, what is
   undone, waiting, rights, what is told of a set, and what becomes of those who wait when it goes. */
#include "check.h"
#include "caught.h"
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>

static int s;
static struct semid_ds status;
static unsigned short all[8];

static int operate(int number, int amount, int flags)
{
    struct sembuf operation = {number, amount, flags};
    return semop(s, &operation, 1);
}

static void values(void)
{
    if (semctl(s, 0, GETALL, all))
        perror("GETALL");
    printf("values: %d %d %d\n", all[0], all[1], all[2]);
}

static void set(int a, int b, int c)
{
    semctl(s, 0, SETALL, (unsigned short[]){a, b, c});
}

static void keys(void)
{
    key_t key = 0x50570000 + getpid();
    CALL(semget(key, 0, 0));
    CALL(semget(key, 0, IPC_CREAT | 0600));
    CALL(semget(key, -1, IPC_CREAT | 0600));
    CALL(semget(key, 1 << 30, IPC_CREAT | 0600));
    s = semget(key, 3, IPC_CREAT | 0640);
    NUMBER(s >= 0);
    NUMBER(semget(key, 0, 0) == s);
    NUMBER(semget(key, 2, 0600) == s);
    CALL(semget(key, 4, 0));
    CALL(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
    CALL(semctl(s, 0, IPC_STAT, &status));
    NUMBER(status.sem_perm.__key == key);
    NUMBER(status.sem_perm.mode);
    NUMBER(status.sem_nsems);
    NUMBER(status.sem_otime);
    NUMBER(status.sem_ctime > 1000000000);
    values();
    CALL(operate(1, 1, 0));
    CALL(semctl(s, 0, IPC_STAT, &status));
    NUMBER(status.sem_otime > 1000000000);
    status.sem_perm.mode = 07604;
    CALL(semctl(s, 0, IPC_SET, &status));
    CALL(semctl(s, 0, IPC_STAT, &status));
    NUMBER(status.sem_perm.mode);
    CALL(semctl(-1, 0, IPC_STAT, &status));
    CALL(syscall(SYS_semctl, s, 0, IPC_STAT, 8));
    CALL(syscall(SYS_semctl, s, 0, IPC_SET, 8));
    CALL(syscall(SYS_semctl, s, 0, GETALL, 8));
    CALL(syscall(SYS_semctl, s, 0, SETALL, 8));
    CALL(semctl(s, 0, 99));
    CALL(semctl(s, 0, IPC_RMID));
    CALL(semctl(s, 0, IPC_RMID) < 0);
    CALL(semget(key, 0, 0));
}

static void changing(void)
{
    s = semget(IPC_PRIVATE, 3, 0600);
    CALL(semctl(s, 0, SETVAL, 5));
    CALL(semctl(s, 2, SETVAL, 32767));
    CALL(semctl(s, 2, SETVAL, 32768));
    CALL(semctl(s, 2, SETVAL, -1));
    CALL(semctl(s, 3, SETVAL, 1));
    CALL(semctl(s, -1, SETVAL, 1));
    CALL(semctl(s, 3, GETVAL));
    CALL(semctl(s, -1, GETPID));
    CALL(semctl(s, 3, GETNCNT));
    CALL(semctl(s, 3, GETZCNT));
    CALL(semctl(s, 2, GETVAL));
    NUMBER(semctl(s, 2, GETPID) == getpid());
    CALL(semctl(s, 0, SETALL, ((unsigned short[]){1, 40000, 3})));
    values();
    struct sembuf both[] = {{0, -2, 0}, {1, 3, 0}};
    CALL(semop(s, both, 2));
    values();
    both[1].sem_op = -4;
    CALL(semop(s, (both[1].sem_flg = IPC_NOWAIT, both), 2));
    values();
    struct sembuf same[] = {{0, -3, 0}, {0, 0, IPC_NOWAIT}, {0, 7, 0}};
    CALL(semop(s, same, 3));
    values();
    CALL(semop(s, same + 1, 1));
    CALL(operate(2, 1, 0));
    CALL(operate(3, 1, 0));
    CALL(semop(s, both, 0));
    CALL(semop(s, both, 100000));
    CALL(semop(-1, both, 1));
    CALL(syscall(SYS_semtimedop, s, 8, 1, 0));
    struct timespec briefly = {0, 20000000}, bad = {0, 1000000000};
    struct sembuf zero = {1, 0, 0};
    CALL(semtimedop(s, &zero, 1, &briefly));
    CALL(semtimedop(s, &zero, 1, &bad));
    CALL(syscall(SYS_semtimedop, s, &zero, 1, 8));
    semctl(s, 0, IPC_RMID);
}

/* A child that does this, and has begun to wait. */
static pid_t waiter(struct sembuf *operations, int count)
{
    pid_t child;
    CHILD(child, semop(s, operations, count) < 0 ? errno : 0);
    sleep_ms(40);
    return child;
}

static void waiting(void)
{
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sembuf take = {0, -1, 0}, zero = {1, 0, 0};
    pid_t child, other, third;
    s = semget(IPC_PRIVATE, 3, 0600);
    set(0, 1, 0);
    child = waiter(&take, 1);
    other = waiter(&take, 1);
    third = waiter(&zero, 1);
    CALL(semctl(s, 0, GETNCNT));
    CALL(semctl(s, 0, GETZCNT));
    CALL(semctl(s, 1, GETNCNT));
    CALL(semctl(s, 1, GETZCNT));
    CALL(operate(0, 1, 0));
    NUMBER(ending(child));
    CALL(semctl(s, 0, GETNCNT));
    NUMBER(semctl(s, 0, GETPID) == child);
    CALL(semctl(s, 0, SETVAL, 1));
    NUMBER(ending(other));
    set(0, 0, 0);
    NUMBER(ending(third));
    /* Whoever waits for more does not keep others from less. */
    struct sembuf two = {0, -2, 0};
    child = waiter(&two, 1);
    other = waiter(&take, 1);
    operate(0, 1, 0);
    NUMBER(ending(other));
    operate(0, 2, 0);
    NUMBER(ending(child));
    values();
    /* One who goes on lets another go on. */
    struct sembuf chain[] = {{0, -1, 0}, {1, 1, 0}}, last = {1, -1, 0};
    child = waiter(&last, 1);
    other = waiter(chain, 2);
    operate(0, 1, 0);
    NUMBER(ending(child));
    NUMBER(ending(other));
    values();
    /* Several at once: only the one that blocks is counted. */
    struct sembuf pair[] = {{0, -1, 0}, {2, -1, 0}};
    child = waiter(pair, 2);
    CALL(semctl(s, 0, GETNCNT));
    CALL(semctl(s, 2, GETNCNT));
    operate(0, 1, 0);
    sleep_ms(20);
    CALL(semctl(s, 0, GETNCNT));
    CALL(semctl(s, 2, GETNCNT));
    operate(2, 1, 0);
    NUMBER(ending(child));
    sigaction(SIGALRM, &action, 0);
    ualarm(20000, 0);
    CALL(operate(0, -1, 0));
    child = waiter(&take, 1);
    other = waiter((struct sembuf[]){{2, -1, SEM_UNDO}}, 1);
    CALL(semctl(s, 0, IPC_RMID));
    NUMBER(ending(child) == EIDRM);
    NUMBER(ending(other) == EIDRM);
    CALL(operate(0, 1, 0) < 0);
}

static void undoing(void)
{
    pid_t child;
    s = semget(IPC_PRIVATE, 3, 0600);
    set(3, 0, 5);
    CHILD(child, (operate(0, -2, SEM_UNDO), operate(1, 4, SEM_UNDO), operate(2, -1, 0)));
    NUMBER(ending(child));
    values();
    /* No value is below 0 after it, and none is undone that was set meanwhile. */
    CHILD(child, (operate(1, 4, SEM_UNDO), operate(0, 3, SEM_UNDO), operate(2, 1, SEM_UNDO),
                     operate(1, -3, 0), semctl(s, 2, SETVAL, 9)));
    NUMBER(ending(child));
    values();
    /* Whoever waits has it when the other ends. */
    set(1, 0, 0);
    CHILD(child, (operate(0, -1, SEM_UNDO), sleep_ms(60), 0));
    sleep_ms(20);
    CALL(operate(0, -1, 0));
    NUMBER(ending(child));
    /* A killed one undoes as well, and one that executes a program goes on. */
    set(1, 0, 0);
    CHILD(child, (operate(0, -1, SEM_UNDO), sleep_ms(10000), 0));
    sleep_ms(20);
    values();
    kill(child, SIGKILL);
    NUMBER(ending(child));
    values();
    /* There is a limit to what can be undone. */
    set(0, 0, 0);
    CHILD(child, ({
        int failed = 0;
        for (int i = 0; i < 2; i++) {
            failed += operate(0, 32767, SEM_UNDO) < 0 && errno == ERANGE;
            operate(0, -32767, IPC_NOWAIT);
        }
        failed;
    }));
    NUMBER(ending(child));
    semctl(s, 0, IPC_RMID);
}

/* Many who take turns: never two inside. */
static void crowd(void)
{
    enum { CHILDREN = 6, EACH = 100 };
    pid_t children[CHILDREN];
    s = semget(IPC_PRIVATE, 3, 0600);
    set(1, 0, 0);
    for (int c = 0; c < CHILDREN; c++) {
        if ((children[c] = fork()) == 0) {
            int bad = 0;
            for (int i = 0; i < EACH; i++) {
                bad |= operate(0, -1, SEM_UNDO) != 0;
                bad |= operate(1, 1, 0) != 0;
                bad |= semctl(s, 1, GETVAL) != 1;
                bad |= operate(1, -1, IPC_NOWAIT) != 0;
                bad |= operate(0, 1, SEM_UNDO) != 0;
            }
            _exit(bad);
        }
    }
    for (int c = 0; c < CHILDREN; c++)
        NUMBER(ending(children[c]));
    values();
    semctl(s, 0, IPC_RMID);
}

static void rights(void)
{
    pid_t child;
    s = semget(IPC_PRIVATE, 3, 0604);
    CHILD(child, ({
        setgid(77);
        setuid(77);
        CALL(semctl(s, 0, GETVAL));
        CALL(semctl(s, 0, SETVAL, 1));
        CALL(operate(0, 1, 0));
        CALL(operate(0, 0, 0));
        CALL(semctl(s, 0, IPC_RMID));
        CALL(semctl(s, 0, IPC_SET, &status));
        CALL(semctl(s, 0, IPC_STAT, &status));
        0;
    }));
    NUMBER(ending(child));
    semctl(s, 0, IPC_RMID);
}

int main(void)
{
    by_lines();
    keys();
    changing();
    waiting();
    undoing();
    crowd();
    rights();
    return 0;
}
