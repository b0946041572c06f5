/* System V shared memory, each call with its result: keys and sizes, where it is attached and how,
   who sees what is written, how often it is attached, when it goes, rights. */
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

enum { PAGE = 4096 };
static int m;
static struct shmid_ds status;
static sigjmp_buf back;

static void fault(int number) { siglongjmp(back, number); }

/* What a store there comes to: 0, or the signal. */
static int store(volatile char *at, int value)
{
    int number = sigsetjmp(back, 1);
    if (number == 0)
        *at = value;
    return number;
}

static long attached(void)
{
    return shmctl(m, IPC_STAT, &status) ? -errno : (long)status.shm_nattch;
}

/* shmat yields an address, which differs, or an error. */
#define AT(call)                                                                                   \
    ({                                                                                             \
        errno = 0;                                                                                 \
        char *at = (char *)(call);                                                                 \
        printf("%s: %s\n", #call, at == (char *)-1 ? strerrorname_np(errno) : "an address");       \
        at;                                                                                        \
    })

static void keys(void)
{
    key_t key = 0x50570000 + getpid();
    CALL(shmget(key, PAGE, 0));
    CALL(shmget(key, 0, IPC_CREAT | 0600));
    CALL(shmget(key, -1, IPC_CREAT | 0600));
    m = shmget(key, 5000, IPC_CREAT | 0640);
    NUMBER(m >= 0);
    NUMBER(shmget(key, 0, 0) == m);
    NUMBER(shmget(key, 5000, IPC_CREAT | 0600) == m);
    CALL(shmget(key, 5001, 0));
    CALL(shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0600));
    CALL(shmctl(m, IPC_STAT, &status));
    NUMBER(status.shm_perm.__key == key);
    NUMBER(status.shm_perm.mode);
    NUMBER(status.shm_segsz);
    NUMBER(status.shm_cpid == getpid());
    NUMBER(status.shm_lpid);
    NUMBER(status.shm_nattch);
    NUMBER(status.shm_atime);
    NUMBER(status.shm_dtime);
    NUMBER(status.shm_ctime > 1000000000);
    status.shm_perm.mode = 07604;
    CALL(shmctl(m, IPC_SET, &status));
    CALL(shmctl(m, IPC_STAT, &status));
    NUMBER(status.shm_perm.mode);
    CALL(shmctl(-1, IPC_STAT, &status));
    CALL(syscall(SYS_shmctl, m, IPC_STAT, 8));
    CALL(syscall(SYS_shmctl, m, IPC_SET, 8));
    CALL(shmctl(m, 99, 0));
    CALL(shmctl(m, IPC_RMID, 0));
    CALL(shmctl(m, IPC_RMID, 0) < 0);
    CALL(shmget(key, 0, 0));
    AT(shmat(m, 0, 0));
}

static void places(void)
{
    m = shmget(IPC_PRIVATE, 3 * PAGE, 0700);
    char *a = AT(shmat(m, 0, 0)), *b = AT(shmat(m, 0, 0));
    NUMBER(a != b);
    a[5000] = 7;
    NUMBER(b[5000]);
    NUMBER(b[0] + b[3 * PAGE - 1]);
    NUMBER(attached());
    NUMBER(status.shm_lpid == getpid());
    NUMBER(status.shm_atime > 1000000000);
    CALL(shmdt(b));
    CALL(shmdt(b));
    NUMBER(attached());
    NUMBER(status.shm_dtime > 1000000000);
    NUMBER(store(b, 1));
    char *there = AT(shmat(m, b, 0));
    NUMBER(there == b);
    AT(shmat(m, b, 0));
    AT(shmat(m, b + PAGE, 0));
    AT(shmat(m, b + 1, 0));
    AT(shmat(m, 0, SHM_REMAP));
    AT(shmat(m, (void *)100, SHM_RND | SHM_REMAP));
    CALL(shmdt(b + 1));
    CALL(shmdt(b + PAGE));
    CALL(shmdt(0));
    CALL(shmdt(b));
    NUMBER((char *)AT(shmat(m, b + 4095, SHM_RND)) == b);
    /* In place of something else. */
    char *other = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(other, 1, 4 * PAGE);
    AT(shmat(m, other, 0));
    NUMBER((char *)AT(shmat(m, other, SHM_REMAP)) == other);
    NUMBER(other[5000]);
    NUMBER(other[3 * PAGE]);
    NUMBER(attached());
    AT(shmat(-1, 0, 0));
    AT(shmat(m + 1, 0, 0));
    /* Only to be read. */
    char *reading = AT(shmat(m, 0, SHM_RDONLY));
    NUMBER(reading[5000]);
    NUMBER(store(reading, 1));
    CALL(mprotect(reading, PAGE, PROT_READ | PROT_WRITE));
    CALL(mprotect(a, PAGE, PROT_READ));
    NUMBER(store(a, 1));
    CALL(mprotect(a, PAGE, PROT_READ | PROT_WRITE));
    NUMBER(store(a, 1));
    NUMBER(reading[0]);
    CALL(shmdt(reading));
    /* A hole in the middle: two areas, which one shmdt takes away. */
    long before = attached();
    CALL(munmap(b + PAGE, PAGE));
    NUMBER(attached() - before);
    NUMBER(b[2 * PAGE]);
    CALL(shmdt(b));
    NUMBER(attached() - before);
    NUMBER(store(b + 2 * PAGE, 1));
    /* Without its beginning it is still known by where that was. */
    CALL(munmap(other, PAGE));
    CALL(shmdt(other));
    NUMBER(other[3 * PAGE]);
    CALL(munmap(a, 3 * PAGE));
    NUMBER(attached());
    CALL(shmdt(a));
    CALL(shmctl(m, IPC_RMID, 0));
}

static void living(void)
{
    pid_t child;
    m = shmget(IPC_PRIVATE, 2 * PAGE, 0600);
    char *a = shmat(m, 0, 0);
    strcpy(a, "before");
    CHILD(child, ({
        NUMBER(attached());
        strcpy(a + PAGE, "from the child");
        shmat(m, 0, 0);
        NUMBER(attached());
        0;
    }));
    NUMBER(ending(child));
    TEXT(a + PAGE);
    NUMBER(attached());
    NUMBER(status.shm_lpid == child);
    /* Removed, but there as long as it is attached. */
    CALL(shmctl(m, IPC_RMID, 0));
    NUMBER(attached());
    NUMBER(status.shm_perm.mode);
    NUMBER(status.shm_perm.__key);
    char *again = AT(shmat(m, 0, 0));
    TEXT(again);
    CALL(shmdt(a));
    NUMBER(attached());
    CHILD(child, (shmdt(again), (int)attached()));
    NUMBER(ending(child));
    TEXT(again);
    CALL(shmdt(again));
    NUMBER(attached());
    AT(shmat(m, 0, 0));
    /* Removed before anybody has attached it. */
    m = shmget(IPC_PRIVATE, 1, 0600);
    CALL(shmctl(m, IPC_RMID, 0));
    NUMBER(attached());
    /* The last one to have it ends. */
    m = shmget(IPC_PRIVATE, 1, 0600);
    CHILD(child, (shmat(m, 0, 0), shmctl(m, IPC_RMID, 0), sleep_ms(50), 0));
    sleep_ms(20);
    NUMBER(attached());
    NUMBER(ending(child));
    NUMBER(attached());
    /* What was in it is there for the next one. */
    m = shmget(IPC_PRIVATE, 1, 0600);
    CHILD(child, (strcpy(shmat(m, 0, 0), "kept"), 0));
    NUMBER(ending(child));
    NUMBER(attached());
    TEXT((char *)shmat(m, 0, 0));
    shmctl(m, IPC_RMID, 0);
}

static void rights(void)
{
    pid_t child;
    m = shmget(IPC_PRIVATE, PAGE, 0604);
    CALL(shmctl(m, SHM_LOCK, 0));
    attached();
    NUMBER(status.shm_perm.mode);
    CALL(shmctl(m, SHM_UNLOCK, 0));
    attached();
    NUMBER(status.shm_perm.mode);
    AT(shmat(m, 0, SHM_EXEC));
    CHILD(child, ({
        setgid(77);
        setuid(77);
        AT(shmat(m, 0, 0));
        AT(shmat(m, 0, SHM_RDONLY));
        AT(shmat(m, 0, SHM_RDONLY | SHM_EXEC));
        CALL(shmctl(m, IPC_STAT, &status));
        CALL(shmctl(m, IPC_SET, &status));
        CALL(shmctl(m, SHM_LOCK, 0));
        CALL(shmctl(m, IPC_RMID, 0));
        shmctl(shmget(IPC_PRIVATE, 1, 0), IPC_RMID, 0);
        0;
    }));
    NUMBER(ending(child));
    shmctl(m, IPC_RMID, 0);
}

/* A counter that many change: with a lock in the segment itself. */
static void crowd(void)
{
    enum { CHILDREN = 5, EACH = 2000 };
    pid_t children[CHILDREN];
    m = shmget(IPC_PRIVATE, PAGE, 0600);
    for (int c = 0; c < CHILDREN; c++) {
        if ((children[c] = fork()) == 0) {
            long *shared = shmat(m, 0, 0);
            for (int i = 0; i < EACH; i++)
                __atomic_add_fetch(shared, 1, __ATOMIC_RELAXED);
            _exit(0);
        }
    }
    for (int c = 0; c < CHILDREN; c++)
        NUMBER(ending(children[c]));
    NUMBER(attached());
    NUMBER(*(long *)shmat(m, 0, SHM_RDONLY));
    shmctl(m, IPC_RMID, 0);
}

int main(void)
{
    by_lines();
    struct sigaction action = {.sa_handler = fault, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGBUS, &action, 0);
    keys();
    places();
    living();
    rights();
    crowd();
    return 0;
}
