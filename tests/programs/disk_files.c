/* Files on a disk, each call with its result: links and names and their limits, holes, permissions,
   what a disk has no room for. It works in the directory that it is started in. */
#include "check.h"
#include "place.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

static char buf[1 << 20], name[5000];

static int made(const char *path, const char *text)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    write(fd, text, strlen(text));
    return fd;
}

static int links(const char *path)
{
    struct stat status;
    return lstat(path, &status) ? -errno : (int)status.st_nlink;
}

static const char *long_name(size_t length)
{
    memset(name, 'n', length);
    name[length] = 0;
    return name;
}

static int by_name(const void *one, const void *other)
{
    return strcmp(*(char **)one, *(char **)other);
}

static void show_directory(const char *path)
{
    char *names[300];
    int count = 0;
    DIR *directory = opendir(path);
    for (struct dirent *entry; (entry = readdir(directory)) && count < 300;) {
        char line[300];
        sprintf(line, "%s %d", entry->d_name, entry->d_type);
        names[count++] = strdup(line);
    }
    closedir(directory);
    qsort(names, count, sizeof *names, by_name);
    for (int i = 0; i < count; i++)
        printf(i ? ", %s" : "%s", names[i]);
    printf("\n");
}

static void names(void)
{
    struct statvfs seen;
    CALL(statvfs(".", &seen));
    NUMBER(seen.f_namemax);
    CALL(close(made("file", "text")));
    CALL(mkdir("dir", 0755));
    NUMBER(links("dir"));
    CALL(mkdir("dir/inner", 0755));
    NUMBER(links("dir"));
    CALL(symlink("file", "link"));
    CALL(mknod("fifo", S_IFIFO | 0600, 0));
    CALL(mknod("null", S_IFCHR | 0600, 1 << 8 | 3));
    CALL(mknod("socket", S_IFSOCK | 0600, 0));
    show_directory(".");
    CALL(rmdir("dir"));
    CALL(rmdir("file"));
    CALL(rmdir("missing"));
    CALL(rmdir("dir/."));
    CALL(rmdir("dir/.."));
    CALL(unlink("dir"));
    CALL(unlink("missing"));
    CALL(unlink("file/below"));
    CALL(mkdir("file", 0755));
    CALL(mkdir("missing/dir", 0755));
    CALL(mkdir("file/dir", 0755));
    CALL(open("dir", O_WRONLY));
    CALL(open("file/", O_RDONLY));
    CALL(open("missing/", O_RDWR | O_CREAT, 0600));
    CALL(close(open(long_name(255), O_RDWR | O_CREAT, 0600)));
    CALL(unlink(name));
    CALL(open(long_name(256), O_RDWR | O_CREAT, 0600));
    CALL(mkdir(name, 0755));
    CALL(symlink(name, "other"));
    CALL(unlink("other"));
    CALL(symlink("", "other"));
    CALL(symlink(long_name(1023), "other"));
    CALL(readlink("other", buf, sizeof buf));
    CALL(unlink("other"));
    CALL(symlink("self", "self"));
    CALL(open("self", O_RDONLY));
    CALL(stat("self/below", (struct stat *)buf));
    CALL(lstat("self", (struct stat *)buf));
    CALL(open("link", O_RDONLY | O_NOFOLLOW));
    CALL(readlink("file", buf, 10));
    CALL(readlink("link", buf, 2));
    CALL(access("", F_OK));
    CALL(unlink("self"));
    CALL(unlink("null"));
    CALL(unlink("socket"));
    CALL(unlink("fifo"));
}

static void linked(void)
{
    CALL(link("file", "hard"));
    NUMBER(links("file"));
    CALL(link("file", "hard"));
    CALL(link("dir", "hard2"));
    CALL(link("missing", "hard2"));
    CALL(link("file", "missing/hard"));
    CALL(link("link", "link2"));
    NUMBER(links("link"));
    CALL(linkat(AT_FDCWD, "link", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
    NUMBER(links("file"));
    CALL(unlink("followed"));
    CALL(unlink("link2"));
    CALL(rename("file", "hard"));
    NUMBER(links("file"));
    CALL(unlink("hard"));
    NUMBER(links("file"));
    CALL(rename("file", "missing/file"));
    CALL(rename("missing", "file"));
    CALL(rename("dir", "file"));
    CALL(rename("file", "dir"));
    CALL(rename("dir", "dir/inner/dir"));
    CALL(rename("dir", "dir"));
    CALL(rename(".", "elsewhere"));
    CALL(rename("dir/..", "elsewhere"));
    mkdir("full", 0755);
    close(made("full/file", ""));
    CALL(rename("dir", "full"));
    CALL(rename("dir/inner", "moved"));
    NUMBER(links("dir"));
    CALL(rename("moved", "full/moved"));
    NUMBER(links("full"));
    CALL(renameat2(AT_FDCWD, "full/moved", AT_FDCWD, "dir", RENAME_EXCHANGE));
    NUMBER(links("full"));
    CALL(renameat2(AT_FDCWD, "full/file", AT_FDCWD, "file", RENAME_NOREPLACE));
    CALL(renameat2(AT_FDCWD, "full/file", AT_FDCWD, "dir", RENAME_EXCHANGE));
    CALL(renameat2(AT_FDCWD, "dir", AT_FDCWD, "full/file", RENAME_EXCHANGE));
    CALL(renameat2(AT_FDCWD, "full/file", AT_FDCWD, "missing", RENAME_EXCHANGE));
    CALL(renameat2(AT_FDCWD, "file", AT_FDCWD, "dir", 7));
    show_directory("full");
    CALL(unlink("full/file"));
    CALL(rmdir("full/moved"));
    CALL(rmdir("full"));
}

static void holes(void)
{
    struct stat status;
    struct rlimit few = {100000, 100000};
    int fd = open("sparse", O_RDWR | O_CREAT | O_TRUNC, 0644);
    CALL(pwrite(fd, "a", 1, 0));
    CALL(pwrite(fd, "b", 1, 1 << 20));
    CALL(fstat(fd, &status));
    NUMBER(status.st_size);
    NUMBER(status.st_blocks < 100);
    CALL(lseek(fd, 0, SEEK_DATA));
    CALL(lseek(fd, 0, SEEK_HOLE) <= 4096);
    CALL(lseek(fd, 8192, SEEK_DATA) > 8192);
    CALL(lseek(fd, 1 << 20, SEEK_DATA));
    CALL(lseek(fd, 1 << 20, SEEK_HOLE));
    CALL(lseek(fd, (1 << 20) + 1, SEEK_DATA));
    CALL(lseek(fd, -1, SEEK_DATA));
    CALL(lseek(fd, 0, 5));
    CALL(lseek(fd, -1, SEEK_SET));
    CALL(pread(fd, buf, 5000, 500000));
    NUMBER(buf[0] | buf[4999]);
    CALL(ftruncate(fd, 10));
    CALL(ftruncate(fd, 5000));
    CALL(pread(fd, buf, 5000, 0));
    NUMBER(buf[0] | buf[10] | buf[4999]);
    CALL(ftruncate(fd, -1));
    CALL(truncate("dir", 0));
    CALL(truncate("missing", 0));
    CALL(fallocate(fd, 0, 0, 0));
    CALL(fallocate(fd, 0, -1, 10));
    CALL(fallocate(fd, 0, 0, -1));
    CALL(fallocate(fd, 77 << 8, 0, 10));
    CALL(fallocate(99, 0, 0, 10));
    /* As long as a limit allows. */
    pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &few);
        CALL(pwrite(fd, buf, 200000, 50000));
        CALL(pwrite(fd, buf, 1, 100000));
        CALL(ftruncate(fd, 100001));
        CALL(ftruncate(fd, 100000));
        signal(SIGXFSZ, SIG_DFL);
        pwrite(fd, buf, 1, 100000);
        _exit(1);
    }
    NUMBER(ending(child));
    close(fd);
    int reads = open("sparse", O_RDONLY);
    CALL(ftruncate(reads, 0));
    CALL(fallocate(reads, 0, 0, 10));
    close(reads);
    CALL(unlink("sparse"));
}

static void permissions(void)
{
    struct stat status;
    CALL(chmod("file", 04755));
    CALL(stat("file", &status));
    NUMBER(status.st_mode & 07777);
    CALL(chown("file", 1000, 1001));
    CALL(stat("file", &status));
    NUMBER(status.st_mode & 07777);
    NUMBER(status.st_uid);
    NUMBER(status.st_gid);
    chmod("file", 0640);
    mkdir("sticky", 0755);
    chmod("sticky", 01777);
    close(made("sticky/others", "text"));
    mkdir("setgid", 0755);
    chown("setgid", 0, 77);
    chmod("setgid", 02777);
    chmod(".", 0777);
    pid_t child = fork();
    if (child == 0) {
        setgid(2000);
        setuid(2000);
        CALL(open("file", O_RDONLY));
        CALL(chmod("file", 0777));
        CALL(chown("file", 2000, 2000));
        CALL(utimensat(AT_FDCWD, "file", 0, 0));
        CALL(truncate("file", 0));
        CALL(unlink("sticky/others"));
        CALL(rename("sticky/others", "sticky/mine"));
        CALL(close(made("sticky/mine", "")));
        CALL(unlink("sticky/mine"));
        CALL(close(made("setgid/file", "")));
        CALL(stat("setgid/file", &status));
        NUMBER(status.st_gid);
        CALL(mkdir("setgid/dir", 0755));
        CALL(stat("setgid/dir", &status));
        NUMBER(status.st_mode & 07777);
        CALL(chown("setgid/file", 0, -1));
        CALL(chown("setgid/file", -1, 2000));
        CALL(mknod("setgid/null", S_IFCHR | 0666, 1 << 8 | 3));
        _exit(0);
    }
    NUMBER(ending(child));
    if ((child = fork()) == 0) {
        setgid(1001);
        setuid(2000);
        CALL(close(open("file", O_RDONLY)));
        CALL(open("file", O_WRONLY));
        _exit(0);
    }
    NUMBER(ending(child));
    chown("file", 0, 0);
    CALL(rmdir("setgid/dir"));
    CALL(unlink("setgid/file"));
    CALL(rmdir("setgid"));
    CALL(unlink("sticky/others"));
    CALL(rmdir("sticky"));
}

/* Where a file system is small, it is filled: what was written before that stays, and there is room
   again afterwards. */
static void no_room(void)
{
    enum { SMALL = 40 << 20 };
    struct statvfs before, after;
    statvfs(".", &before);
    if (before.f_blocks == 0 || before.f_blocks * before.f_frsize > SMALL)
        return;
    int fd = open("large", O_RDWR | O_CREAT | O_TRUNC, 0644);
    memset(buf, 'x', sizeof buf);
    long total = 0, count;
    for (long size = sizeof buf; size > 0; size /= 2)
        while ((count = write(fd, buf, size)) > 0)
            total += count;
    CHECK(total > 1 << 20 && write(fd, buf, sizeof buf) == -1 && errno == ENOSPC);
    /* A mapping of a hole needs a block that there is not. */
    CHECK(ftruncate(fd, total + (1 << 20)) == 0);
    CHECK(pread(fd, buf, 10, total - 5) == 10 && buf[4] == 'x' && buf[5] == 0);
    char *map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, total / 2 & -4096);
    CHECK(map[0] == 'x');
    map[0] = 'm';
    CHECK(msync(map, 4096, MS_SYNC) == 0);
    munmap(map, 4096);
    CHECK(close(fd) == 0 && unlink("large") == 0);
    sync();
    statvfs(".", &after);
    CHECK(after.f_bfree >= before.f_bfree);
    fd = made("again", "there is room again");
    CHECK(fsync(fd) == 0 && close(fd) == 0 && unlink("again") == 0);
}

static void unnamed(void)
{
    struct stat status;
    int fd = made("going", "still there");
    CALL(unlink("going"));
    CALL(fstat(fd, &status));
    NUMBER(status.st_nlink);
    CALL(pread(fd, buf, 100, 0));
    CALL(write(fd, " and more", 9));
    CALL(fstat(fd, &status));
    NUMBER(status.st_size);
    close(fd);
    mkdir("going", 0755);
    chdir("going");
    CALL(rmdir("../going"));
    CALL(close(open("new", O_RDWR | O_CREAT, 0600)));
    CALL(mkdir("new", 0755));
    CALL(access(".", F_OK));
    CALL(access("..", F_OK));
    show_directory(".");
    chdir("..");
}

int main(int argc, char **argv)
{
    char start[PATH_MAX];
    by_lines();
    begin_in_place(argc, argv);
    umask(022);
    mkdir("work", 0755);
    chdir("work");
    names();
    linked();
    holes();
    permissions();
    no_room();
    unnamed();
    unlink("link");
    unlink("file");
    rmdir("dir");
    show_directory(".");
    chdir("..");
    CALL(rmdir("work"));
    return end_in_place();
}
