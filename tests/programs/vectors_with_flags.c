/* preadv2 and pwritev2 with their flags, readahead and sync_file_range, and attributes where there
   are none. */
#include "check.h"
#include "place.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static char buf[10000];
static struct iovec one = {buf, 10}, two[2] = {{buf, 3}, {buf + 100, 4}}, none = {0, 0};

static void flagged(void)
{
    int p[2], fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    int appended = open("file", O_RDWR | O_APPEND), reads = open("file", O_RDONLY);
    pipe(p);
    memcpy(buf, "0123456789", 10);
    memcpy(buf + 100, "abcd", 4);
    CALL(pwritev2(fd, &one, 1, 0, 0));
    CALL(pwritev2(fd, two, 2, -1, 0));
    NUMBER(lseek(fd, 0, SEEK_CUR));
    CALL(pwritev2(fd, two, 2, 0, RWF_APPEND));
    NUMBER(lseek(fd, 0, SEEK_CUR));
    NUMBER(lseek(fd, 0, SEEK_END));
    CALL(pwritev2(fd, two, 2, 2, RWF_DSYNC));
    CALL(pwritev2(fd, two, 2, 2, RWF_SYNC | RWF_HIPRI));
    lseek(fd, 5, SEEK_SET);
    CALL(pwritev2(fd, two, 2, -1, RWF_APPEND));
    NUMBER(lseek(fd, 0, SEEK_CUR));
    CALL(pwritev2(appended, two, 2, 0, 0));
    NUMBER(lseek(fd, 0, SEEK_END));
    CALL(pwritev2(fd, &one, 1, 0, 1 << 20));
    CALL(preadv2(fd, &one, 1, 0, 1 << 20));
    CALL(preadv2(fd, &none, 1, 0, 1 << 20));
    CALL(pwritev2(fd, &one, 1, 0, RWF_APPEND | 0x20));
    CALL(pwritev2(fd, &one, 1, -2, 0));
    CALL(preadv2(fd, &one, 1, -2, 0));
    CALL(preadv2(fd, &one, -1, 0, 0));
    CALL(preadv2(fd, (void *)8, 1, 0, 0));
    CALL(preadv2(99, &one, 1, 0, 0));
    CALL(pwritev2(reads, &one, 1, 0, 0));
    CALL(preadv2(fd, two, 2, 0, 0));
    NUMBER(buf[0] << 8 | buf[103]);
    lseek(fd, 1, SEEK_SET);
    CALL(preadv2(fd, two, 2, -1, RWF_HIPRI));
    NUMBER(lseek(fd, 0, SEEK_CUR));
    CALL(preadv2(p[0], &one, 1, 0, 0));
    CALL(preadv2(p[0], &one, 1, -1, RWF_NOWAIT));
    CALL(pwritev2(p[1], &one, 1, -1, RWF_NOWAIT));
    CALL(preadv2(p[0], &one, 1, -1, RWF_NOWAIT));
    CALL(pwritev2(p[1], &one, 1, 5, 0));
    CALL(preadv2(p[1], &one, 1, -1, 0));
    close(p[0]);
    close(p[1]);
    close(fd);
    close(appended);
    close(reads);
}

static void ahead(void)
{
    int p[2], fd = open("file", O_RDWR), writes = open("file", O_WRONLY), directory = open(".", 0);
    pipe(p);
    CALL(readahead(fd, 0, 100000));
    CALL(readahead(fd, 1 << 30, 100000));
    CALL(readahead(writes, 0, 10));
    CALL(readahead(directory, 0, 10));
    CALL(readahead(p[0], 0, 10));
    CALL(readahead(99, 0, 10));
    CALL(sync_file_range(fd, 0, 10, SYNC_FILE_RANGE_WRITE));
    CALL(sync_file_range(fd, 5, 0, 7));
    CALL(sync_file_range(fd, 0, 10, 0));
    CALL(sync_file_range(fd, 0, 10, 8));
    CALL(sync_file_range(fd, -1, 10, 1));
    CALL(sync_file_range(fd, 1, -1, 1));
    CALL(sync_file_range(fd, 1L << 62, 1L << 62, 1));
    CALL(sync_file_range(p[0], 0, 10, 1));
    CALL(sync_file_range(directory, 0, 10, 1));
    CALL(sync_file_range(99, 0, 10, 1));
    close(fd);
    close(writes);
    close(directory);
    close(p[0]);
    close(p[1]);
}

static void attributes(void)
{
    static const char *file = "/proc/self/status";
    char longest[300];
    memset(longest, 'a', 299);
    longest[299] = 0;
    int fd = open(file, O_RDONLY);
    CALL(getxattr(file, "user.a", buf, 10));
    CALL(getxattr(file, "security.a", buf, 10));
    CALL(lgetxattr(file, "system.posix_acl_access", buf, 10));
    CALL(fgetxattr(fd, "user.a", buf, 10));
    CALL(getxattr(file, "", buf, 10));
    CALL(getxattr(file, longest, buf, 10));
    CALL(getxattr("missing", "user.a", buf, 10));
    CALL(getxattr(file, (void *)8, buf, 10));
    CALL(fgetxattr(99, "user.a", buf, 10));
    CALL(setxattr(file, "user.a", buf, 10, 0));
    CALL(lsetxattr(file, "user.a", buf, 10, XATTR_CREATE));
    CALL(fsetxattr(fd, "user.a", buf, 10, XATTR_REPLACE));
    CALL(setxattr(file, "user.a", buf, 10, 4));
    CALL(setxattr(file, "user.a", buf, 65537, 0));
    CALL(setxattr(file, "", buf, 10, 0));
    CALL(setxattr("missing", "user.a", buf, 10, 0));
    CALL(removexattr(file, "user.a"));
    CALL(lremovexattr(file, "user.a"));
    CALL(fremovexattr(fd, "user.a"));
    CALL(removexattr(file, ""));
    CALL(listxattr(file, buf, 10));
    CALL(llistxattr(file, 0, 0));
    CALL(flistxattr(fd, buf, 10));
    CALL(flistxattr(99, buf, 10));
    CALL(listxattr("missing", buf, 10));
    CALL(getxattr("/dev/null", "user.a", buf, 10));
    CALL(setxattr("/dev/null", "user.a", buf, 10, 0));
    close(fd);
}

int main(int argc, char **argv)
{
    by_lines();
    begin_in_place(argc, argv);
    flagged();
    ahead();
    attributes();
    return end_in_place();
}
