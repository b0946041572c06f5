/* Seals of files in memory: who may add which, and what each forbids from then on. */
#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096L
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#define MFD_EXEC 16U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

static char bytes[3 * PAGE];

static int make(unsigned flags)
{
    return syscall(SYS_memfd_create, "sealed", flags);
}

/* A file of two pages with these seals. */
static int with(int seals)
{
    int f = make(MFD_ALLOW_SEALING);
    ftruncate(f, 2 * PAGE);
    fcntl(f, F_ADD_SEALS, seals);
    return f;
}

static long size(int f)
{
    struct stat status;
    return fstat(f, &status) ? -errno : (long)status.st_size;
}

static long map(int f, int prot, int flags)
{
    char *at = mmap(0, PAGE, prot, flags, f, 0);
    if (at == MAP_FAILED)
        return -1;
    munmap(at, PAGE);
    return 0;
}

static void beginnings(void)
{
    struct stat status;
    CALL(make(MFD_NOEXEC_SEAL | MFD_EXEC));
    CALL(make(64));
    const unsigned flags[] = {0, MFD_ALLOW_SEALING, MFD_EXEC, MFD_NOEXEC_SEAL,
        MFD_NOEXEC_SEAL | MFD_ALLOW_SEALING, MFD_EXEC | MFD_ALLOW_SEALING};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        int f = make(flags[i]);
        fstat(f, &status);
        printf("flags %x: seals %x, mode %o\n", flags[i], fcntl(f, F_GET_SEALS), status.st_mode);
        close(f);
    }
    int f = open("plain", O_RDWR | O_CREAT, 0600), ends[2];
    CALL(fcntl(f, F_GET_SEALS));
    CALL(fcntl(f, F_ADD_SEALS, F_SEAL_GROW));
    CALL(fcntl(f, F_ADD_SEALS, 64));
    CALL(pipe(ends));
    CALL(fcntl(ends[1], F_GET_SEALS));
    CALL(fcntl(ends[1], F_ADD_SEALS, F_SEAL_GROW));
    CALL(fcntl(ends[0], F_ADD_SEALS, F_SEAL_GROW));
}

static void adding(void)
{
    char path[40];
    int f = make(MFD_ALLOW_SEALING);
    snprintf(path, sizeof path, "/proc/self/fd/%d", f);
    int reader = open(path, O_RDONLY);
    CALL(fcntl(reader, F_ADD_SEALS, F_SEAL_GROW));
    CALL(fcntl(reader, F_GET_SEALS));
    CALL(fcntl(f, F_ADD_SEALS, 64));
    CALL(fcntl(f, F_ADD_SEALS, 0));
    CALL(fcntl(f, F_ADD_SEALS, F_SEAL_GROW));
    CALL(fcntl(f, F_ADD_SEALS, F_SEAL_SHRINK));
    CALL(fcntl(reader, F_GET_SEALS));
    CALL(fcntl(f, F_ADD_SEALS, F_SEAL_SEAL));
    CALL(fcntl(f, F_GET_SEALS));
    CALL(fcntl(f, F_ADD_SEALS, F_SEAL_SEAL));
    f = with(F_SEAL_EXEC);
    CALL(fcntl(f, F_GET_SEALS));
    CALL(fchmod(f, 0777));
    CALL(fchmod(f, 0733));
    CALL(fchmod(f, 0644));
    f = make(MFD_NOEXEC_SEAL);
    CALL(fchmod(f, 0600));
    CALL(fchmod(f, 0700));
    CALL(fcntl(f, F_ADD_SEALS, F_SEAL_WRITE));
    CALL(fcntl(f, F_GET_SEALS));
}

static void forbidden(void)
{
    const int seals[] = {0, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE};
    for (unsigned i = 0; i < sizeof seals / sizeof *seals; i++) {
        int f = with(seals[i]);
        printf("seals %x\n", fcntl(f, F_GET_SEALS));
        CALL(pwrite(f, bytes, 100, 0));
        CALL(pwrite(f, bytes, 100, 2 * PAGE - 50));
        NUMBER(size(f));
        CALL(pwrite(f, bytes, 3 * PAGE, 0));
        CALL(pwrite(f, bytes, 1, 5 * PAGE));
        CALL(pwrite(f, bytes, 0, 0));
        NUMBER(size(f));
        CALL(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
        CALL(fallocate(f, 0, 0, PAGE));
        CALL(fallocate(f, FALLOC_FL_KEEP_SIZE, 0, 8 * PAGE));
        CALL(fallocate(f, 0, 0, 8 * PAGE));
        NUMBER(size(f));
        CALL(ftruncate(f, 10 * PAGE));
        CALL(ftruncate(f, PAGE));
        NUMBER(size(f));
        CALL(pread(f, bytes, 10, 0));
        CALL(map(f, PROT_READ | PROT_WRITE, MAP_SHARED));
        CALL(map(f, PROT_READ, MAP_SHARED));
        CALL(map(f, PROT_READ | PROT_WRITE, MAP_PRIVATE));
        char *at = mmap(0, PAGE, PROT_READ, MAP_SHARED, f, 0);
        if (at != MAP_FAILED)
            CALL(mprotect(at, PAGE, PROT_READ | PROT_WRITE));
        CALL(fchmod(f, 0600));
    }
}

static void mapped(void)
{
    int f = with(0);
    char *at = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    CALL(fcntl(f, F_ADD_SEALS, F_SEAL_WRITE));
    CALL(mprotect(at, PAGE, PROT_READ));
    CALL(fcntl(f, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW));
    CALL(fcntl(f, F_GET_SEALS));
    CALL(fcntl(f, F_ADD_SEALS, F_SEAL_GROW));
    pid_t child;
    CHILD(child, munmap(at, PAGE) ? 1 : fcntl(f, F_ADD_SEALS, F_SEAL_WRITE) ? 2 : 0);
    NUMBER(ending(child));
    CALL(mprotect(at, PAGE, PROT_READ | PROT_WRITE));
    CALL(fcntl(f, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    at[5] = 'x';
    CALL(pread(f, bytes, 1, 5));
    NUMBER(bytes[0]);
    CALL(write(f, bytes, 1));
    CALL(munmap(at, PAGE));
    at = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
    CALL(fcntl(f, F_ADD_SEALS, F_SEAL_WRITE));
    at[6] = 'y';
    CALL(pread(f, bytes, 2, 5));
    NUMBER(bytes[1]);
    CALL(fcntl(f, F_GET_SEALS));
}

int main(void)
{
    static const struct test TESTS[] = {
        {"beginnings", beginnings}, {"adding", adding}, {"forbidden", forbidden}, {"mapped", mapped}};
    return run_all(TESTS, sizeof TESTS / sizeof *TESTS);
}
