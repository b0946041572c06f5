/* File systems in their places: mounting, flags, what a read-only one refuses, binding, who is in
   the way of unmounting. */
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static const unsigned flags_shown = ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC;

static void see(const char *path)
{
    struct statvfs seen;
    if (statvfs(path, &seen)) {
        printf("%s: %s\n", path, strerrorname_np(errno));
        return;
    }
    printf("%s: flags %lx\n", path, seen.f_flag & flags_shown);
}

/* The line of a place in /proc/mounts, but for its options behind the first. */
static void line_of(const char *place)
{
    char line[500], source[200], path[200], kind[50], options[200];
    FILE *mounts = fopen("/proc/mounts", "r");
    while (fgets(line, sizeof line, mounts)) {
        sscanf(line, "%s %s %s %s", source, path, kind, options);
        options[2] = 0;
        if (strcmp(path, place) == 0)
            printf("%s %s %s %s\n", source, path, kind, options);
    }
    fclose(mounts);
}

static void make(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    write(fd, text, strlen(text));
    close(fd);
}

static const char *text_of(const char *path)
{
    static char text[100];
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return strerrorname_np(errno);
    text[read(fd, text, sizeof text - 1)] = 0;
    close(fd);
    return text;
}

static void refused(void)
{
    char longest[PATH_MAX + 10];
    memset(longest, 'a', sizeof longest);
    longest[PATH_MAX + 9] = 0;
    mkdir("at", 0755);
    make("file", "file");
    CALL(mount("none", "at", "nothing", 0, 0));
    CALL(mount("none", "missing", "tmpfs", 0, 0));
    CALL(mount("none", "file", "tmpfs", 0, 0));
    CALL(mount("none", "file/at", "tmpfs", 0, 0));
    CALL(mount("none", "at", 0, 0, 0));
    CALL(mount("none", (void *)8, "tmpfs", 0, 0));
    CALL(mount("none", longest, "tmpfs", 0, 0));
    CALL(mount("none", "at", "tmpfs", MS_REMOUNT, 0));
    CALL(mount("missing", "at", 0, MS_BIND, 0));
    CALL(mount("file", "at", 0, MS_BIND, 0));
    CALL(mount("at", "file", 0, MS_BIND, 0));
    CALL(umount("at"));
    CALL(umount("missing"));
    CALL(umount("file"));
    CALL(umount2("at", 64));
    CALL(umount2("at", MNT_EXPIRE | MNT_DETACH));
}

static void in_place(void)
{
    make("at/below", "below");
    CALL(mount("name", "at", "tmpfs", 0, "size=64k,mode=0750"));
    line_of("/tmp/mounts/at");
    struct stat status;
    CALL(stat("at", &status));
    NUMBER(status.st_mode & 07777);
    CALL(access("at/below", F_OK));
    make("at/above", "above");
    TEXT(text_of("at/above"));
    CALL(rename("at/above", "above"));
    CALL(link("at/above", "above"));
    CALL(rmdir("at"));
    CALL(rename("at", "elsewhere"));
    struct statvfs seen;
    CALL(statvfs("at", &seen));
    NUMBER(seen.f_blocks * seen.f_frsize);
    /* One on the other. */
    CALL(mount("other", "at", "tmpfs", 0, 0));
    CALL(access("at/above", F_OK));
    CALL(umount("at"));
    TEXT(text_of("at/above"));
    CALL(umount("at/above"));
    CALL(umount("at"));
    TEXT(text_of("at/below"));
    CALL(umount("at"));
}

static void busy(void)
{
    CALL(mount("none", "at", "tmpfs", 0, 0));
    make("at/file", "text");
    int fd = open("at/file", O_RDWR);
    CALL(umount("at"));
    close(fd);
    chdir("at");
    CALL(umount("../at"));
    chdir("..");
    mkdir("at/inner", 0755);
    CALL(mount("none", "at/inner", "tmpfs", 0, 0));
    CALL(umount("at"));
    CALL(umount("at/inner"));
    CALL(umount2("at", MNT_EXPIRE));
    close(open("at/file", O_RDONLY));
    CALL(umount2("at", MNT_EXPIRE));
    CALL(umount2("at", MNT_EXPIRE));
    CALL(umount2("at", MNT_EXPIRE));
    /* It goes with its last user. */
    CALL(mount("none", "at", "tmpfs", 0, 0));
    make("at/file", "text");
    mkdir("at/inner", 0755);
    CALL(mount("none", "at/inner", "tmpfs", 0, 0));
    fd = open("at/file", O_RDWR);
    CALL(umount2("at", MNT_DETACH));
    CALL(access("at/file", F_OK));
    char text[10];
    CALL(pread(fd, text, 10, 0));
    CALL(write(fd, "more", 4));
    close(fd);
    CALL(umount("at"));
    symlink("at", "link");
    CALL(mount("none", "link", "tmpfs", 0, 0));
    CALL(umount2("link", UMOUNT_NOFOLLOW));
    CALL(umount2("link", 0));
}

static void only_read(void)
{
    struct stat status;
    CALL(mount("none", "at", "tmpfs", 0, 0));
    make("at/file", "text");
    mkdir("at/dir", 0755);
    mkfifo("at/fifo", 0600);
    symlink("file", "at/link");
    int fd = open("at/file", O_RDWR), directory = open("at", O_RDONLY);
    CALL(mount(0, "at", 0, MS_REMOUNT | MS_RDONLY, 0));
    see("at");
    close(fd);
    fd = open("at/file", O_RDONLY);
    CALL(mount(0, "at", 0, MS_REMOUNT | MS_RDONLY, 0));
    see("at");
    line_of("/tmp/mounts/at");
    CALL(open("at/file", O_RDWR));
    CALL(open("at/file", O_WRONLY | O_TRUNC));
    CALL(open("at/file", O_RDONLY | O_TRUNC));
    CALL(close(open("at/file", O_RDONLY | O_CREAT, 0600)));
    CALL(open("at/file", O_RDONLY | O_CREAT | O_EXCL, 0600));
    CALL(open("at/new", O_RDONLY | O_CREAT, 0600));
    CALL(open("at/dir", O_RDWR));
    CALL(access("at/file", W_OK));
    CALL(access("at/file", R_OK));
    CALL(access("at/fifo", W_OK));
    CALL(mkdir("at/new", 0755));
    CALL(mkdir("at/dir", 0755));
    CALL(mknod("at/new", S_IFIFO | 0600, 0));
    CALL(symlink("file", "at/new"));
    CALL(symlink("file", "at/link"));
    CALL(link("at/file", "at/new"));
    CALL(unlink("at/file"));
    CALL(unlink("at/missing"));
    CALL(rmdir("at/dir"));
    CALL(rename("at/file", "at/new"));
    CALL(rename("at/missing", "at/new"));
    CALL(truncate("at/file", 1));
    CALL(chmod("at/file", 0600));
    CALL(fchmod(fd, 0600));
    CALL(chown("at/file", 1, 1));
    CALL(lchown("at/link", 1, 1));
    CALL(utimensat(AT_FDCWD, "at/file", 0, 0));
    CALL(futimens(fd, 0));
    CALL(setxattr("at/file", "user.a", "b", 1, 0));
    CALL(removexattr("at/file", "user.a"));
    CALL(openat(directory, "new", O_WRONLY | O_CREAT, 0600));
    int fifo = open("at/fifo", O_RDWR);
    CALL(write(fifo, "a", 1));
    close(fifo);
    TEXT(text_of("at/file"));
    CALL(stat("at/file", &status));
    CALL(mount(0, "at", 0, MS_REMOUNT, 0));
    see("at");
    CALL(unlink("at/file"));
    CALL(fstat(fd, &status));
    NUMBER(status.st_nlink);
    close(fd);
    close(directory);
    CALL(umount("at"));
    CALL(mount("none", "at", "tmpfs", MS_RDONLY, 0));
    CALL(mkdir("at/new", 0755));
    CALL(umount("at"));
}

static void of_flags(void)
{
    CALL(mount("none", "at", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0));
    see("at");
    make("at/program", "#!/bin/busybox true\n");
    chmod("at/program", 0755);
    CALL(execl("at/program", "program", NULL));
    CALL(access("at/program", X_OK));
    int fd = open("at/program", O_RDWR);
    CALL(mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
    void *map = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    CALL(mprotect(map, 4096, PROT_READ | PROT_EXEC));
    munmap(map, 4096);
    close(fd);
    CALL(mknod("at/null", S_IFCHR | 0666, 1 << 8 | 3));
    CALL(open("at/null", O_RDWR));
    CALL(mount(0, "at", 0, MS_REMOUNT, 0));
    see("at");
    CALL(close(open("at/null", O_RDWR)));
    CALL(umount("at"));
}

static void bound(void)
{
    char path[PATH_MAX];
    CALL(mount("none", "at", "tmpfs", 0, 0));
    mkdir("at/dir", 0755);
    mkdir("at/dir/inner", 0755);
    make("at/dir/file", "text");
    mkdir("other", 0755);
    CALL(mount("at/dir", "other", 0, MS_BIND, 0));
    TEXT(text_of("other/file"));
    make("other/new", "new");
    TEXT(text_of("at/dir/new"));
    CALL(chdir("other/inner"));
    TEXT(getcwd(path, sizeof path));
    CALL(chdir(".."));
    TEXT(getcwd(path, sizeof path));
    CALL(chdir(".."));
    TEXT(getcwd(path, sizeof path));
    CALL(rename("at/dir/new", "other/newer"));
    CALL(link("at/dir/new", "other/newer"));
    CALL(rename("other/new", "other/newer"));
    int fd = open("other/newer", O_RDONLY);
    char name[30];
    sprintf(name, "/proc/self/fd/%d", fd);
    memset(path, 0, sizeof path);
    readlink(name, path, sizeof path);
    TEXT(path);
    CALL(umount("other"));
    close(fd);
    /* Each has flags of its own. */
    CALL(mount(0, "other", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
    see("other");
    see("at");
    make("at/dir/newer", "changed");
    TEXT(text_of("other/newer"));
    CALL(open("other/newer", O_WRONLY));
    CALL(mount(0, "other", 0, MS_REMOUNT | MS_BIND, 0));
    CALL(close(open("other/newer", O_WRONLY)));
    /* It stays, though what it was bound from goes. */
    CALL(umount2("at", MNT_DETACH));
    TEXT(text_of("other/newer"));
    CALL(umount2("other", MNT_DETACH));
    CALL(access("other/newer", F_OK));
    /* A file on a file. */
    make("one", "one");
    make("two", "two");
    CALL(mount("one", "two", 0, MS_BIND, 0));
    TEXT(text_of("two"));
    CALL(unlink("two"));
    CALL(umount("two"));
    TEXT(text_of("two"));
}

static void not_root(void)
{
    CALL(mount("none", "at", "tmpfs", 0, 0));
    setuid(1000);
    CALL(mount("none", "at", "tmpfs", 0, 0));
    CALL(mount("none", "missing", "tmpfs", 0, 0));
    CALL(mount(0, "at", 0, MS_REMOUNT, 0));
    CALL(umount("at"));
    CALL(umount("missing"));
    CALL(umount2("at", 64));
    CALL(chroot("at"));
}

int main(void)
{
    by_lines();
    mkdir("/tmp/mounts", 0755);
    chdir("/tmp/mounts");
    umask(022);
    refused();
    in_place();
    busy();
    only_read();
    of_flags();
    bound();
    if (fork() == 0) {
        not_root();
        _exit(0);
    }
    wait(0);
    umount("at");
    return 0;
}
