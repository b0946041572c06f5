/* Identifiers of System V's objects: many of them, and those that are chosen under /proc. */
#include "paths.h"
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#define MANY 5000

static long store(const char *path, const char *text)
{
    int f = open(path, O_WRONLY);
    long result = f < 0 ? -errno : write(f, text, strlen(text));
    if (result < 0)
        result = -errno;
    close(f);
    return result;
}

static int message(void)
{
    return msgget(IPC_PRIVATE, 0600);
}

static int semaphore(void)
{
    return semget(IPC_PRIVATE, 1, 0600);
}

static int segment(void)
{
    return shmget(IPC_PRIVATE, 1, 0600);
}

static void remove_any(int (*make)(void), int id)
{
    if (make == message)
        CALL(msgctl(id, IPC_RMID, 0));
    else if (make == semaphore)
        CALL(semctl(id, 0, IPC_RMID));
    else
        CALL(shmctl(id, IPC_RMID, 0));
}

static void chosen(const char *path, int (*make)(void))
{
    char text[20];
    TEXT(get(path));
    int first = make();
    snprintf(text, sizeof text, "%d\n", first);
    CALL(store(path, text) == (long)strlen(text));
    /* The place is taken: the next one, with the same number of turns. */
    int second = make();
    NUMBER(second - first);
    NUMBER(second >> 15 == first >> 15);
    TEXT(get(path));
    CALL(store(path, "131080"));
    TEXT(get(path));
    int third = make();
    NUMBER(third);
    TEXT(get(path));
    CALL(store(path, "-1"));
    CALL(store(path, "2147483648"));
    remove_any(make, first);
    remove_any(make, second);
    remove_any(make, third);
    remove_any(make, third);
}

static void choices(void)
{
    chosen("/proc/sys/kernel/msg_next_id", message);
    chosen("/proc/sys/kernel/sem_next_id", semaphore);
    chosen("/proc/sys/kernel/shm_next_id", segment);
}

static void many(void)
{
    static int ids[MANY];
    int made = 0, removed = 0, sums = 0;
    for (int i = 0; i < MANY; i++) {
        ids[i] = semget(0x7000 + i, 10, IPC_CREAT | IPC_EXCL | 0600);
        made += ids[i] >= 0;
    }
    NUMBER(made);
    for (int i = 0; i < MANY; i++) {
        semctl(ids[i], i % 10, SETVAL, i);
        sums += semctl(semget(0x7000 + i, 0, 0), i % 10, GETVAL) == i;
    }
    NUMBER(sums);
    for (int i = 0; i < MANY; i++)
        removed += semctl(ids[i], 0, IPC_RMID) == 0;
    NUMBER(removed);
}

int main(void)
{
    static const struct test TESTS[] = {{"choices", choices}, {"many", many}};
    return run_all(TESTS, sizeof TESTS / sizeof *TESTS);
}
