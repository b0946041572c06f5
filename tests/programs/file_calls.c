/* Calls about one file, each with its result: opening, reading, writing, seeking, sizes, vectors,
   holes, and copies within the kernel. */
#include "paths.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

enum { LARGE = 70000 };

static char buf[LARGE];
static struct stat st;

static long size(const char *path) { return stat(path, &st) ? -errno : st.st_size; }

static void opening(void)
{
    CALL(open("no", O_RDONLY));
    CALL(open("no/x", O_RDONLY | O_CREAT, 0644));
    CALL(open("", O_RDONLY));
    put("f", "hello world");
    NUMBER(mode("f"));
    NUMBER(size("f"));
    TEXT(get("f"));
    CALL(open("f", O_RDONLY | O_CREAT | O_EXCL, 0644));
    CALL(open("f/", O_RDONLY));
    CALL(open("new/", O_RDWR | O_CREAT, 0644));
    CALL(open(".", O_RDWR));
    CALL(open(".", O_RDONLY | O_CREAT, 0644));
    CALL(open("f", O_RDONLY | O_DIRECTORY));
    CALL(open("/", O_WRONLY));
    CALL(open("f", O_RDONLY | O_TRUNC | O_DIRECTORY, 0644));
    TEXT(get("f"));
}

static void positions(void)
{
    int f = open("f", O_RDWR);
    CALL(lseek(f, 6, SEEK_SET));
    memset(buf, 0, 8);
    CALL(read(f, buf, 3));
    TEXT(buf);
    CALL(lseek(f, 0, SEEK_CUR));
    CALL(lseek(f, -100, SEEK_CUR));
    CALL(lseek(f, -2, SEEK_END));
    CALL(lseek(f, 5, 99));
    CALL(write(f, "XYZ", 3));
    TEXT(get("f"));
    CALL(pread(f, buf, 5, 1));
    CALL(pwrite(f, "##", 2, 20));
    NUMBER(size("f"));
    CALL(pread(f, buf, 30, 0));
    NUMBER(buf[15]);
    CALL(pread(f, buf, 10, 1000));
    CALL(pread(f, buf, 1, -1));
    CALL(lseek(f, 0, SEEK_CUR));
    CALL(read(f, buf, 0));
    CALL(read(-1, buf, 1));
    CALL(write(99, buf, 1));
    close(f);
}

static void sizes(void)
{
    int f = open("f", O_RDWR);
    CALL(ftruncate(f, 4));
    NUMBER(size("f"));
    TEXT(get("f"));
    CALL(ftruncate(f, 10000));
    NUMBER(size("f"));
    CALL(pread(f, buf, 5000, 3));
    NUMBER(buf[0]);
    NUMBER(buf[1] | buf[4999]);
    CALL(ftruncate(f, -1));
    CALL(truncate("f", 3));
    TEXT(get("f"));
    CALL(truncate(".", 3));
    CALL(truncate("no", 3));
    close(f);
    f = open("f", O_RDONLY);
    CALL(write(f, "x", 1));
    CALL(ftruncate(f, 1));
    close(f);
    f = open("f", O_WRONLY);
    CALL(read(f, buf, 1));
    CALL(fcntl(f, F_SETFL, O_APPEND));
    CALL(lseek(f, 0, SEEK_SET));
    CALL(write(f, "app", 3));
    CALL(lseek(f, 0, SEEK_CUR));
    TEXT(get("f"));
    close(f);
}

static void vectors(void)
{
    struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cde", 3}};
    char first[3] = "", second[9] = "";
    struct iovec in[2] = {{first, 2}, {second, 8}};
    int f = open("v", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CALL(writev(f, out, 3));
    TEXT(get("v"));
    CALL(writev(f, out, -1));
    CALL(writev(f, out, 2000));
    CALL(writev(f, out, 0));
    lseek(f, 0, SEEK_SET);
    CALL(readv(f, in, 2));
    TEXT(first);
    TEXT(second);
    CALL(preadv(f, in, 2, 1));
    TEXT(first);
    CALL(pwritev(f, out, 1, 8));
    NUMBER(size("v"));
    out[1].iov_len = -1;
    CALL(writev(f, out, 3));
    close(f);
}

static void holes(void)
{
    int f = open("sparse", O_RDWR | O_CREAT, 0600);
    CALL(pwrite(f, "x", 1, 100000));
    CALL(lseek(f, 0, SEEK_HOLE));
    CALL(lseek(f, 0, SEEK_DATA) > 0);
    NUMBER(size("sparse"));
    CALL(lseek(f, 200000, SEEK_DATA));
    CALL(fallocate(f, 0, 0, 5000));
    CALL(fallocate(f, FALLOC_FL_KEEP_SIZE, 0, 500000));
    NUMBER(size("sparse"));
    CALL(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 99990, 100));
    CALL(pread(f, buf, 1, 100000));
    NUMBER(buf[0]);
    CALL(fallocate(f, 0, 0, 0));
    CALL(fallocate(f, 0, -1, 5));
    CALL(posix_fadvise(f, 0, 0, POSIX_FADV_DONTNEED));
    CALL(fsync(f));
    CALL(fdatasync(f));
    close(f);
    f = open("v", O_RDONLY);
    CALL(lseek(f, 0, SEEK_DATA));
    close(f);
}

static void copies(void)
{
    int f = open("big", O_RDWR | O_CREAT | O_TRUNC, 0644);
    for (int i = 0; i < LARGE; i++)
        buf[i] = (char)(i * 7);
    for (int i = 0; i < 5; i++)
        CALL(write(f, buf, LARGE));
    NUMBER(size("big"));
    lseek(f, LARGE - 10, SEEK_SET);
    memset(buf, 0, 100);
    CALL(read(f, buf, 20));
    NUMBER((unsigned char)buf[9]);
    NUMBER((unsigned char)buf[11]);
    int g = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0644);
    off_t from = 1000;
    CALL(sendfile(g, f, &from, 200000));
    NUMBER(from);
    NUMBER(size("copy"));
    CALL(sendfile(g, f, 0, 1 << 30));
    NUMBER(size("copy"));
    CALL(pread(g, buf, 10, 0));
    NUMBER((unsigned char)buf[0]);
    off_t in = 5, out = 0;
    CALL(copy_file_range(f, &in, g, &out, 100, 0));
    NUMBER(in);
    CALL(pread(g, buf, 10, 0));
    NUMBER((unsigned char)buf[0]);
    close(g);
    g = open("copy", O_RDONLY | O_TRUNC);
    NUMBER(size("copy"));
    close(g);

    /* The mapping of a file and the file are one. */
    char *map = mmap(0, 5 * LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    CALL(map == MAP_FAILED ? -1 : 0);
    map[5] = 'Q';
    CALL(pread(f, buf, 10, 0));
    NUMBER(buf[5]);
    CALL(pwrite(f, "W", 1, 6));
    NUMBER(map[6]);
    CALL(lseek(f, 0, SEEK_END));
    CALL(write(f, map + 100000, 5000));
    CALL(pread(f, map + 200000, 5000, 100000));
    NUMBER(memcmp(map + 200000, map + 100000, 5000));
    munmap(map, 5 * LARGE);
    close(f);
}

int main(void)
{
    by_lines();
    umask(022);
    opening();
    positions();
    sizes();
    vectors();
    holes();
    copies();
    return 0;
}
