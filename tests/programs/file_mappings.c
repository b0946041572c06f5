/* Files in memory: what mmap and its kin refuse, and what becomes of mappings when files change
   under them. It works in the directory that it is started in. */
#include "check.h"
#include "place.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { PAGE = 4096, R = PROT_READ, RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC };

static char buf[8 * PAGE];
static sigjmp_buf back;

static void leave(int number, siginfo_t *info, void *context)
{
    (void)context;
    siglongjmp(back, number * 100 + info->si_code);
}

/* What is in a byte, or minus the signal and its code for looking, or for writing there. */
static int peek(volatile char *at)
{
    int left = sigsetjmp(back, 1);
    return left ? -left : *at;
}

static int poke(volatile char *at, char value)
{
    int left = sigsetjmp(back, 1);
    return left ? -left : (*at = value);
}

/* A mapping, or -1; it stays only where that is wanted. */
static int mapped(void *at, size_t length, int prot, int flags, int fd, off_t offset)
{
    char *map = mmap(at, length, prot, flags, fd, offset);
    if (map == MAP_FAILED)
        return -1;
    munmap(map, length);
    return 0;
}

static int filled(const char *name, int pages)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    for (int page = 0; page < pages; page++) {
        memset(buf, 'a' + page, PAGE);
        write(fd, buf, PAGE);
    }
    return fd;
}

static void refused(void)
{
    int fd = filled("file", 2), reads = open("file", O_RDONLY), writes = open("file", O_WRONLY);
    int directory = open(".", O_RDONLY), name = open("file", O_PATH), p[2];
    pipe(p);
    CALL(mapped(0, PAGE, R, MAP_SHARED, writes, 0));
    CALL(mapped(0, PAGE, R, MAP_PRIVATE, writes, 0));
    CALL(mapped(0, PAGE, PROT_NONE, MAP_PRIVATE, writes, 0));
    CALL(mapped(0, PAGE, RW, MAP_SHARED, reads, 0));
    CALL(mapped(0, PAGE, RW, MAP_PRIVATE, reads, 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED, directory, 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED, p[0], 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED, name, 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED, -1, 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED, 99, 0));
    CALL(mapped(0, 0, R, MAP_SHARED, fd, 0));
    CALL(mapped(0, PAGE, R, 0, fd, 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED | MAP_PRIVATE, fd, 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED, fd, 1));
    CALL(mapped(0, PAGE, R, MAP_SHARED, fd, 100 * PAGE));
    CALL(syscall(SYS_mmap, 0, PAGE, R, MAP_SHARED, fd, INT64_MAX & -PAGE));
    CALL(syscall(SYS_mmap, 0, 2 * PAGE, R, MAP_SHARED, fd, -PAGE));
    CALL(syscall(SYS_mmap, 0, 3L * PAGE, R, MAP_SHARED, fd, -2L * PAGE));
    CALL(mapped(0, SIZE_MAX - 5, R, MAP_SHARED, fd, 0));
    CALL(mapped(0, SIZE_MAX / 2, R, MAP_SHARED, fd, 0));
    CALL(mapped(buf + 1, PAGE, R, MAP_SHARED | MAP_FIXED, fd, 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED | MAP_GROWSDOWN, fd, 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED_VALIDATE, fd, 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED_VALIDATE | 1 << 21, fd, 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED | 1 << 21, fd, 0));
    CALL(mapped(0, PAGE, R, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
    /* What a mapping may become, the file's access says. */
    char *shared = mmap(0, PAGE, R, MAP_SHARED, reads, 0);
    CALL(mprotect(shared, PAGE, RW));
    CALL(mprotect(shared, PAGE, RX));
    char *private = mmap(0, PAGE, R, MAP_PRIVATE, reads, 0);
    CALL(mprotect(private, PAGE, RW));
    CALL(munmap(shared + 1, PAGE));
    CALL(munmap(shared, 0));
    CALL(munmap(shared, PAGE));
    CALL(munmap(private, PAGE));
    close(fd);
    close(reads);
    close(writes);
    close(directory);
    close(name);
    close(p[0]);
    close(p[1]);
}

static void changed_below(void)
{
    int fd = filled("file", 3);
    char *shared = mmap(0, 6 * PAGE, RW, MAP_SHARED, fd, 0);
    char *private = mmap(0, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
    NUMBER(peek(shared + PAGE));
    NUMBER(peek(shared + 3 * PAGE));
    NUMBER(poke(shared + 5 * PAGE, 1));
    NUMBER(poke(private + 2 * PAGE, 'P'));
    NUMBER(peek(private + 3 * PAGE));
    NUMBER(poke(shared + 10, 'S'));
    CALL(pread(fd, buf, 20, 0));
    NUMBER(buf[10]);
    NUMBER(private[10]);
    /* Shorter: the rest of the last page is zeros, and what is behind is gone, copies, too. */
    CALL(ftruncate(fd, PAGE + 100));
    NUMBER(peek(shared + PAGE + 99));
    NUMBER(peek(shared + PAGE + 100));
    NUMBER(peek(shared + 2 * PAGE));
    NUMBER(peek(private + 2 * PAGE));
    /* Longer again: zeros. */
    CALL(ftruncate(fd, 4 * PAGE));
    NUMBER(peek(shared + PAGE + 200));
    NUMBER(peek(shared + 3 * PAGE));
    NUMBER(peek(private + 2 * PAGE));
    NUMBER(peek(shared + 4 * PAGE));
    CALL(pwrite(fd, "new", 3, 4 * PAGE));
    NUMBER(peek(shared + 4 * PAGE));
    /* System calls that meet such a page. */
    int p[2];
    pipe(p);
    CALL(write(p[1], shared + 5 * PAGE, 10));
    CALL(write(p[1], shared + 4 * PAGE + 4090, 10));
    CALL(pread(fd, shared + 5 * PAGE, 10, 0));
    close(p[0]);
    close(p[1]);
    munmap(private, 4 * PAGE);
    munmap(shared, 6 * PAGE);
    close(fd);
}

static void nameless(void)
{
    struct stat status;
    int fd = filled("file", 2);
    char *map = mmap(0, 2 * PAGE, RW, MAP_SHARED, fd, 0);
    CALL(unlink("file"));
    close(fd);
    NUMBER(peek(map + PAGE));
    NUMBER(poke(map + PAGE, 'Z'));
    fd = filled("file", 1);
    NUMBER(peek(map));
    pid_t child;
    CHILD(child, poke(map, 'C') != 'C' || peek(map + PAGE) != 'Z');
    NUMBER(ending(child));
    NUMBER(peek(map));
    CALL(fstat(fd, &status));
    NUMBER(status.st_size);
    CALL(msync(map, 2 * PAGE, MS_SYNC));
    munmap(map, 2 * PAGE);
    close(fd);
}

static void synced(void)
{
    int fd = filled("file", 2);
    char *map = mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    munmap(map + 2 * PAGE, 2 * PAGE);
    CALL(msync(map, PAGE, 0));
    CALL(msync(map, 2 * PAGE, MS_SYNC));
    CALL(msync(map, 2 * PAGE, MS_ASYNC | MS_INVALIDATE));
    CALL(msync(map, PAGE, MS_SYNC | MS_ASYNC));
    CALL(msync(map, PAGE, 8));
    CALL(msync(map + 1, PAGE, MS_SYNC));
    CALL(msync(map, 3 * PAGE, MS_SYNC));
    CALL(msync(map + 3 * PAGE, PAGE, MS_ASYNC));
    CALL(msync(map, 0, MS_SYNC));
    CALL(mlock(map, PAGE));
    CALL(msync(map, PAGE, MS_SYNC | MS_INVALIDATE));
    CALL(munlock(map, PAGE));
    CALL(msync(map, PAGE, MS_SYNC | MS_INVALIDATE));
    munmap(map, 2 * PAGE);
    close(fd);
}

static void in_core(void)
{
    unsigned char seen[4];
    int fd = filled("file", 3);
    char *map = mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    munmap(map + 3 * PAGE, PAGE);
    CALL(mincore(map, 3 * PAGE, seen));
    NUMBER((seen[0] & 1) + (seen[1] & 1) + (seen[2] & 1));
    CALL(mincore(map + 1, PAGE, seen));
    CALL(mincore(map, 4 * PAGE, seen));
    CALL(mincore(map, PAGE, (void *)8));
    CALL(mincore(map, 0, seen));
    CALL(mincore(map, SIZE_MAX, seen));
    char *fresh = mmap(0, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fresh[PAGE] = 1;
    CALL(mincore(fresh, 2 * PAGE, seen));
    NUMBER((seen[0] & 1) << 1 | (seen[1] & 1));
    munmap(fresh, 2 * PAGE);
    munmap(map, 3 * PAGE);
    close(fd);
}

static void locked(void)
{
    struct rlimit few = {4 * PAGE, 4 * PAGE}, no = {0, 0};
    int fd = filled("file", 8);
    char *map = mmap(0, 8 * PAGE, RW, MAP_SHARED, fd, 0);
    char *hole = mmap(0, 3 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole + PAGE, PAGE);
    CALL(mlock(hole, 3 * PAGE));
    CALL(munlock(hole, 3 * PAGE));
    CALL(mlock(map, SIZE_MAX - 2 * PAGE));
    CALL(mlock2(map, PAGE, 2));
    CALL(mlock2(map, PAGE, MLOCK_ONFAULT));
    CALL(mlockall(0));
    CALL(mlockall(8));
    CALL(mlockall(MCL_ONFAULT));
    CALL(madvise(map, PAGE, MADV_DONTNEED));
    CALL(munlockall());
    /* The limit is for those who are not root. */
    setrlimit(RLIMIT_MEMLOCK, &few);
    CALL(mlock(map, 8 * PAGE));
    CALL(munlockall());
    pid_t child = fork();
    if (child == 0) {
        setuid(1000);
        CALL(mlock(map, 4 * PAGE));
        CALL(mlock(map + PAGE, 3 * PAGE));
        CALL(mlock(map + 4 * PAGE, PAGE));
        CALL(munlock(map, PAGE));
        CALL(mlock(map + 4 * PAGE, PAGE));
        CALL(mapped(0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
        CALL(mlockall(MCL_CURRENT));
        CALL(munlockall());
        setrlimit(RLIMIT_MEMLOCK, &no);
        CALL(mlock(map, PAGE));
        CALL(mlockall(MCL_CURRENT));
        _exit(0);
    }
    NUMBER(ending(child));
    munmap(map, 8 * PAGE);
    close(fd);
}

static void advised(void)
{
    int fd = filled("file", 3);
    char *shared = mmap(0, 3 * PAGE, RW, MAP_SHARED, fd, 0);
    char *private = mmap(0, 3 * PAGE, RW, MAP_PRIVATE, fd, 0);
    char *fresh = mmap(0, 3 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    private[0] = fresh[0] = shared[PAGE] = 'X';
    CALL(madvise(private, PAGE, MADV_DONTNEED));
    NUMBER(private[0]);
    CALL(madvise(fresh, PAGE, MADV_DONTNEED));
    NUMBER(fresh[0]);
    CALL(madvise(shared, 3 * PAGE, MADV_DONTNEED));
    NUMBER(shared[PAGE]);
    CALL(madvise(private, PAGE, MADV_FREE));
    CALL(madvise(shared, PAGE, MADV_FREE));
    CALL(madvise(shared, 3 * PAGE, MADV_WILLNEED));
    CALL(madvise(shared, 3 * PAGE, MADV_SEQUENTIAL));
    CALL(madvise(shared, 3 * PAGE, MADV_RANDOM));
    CALL(madvise(shared, 3 * PAGE, MADV_NORMAL));
    CALL(madvise(shared, PAGE, 77));
    CALL(madvise(shared + 1, PAGE, MADV_NORMAL));
    CALL(madvise(shared, 0, MADV_NORMAL));
    CALL(madvise(shared, SIZE_MAX, MADV_NORMAL));
    munmap(fresh + PAGE, PAGE);
    CALL(madvise(fresh, 3 * PAGE, MADV_WILLNEED));
    CALL(madvise(fresh, 3 * PAGE, MADV_DONTNEED));
    /* Holes in a file that can have them, which show in its mapping, and by way of that. */
    int memory = memfd_create("m", 0);
    ftruncate(memory, 3 * PAGE);
    char *full = mmap(0, 3 * PAGE, RW, MAP_SHARED, memory, 0);
    memset(full, 'f', 3 * PAGE);
    CALL(fallocate(memory, 3, 10, PAGE));
    NUMBER(full[9] << 8 | full[10]);
    NUMBER(full[PAGE + 9] << 8 | full[PAGE + 10]);
    CALL(madvise(full + 2 * PAGE, PAGE, MADV_REMOVE));
    NUMBER(full[2 * PAGE]);
    CALL(pread(memory, buf, 1, 2 * PAGE));
    NUMBER(buf[0]);
    mprotect(full, PAGE, R);
    CALL(madvise(full, PAGE, MADV_REMOVE));
    munmap(full + PAGE, PAGE);
    CALL(madvise(full + PAGE, 2 * PAGE, MADV_REMOVE));
    munmap(full, 3 * PAGE);
    close(memory);
    CALL(madvise(private, PAGE, MADV_REMOVE));
    CALL(madvise(fresh, PAGE, MADV_REMOVE));
    CALL(madvise(fresh, PAGE, MADV_DONTFORK));
    pid_t child;
    CHILD(child, peek(fresh) == 0);
    NUMBER(ending(child));
    CALL(madvise(fresh, PAGE, MADV_DOFORK));
    CHILD(child, peek(fresh) == 0);
    NUMBER(ending(child));
    fresh[0] = 'w';
    CALL(madvise(fresh, PAGE, MADV_WIPEONFORK));
    CHILD(child, peek(fresh));
    NUMBER(ending(child));
    CALL(madvise(shared, PAGE, MADV_WIPEONFORK));
    CALL(madvise(fresh, PAGE, MADV_KEEPONFORK));
    CHILD(child, peek(fresh));
    NUMBER(ending(child));
    munmap(shared, 3 * PAGE);
    munmap(private, 3 * PAGE);
    munmap(fresh, 3 * PAGE);
    close(fd);
}

static void moved(void)
{
    struct rlimit few = {16 << 20, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
    int fd = filled("file", 4);
    char *map = mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 0), *at;
    char *room = mmap(0, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CALL(mremap(map + 1, PAGE, 2 * PAGE, 0) == MAP_FAILED ? -1 : 0);
    CALL(mremap(map, PAGE, 0, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    CALL(mremap(map, PAGE, PAGE, 64) == MAP_FAILED ? -1 : 0);
    CALL(mremap(map, PAGE, PAGE, MREMAP_FIXED, room) == MAP_FAILED ? -1 : 0);
    CALL(mremap(map, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 1) == MAP_FAILED ? -1 : 0);
    CALL(mremap(map, 2 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map + PAGE) == MAP_FAILED ? -1 : 0);
    CALL(mremap(map, PAGE, 2 * PAGE, 0) == MAP_FAILED ? -1 : 0);
    CALL(mremap((void *)PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    CALL(mremap(map, 1L << 60, 1L << 61, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    CALL(mremap(map, 4 * PAGE, 1L << 60, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    CALL(mremap(map, 4 * PAGE, SIZE_MAX, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    /* To where it is said, and longer there: the file's pages, and what is behind its end. */
    at = mremap(map, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + PAGE);
    NUMBER(at == room + PAGE);
    NUMBER(peek(at + 3 * PAGE));
    NUMBER(peek(at + 4 * PAGE));
    NUMBER(peek(map));
    NUMBER(poke(at + PAGE, 'M'));
    CALL(pread(fd, buf, 1, PAGE));
    NUMBER(buf[0]);
    /* Part of it, and doubled: of no bytes a shared one is shown a second time. */
    char *part = mremap(at + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 10 * PAGE);
    NUMBER(peek(part));
    NUMBER(peek(at + 2 * PAGE));
    char *twice = mremap(at, 0, 2 * PAGE, MREMAP_MAYMOVE);
    NUMBER(twice != MAP_FAILED && twice != at);
    NUMBER(poke(twice, 'T'));
    NUMBER(peek(at));
    char *private = mmap(0, PAGE, RW, MAP_PRIVATE, fd, 0);
    CALL(mremap(private, 0, PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    CALL(mremap(private, PAGE, PAGE, MREMAP_MAYMOVE | 4) == MAP_FAILED ? -1 : 0);
    CALL(mremap(private, PAGE, 2 * PAGE, MREMAP_MAYMOVE | 4) == MAP_FAILED ? -1 : 0);
    /* Across two mappings. */
    CALL(mremap(at, 5 * PAGE, 8 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    /* Beyond what the process may have, and may lock. */
    setrlimit(RLIMIT_AS, &few);
    CALL(mremap(twice, 2 * PAGE, 64 << 20, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    setrlimit(RLIMIT_AS, &all);
    munmap(twice, 2 * PAGE);
    munmap(room, 16 * PAGE);
    close(fd);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGBUS, &action, 0);
    by_lines();
    begin_in_place(argc, argv);
    refused();
    changed_below();
    nameless();
    synced();
    in_core();
    locked();
    advised();
    moved();
    return end_in_place();
}
