/* What a futex is known by: not its address where memory is shared, by a file, by a segment, by
   fork; and every way in which the call refuses. */
#include "check.h"
#include "place.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE };

static long futex(volatile void *at, int op, unsigned value, const void *limit, volatile void *second,
    unsigned third)
{
    return syscall(SYS_futex, at, op, value, limit, second, third);
}

/* A child that waits at `there` until it is woken, if `here` is the same word; how many were. */
static long woken(volatile int *there, volatile int *here, int flags)
{
    struct timespec limit = {0, 300000000};
    *there = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(futex(there, FUTEX_WAIT | flags, 0, &limit, 0, 0) == 0);
    sleep_ms(100);
    madvise((void *)((long)there & -PAGE), PAGE, MADV_PAGEOUT);
    long count = futex(here, FUTEX_WAKE | flags, 10, 0, 0, 0);
    return count * 10 + ending(child);
}

static void keys(void)
{
    int fd = open("words", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(fd, 4 * PAGE);
    volatile int *one = mmap(0, 2 * PAGE, RW, MAP_SHARED, fd, PAGE);
    volatile int *two = mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    volatile int *own = mmap(0, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
    volatile int *anonymous = mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    volatile int *private = mmap(0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int words = PAGE / sizeof(int);
    NUMBER(woken(one, two + words, 0));
    NUMBER(woken(two + words, one, 0));
    NUMBER(woken(one, two + words + 1, 0));
    NUMBER(woken(one, two, 0));
    NUMBER(woken(one, own + words, 0));
    NUMBER(woken(one, one, 0));
    NUMBER(woken(one, one, FUTEX_PRIVATE_FLAG));
    NUMBER(woken(anonymous, anonymous, 0));
    NUMBER(woken(private, private, 0));
    NUMBER(woken(own, own, 0));
    int id = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600);
    volatile int *segment = shmat(id, 0, 0), *again = shmat(id, 0, 0);
    NUMBER(segment != again);
    NUMBER(woken(segment + words + 3, again + words + 3, 0));
    NUMBER(woken(segment, segment, 0));
    NUMBER(woken(segment, again + words, 0));
    shmdt((void *)segment);
    NUMBER(woken(again, again, 0));
    shmdt((void *)again);
    shmctl(id, IPC_RMID, 0);
    /* A new mapping is the same file, also when the old one has gone. */
    munmap((void *)one, 2 * PAGE);
    one = mmap(0, PAGE, RW, MAP_SHARED, fd, 3 * PAGE);
    NUMBER(woken(two + 3 * words + 7, one + 7, 0));
    unlink("words");
    NUMBER(woken(two + 3 * words + 7, one + 7, 0));
    close(fd);
}

/* Waiters that are moved to a word in another file, from process to process. */
static void moved(void)
{
    volatile int *here = mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    volatile int *there = mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct timespec limit = {5, 0};
    pid_t children[4];
    for (int i = 0; i < 4; i++)
        CHILD(children[i], futex(here, FUTEX_WAIT, 0, &limit, 0, 0) != 0);
    sleep_ms(200);
    CALL(futex(here, FUTEX_CMP_REQUEUE, 1, (void *)2, there, 1));
    CALL(futex(here, FUTEX_CMP_REQUEUE, 1, (void *)2, there, 0));
    CALL(futex(here, FUTEX_WAKE, 10, 0, 0, 0));
    CALL(futex(there, FUTEX_REQUEUE, 1, (void *)1, here, 0));
    CALL(futex(there, FUTEX_WAKE, 10, 0, 0, 0));
    CALL(futex(here, FUTEX_WAKE, 10, 0, 0, 0));
    for (int i = 0; i < 4; i++)
        NUMBER(ending(children[i]));
}

static void refused(void)
{
    static int word, second;
    struct timespec limit = {0, 1000000}, negative = {-1, 0}, wrong = {0, 1000000000};
    struct timespec past = {1, 0};
    int *reads = mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int *none = mmap(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CALL(futex(&word, FUTEX_WAIT, 1, 0, 0, 0));
    CALL(futex(&word, FUTEX_WAIT, 0, &limit, 0, 0));
    CALL(futex(&word, FUTEX_WAIT, 0, &negative, 0, 0));
    CALL(futex(&word, FUTEX_WAIT, 0, &wrong, 0, 0));
    CALL(futex(&word, FUTEX_WAIT, 0, (void *)8, 0, 0));
    CALL(futex(&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, &limit, 0, 0));
    CALL(futex((char *)&word + 2, FUTEX_WAIT, 0, &limit, 0, 0));
    CALL(futex((char *)&word + 2, FUTEX_WAKE, 1, 0, 0, 0));
    CALL(futex(none, FUTEX_WAIT, 0, &limit, 0, 0));
    CALL(futex(none, FUTEX_WAKE, 1, 0, 0, 0));
    CALL(futex(none, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0));
    CALL(futex((void *)-4096L, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0));
    CALL(futex((void *)8, FUTEX_WAIT, 0, &limit, 0, 0));
    CALL(futex(reads, FUTEX_WAIT_PRIVATE, 0, &limit, 0, 0));
    CALL(futex(reads, FUTEX_WAIT, 1, &limit, 0, 0));
    CALL(futex(reads, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0));
    CALL(futex(&word, FUTEX_WAIT_BITSET, 0, &past, 0, 1));
    CALL(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &past, 0, 1));
    CALL(futex(&word, FUTEX_WAIT_BITSET, 0, &limit, 0, 0));
    CALL(futex(&word, FUTEX_WAKE_BITSET, 1, 0, 0, 0));
    CALL(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, 0, 0, 0));
    CALL(futex(&word, FUTEX_WAKE, -1, 0, 0, 0));
    CALL(futex(&word, FUTEX_REQUEUE, -1, (void *)1, &second, 0));
    CALL(futex(&word, FUTEX_REQUEUE, 1, (void *)-1, &second, 0));
    CALL(futex(&word, FUTEX_REQUEUE, 1, (void *)1, (char *)&second + 1, 0));
    CALL(futex(&word, FUTEX_REQUEUE, 1, (void *)1, none, 0));
    CALL(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &second, 1));
    CALL(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &second, 0));
    CALL(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, none, FUTEX_OP(FUTEX_OP_SET, 1, 0, 0)));
    CALL(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &second, FUTEX_OP(7, 1, 0, 0)));
    CALL(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &second, FUTEX_OP(FUTEX_OP_SET, 1, 9, 0)));
    CALL(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &second, FUTEX_OP(FUTEX_OP_SET, 7, 0, 0)));
    NUMBER(second);
    CALL(futex(&word, 50, 0, 0, 0, 0));
}

static void lists(void)
{
    struct robust_list_head head = {{&head.list}, 0, 0};
    void *found;
    size_t size = 0;
    CALL(syscall(SYS_set_robust_list, &head, sizeof head - 1));
    CALL(syscall(SYS_set_robust_list, &head, sizeof head));
    CALL(syscall(SYS_get_robust_list, 0, &found, &size));
    NUMBER(found == &head);
    NUMBER(size);
    CALL(syscall(SYS_get_robust_list, getpid(), &found, &size));
    CALL(syscall(SYS_get_robust_list, 99999, &found, &size));
    CALL(syscall(SYS_get_robust_list, 0, (void *)8, &size));
    CALL(syscall(SYS_get_robust_list, 0, &found, (void *)8));
    if (fork() == 0) {
        setuid(1000);
        CALL(syscall(SYS_get_robust_list, 1, &found, &size));
        _exit(0);
    }
    wait(0);
    syscall(SYS_set_robust_list, 0, sizeof head);
    /* Words in shared memory of a process that dies: with its number, with others', without. */
    int *words = mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        static struct {
            struct robust_list_head head;
            struct robust_list entries[4];
        } own;
        struct entry {
            struct robust_list list;
            int word;
        } *entries = (struct entry *)(words + 512);
        own.head.list.next = &entries[0].list;
        entries[0].list.next = &entries[1].list;
        entries[1].list.next = &entries[2].list;
        entries[2].list.next = &own.head.list;
        own.head.futex_offset = offsetof(struct entry, word);
        own.head.list_op_pending = &entries[3].list;
        entries[0].word = getpid();
        entries[1].word = getpid() | FUTEX_WAITERS;
        entries[2].word = getpid() + 1;
        entries[3].word = getpid();
        syscall(SYS_set_robust_list, &own.head, sizeof own.head);
        _exit(0);
    }
    NUMBER(ending(child));
    for (int i = 0; i < 4; i++) {
        unsigned word = words[512 + 4 * i + 2];
        printf("%d: %x\n", i, word == child + 1 ? 1 : word);
    }
}

int main(int argc, char **argv)
{
    by_lines();
    begin_in_place(argc, argv);
    keys();
    moved();
    refused();
    lists();
    return end_in_place();
}
