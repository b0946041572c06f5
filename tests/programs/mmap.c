/* Mappings: anonymous and of files, private and shared, split by protection, moved, across fork. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };

static unsigned char *map(size_t pages, int flags, int file)
{
    unsigned char *at = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, flags, file, 0);
    if (at == MAP_FAILED)
        perror("mmap");
    return at;
}

static int in_child(unsigned char *at)
{
    pid_t child = fork();
    if (child == 0) {
        at[0]++;
        _exit(at[0]);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int main(void)
{
    unsigned char *private = map(64, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    unsigned long sum = 0;
    for (int i = 0; i < 64 * PAGE; i++)
        sum += private[i];
    printf("fresh sum %lu\n", sum);
    for (int i = 0; i < 64; i += 3)
        private[i * PAGE] = (unsigned char)i;
    printf("child %d", in_child(private));
    printf(" parent %d\n", private[0]);
    unsigned char *shared = map(1, MAP_SHARED | MAP_ANONYMOUS, -1);
    printf("child %d", in_child(shared));
    printf(" parent %d\n", shared[0]);

    printf("protect %d\n", mprotect(private + PAGE, PAGE, PROT_NONE));
    printf("child %d\n", in_child(private + PAGE));
    printf("protect %d\n", mprotect(private + PAGE, PAGE, PROT_READ | PROT_WRITE));
    printf("child %d\n", in_child(private + PAGE));
    printf("unmap %d\n", munmap(private + 2 * PAGE, PAGE));
    printf("child %d\n", in_child(private + 2 * PAGE));
    private[3 * PAGE] = 33;
    unsigned char *moved = mremap(private + 3 * PAGE, PAGE, 100 * PAGE, MREMAP_MAYMOVE);
    printf("moved %d %d\n", moved[0], moved[99 * PAGE]);
    printf("unneeded %d", madvise(moved, PAGE, MADV_DONTNEED));
    printf(" reads %d\n", moved[0]);

    char path[] = "/tmp/mapped-XXXXXX";
    int file = mkstemp(path);
    if (file < 0 || ftruncate(file, 2 * PAGE))
        return perror(path), 1;
    unsigned char *both = map(2, MAP_SHARED, file), *own = map(2, MAP_PRIVATE, file);
    strcpy((char *)both + PAGE, "through the mapping");
    char text[32] = "";
    ssize_t got = pread(file, text, 7, PAGE);
    printf("file has %zd: %s, copy sees %s\n", got, text, (char *)own + PAGE);
    strcpy((char *)own, "only here");
    got = pread(file, text, 4, 0);
    printf("file has %zd: %d, copy %s\n", got, text[0], (char *)own);
    unlink(path);
    errno = 0;
    void *bad = mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("nothing: %d %s\n", bad == MAP_FAILED, strerror(errno));
    return 0;
}
