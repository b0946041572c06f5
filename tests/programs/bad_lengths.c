/* Lengths that reach too far: around the end of all addresses, into the kernel, or into a page that
   is not there, of which as much is done as can be. Each call with its result. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { PAGE = 4096 };

/* So low that as much as one call moves ends below the kernel, wherever that begins. */
static char *const low = (char *)0x20000000;

/* Two pages that are there, and the end of what is. */
static char *pages, *edge;
static int file, ends[2];

static const unsigned long too_long[] = {
    -1UL, -4096UL, 1UL << 63, (1UL << 63) - 1, 1UL << 62,
};

/* Each on a line of its own, and what it answers to each length. */
#define LENGTHS(call)                                                                              \
    do {                                                                                           \
        printf("%s:", #call);                                                                      \
        for (size_t i = 0; i < sizeof too_long / sizeof *too_long; i++) {                          \
            unsigned long length = too_long[i];                                                    \
            errno = 0;                                                                             \
            long result = (long)(call);                                                            \
            if (result < 0)                                                                        \
                printf(" %s", strerrorname_np(errno));                                             \
            else                                                                                   \
                printf(" %ld", result);                                                            \
        }                                                                                          \
        printf("\n");                                                                              \
    } while (0)

static void of_buffers(void)
{
    static struct pollfd polled = {0, POLLIN, 0};
    LENGTHS(syscall(SYS_read, file, pages, length));
    LENGTHS(syscall(SYS_write, file, pages, length));
    LENGTHS(syscall(SYS_pread64, file, pages, length, 0));
    LENGTHS(syscall(SYS_pwrite64, file, pages, length, 0));
    LENGTHS(syscall(SYS_pwrite64, file, pages, 1, length));
    LENGTHS(syscall(SYS_getrandom, pages, length, 0));
    LENGTHS(syscall(SYS_readv, file, &(struct iovec){pages, length}, 1));
    LENGTHS(syscall(SYS_writev, file, &(struct iovec){pages, length}, 1));
    LENGTHS(syscall(SYS_writev, file, &(struct iovec){pages, 1}, length));
    LENGTHS(syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", pages, length & ~0xffffffffUL));
    LENGTHS(syscall(SYS_ppoll, &polled, length, &(struct timespec){0, 0}, 0, 8));
    LENGTHS(syscall(SYS_sethostname, pages, length));
    LENGTHS(syscall(SYS_setgroups, length, pages));
    LENGTHS(syscall(SYS_rt_sigprocmask, 0, 0, pages, length));
    LENGTHS(syscall(SYS_rt_sigaction, 10, 0, pages, length));
    LENGTHS(syscall(SYS_set_robust_list, pages, length));
}

static void of_mappings(void)
{
    const long fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    LENGTHS(syscall(SYS_mmap, 0, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    LENGTHS(syscall(SYS_mmap, pages, length, PROT_READ, fixed, -1, 0));
    LENGTHS(syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, file, length & -4096) < 0 ? -1 : 0);
    LENGTHS(syscall(SYS_munmap, pages, length));
    LENGTHS(syscall(SYS_mprotect, pages, length, PROT_READ));
    LENGTHS(syscall(SYS_mremap, pages, length, PAGE, MREMAP_MAYMOVE));
    LENGTHS(syscall(SYS_mremap, pages, PAGE, length, MREMAP_MAYMOVE));
    LENGTHS(syscall(SYS_msync, pages, length, MS_SYNC));
    LENGTHS(syscall(SYS_mincore, pages, length, pages));
    LENGTHS(syscall(SYS_mlock, pages, length));
    LENGTHS(syscall(SYS_munlock, pages, length));
    LENGTHS(syscall(SYS_ftruncate, file, length));
    LENGTHS(syscall(SYS_fallocate, file, 0, 0, length));
    LENGTHS(syscall(SYS_lseek, file, length, SEEK_SET));
    /* As far as there were pages they have been protected. */
    CALL(read(file, pages, 1) < 0 ? -1 : 0);
    CALL(mprotect(pages, 2 * PAGE, PROT_READ | PROT_WRITE));
}

/* How much goes in or out where only part of the memory is there. */
static void in_part(void)
{
    struct iovec out[3] = {{pages, 4}, {edge - 4, 8}, {pages, 4}};
    struct iovec in[3] = {{pages, 4}, {edge, 8}, {pages, 4}};
    struct stat status;
    int count;
    CALL(ftruncate(file, 0));
    CALL(pwrite(file, edge - 4, 8, 0));
    CALL(fstat(file, &status));
    NUMBER(status.st_size);
    CALL(pwrite(file, edge - PAGE - 5, PAGE + 50, 0));
    CALL(pwrite(file, edge, 1, 0));
    CALL(pwritev(file, out, 3, 0));
    CALL(pwritev(file, in, 3, 0));
    CALL(pwrite(file, pages, PAGE, 0));
    CALL(pread(file, edge - 4, 8, 0));
    CALL(pread(file, edge - PAGE - 5, PAGE + 50, 0));
    CALL(preadv(file, out, 3, 0));
    CALL(preadv(file, in, 3, 0));
    /* A pipe takes a buffer of one page or nothing of it. */
    CALL(write(ends[1], edge - 100, 200));
    CALL(ioctl(ends[0], FIONREAD, &count));
    NUMBER(count);
    CALL(write(ends[1], edge - 100, 100));
    CALL(read(ends[0], edge, 20));
    CALL(ioctl(ends[0], FIONREAD, &count));
    NUMBER(count);
    CALL(syscall(SYS_getrandom, edge - 10, 20, 0));
    CALL(syscall(SYS_getrandom, edge, 20, 0));
}

/* Texts that end just before the edge, and those that do not. */
static void texts(void)
{
    struct stat status;
    strcpy(edge - 2, "f");
    CALL(stat(edge - 2, &status));
    CALL(syscall(SYS_newfstatat, AT_FDCWD, "f", edge - sizeof status, 0));
    memset(edge - PAGE, 'x', PAGE);
    CALL(stat(edge - PAGE, &status));
    CALL(stat(edge - 1, &status));
    CALL(stat(edge, &status));
    memset(edge - PAGE, '/', PAGE);
    edge[-1] = 0;
    CALL(stat(edge - PAGE, &status));
    CALL(syscall(SYS_getcwd, edge - 1, 100));
    CALL(syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", edge - 4, 4));
    CALL(syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", edge - 4, 5));
}

int main(void)
{
    by_lines();
    file = open("f", O_RDWR | O_CREAT, 0600);
    pages = mmap(low, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    edge = pages + 2 * PAGE;
    if (munmap(edge, PAGE) || pipe(ends))
        return 1;
    of_buffers();
    of_mappings();
    in_part();
    texts();
    return 0;
}
