/* Where the blocks of files are: for those that have none on a disk, and for who may not ask. */
#include "check.h"
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void ask(int f)
{
    int block = 5, size = 0;
    struct fiemap all = {.fm_length = ~0UL};
    CALL(ioctl(f, FIGETBSZ, &size));
    NUMBER(size);
    CALL(ioctl(f, FIGETBSZ, 8));
    CALL(ioctl(f, FIBMAP, &block));
    NUMBER(block);
    CALL(ioctl(f, FIBMAP, 8));
    block = -1;
    CALL(ioctl(f, FIBMAP, &block));
    CALL(ioctl(f, FS_IOC_FIEMAP, &all));
}

static void files(void)
{
    int f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CALL(write(f, "text", 4));
    ask(f);
    if (seteuid(77))
        perror("seteuid");
    int block = 0;
    CALL(ioctl(f, FIBMAP, &block));
}

static void others(void)
{
    int ends[2];
    ask(open(".", O_RDONLY));
    CALL(pipe(ends));
    ask(ends[0]);
}

int main(void)
{
    static const struct test TESTS[] = {{"files", files}, {"others", others}};
    return run_all(TESTS, sizeof TESTS / sizeof *TESTS);
}
