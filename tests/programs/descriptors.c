/* Descriptors, each call with its result: copies and their flags, files that are only paths,
   devices, locks of both kinds, files without a name, and what /proc says of them. */
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static char buf[4096], base[4096];
static struct stat st;

static void copies(void)
{
    int f = open("f", O_RDWR | O_CREAT, 0644);
    CALL(fcntl(f, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    CALL(fcntl(f, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY));
    CALL(fcntl(f, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    CALL(fcntl(f, F_SETFL, 0));
    CALL(fcntl(f, F_GETFD));
    CALL(fcntl(f, F_SETFD, FD_CLOEXEC));
    CALL(fcntl(f, F_GETFD));
    int g = dup(f);
    CALL(fcntl(g, F_GETFD));
    CALL(write(f, "position", 8));
    CALL(lseek(g, 0, SEEK_CUR));
    close(g);
    CALL(dup2(f, f) == f);
    CALL(dup3(f, f, 0));
    CALL(dup3(f, 40, O_CLOEXEC));
    CALL(fcntl(40, F_GETFD));
    CALL(dup3(f, 41, 77));
    CALL(fcntl(f, F_DUPFD, 50));
    CALL(fcntl(f, F_DUPFD_CLOEXEC, 50));
    CALL(fcntl(51, F_GETFD));
    CALL(fcntl(f, F_DUPFD, -1));
    CALL(fcntl(f, F_DUPFD, 1 << 30));
    CALL(fcntl(f, 7777, 0));
    CALL(dup2(f, 1 << 30));
    CALL(dup2(f, -1));
    CALL(dup2(99, 5));
    CALL(dup(99));
    CALL(close(40));
    CALL(close(40));
    CALL(close_range(50, 60, 0));
    CALL(close(50));
    CALL(close(51));
    CALL(close_range(70, 60, 0));
    CALL(syscall(SYS_close_range, 3, ~0u, 77));
    close(f);
}

static void paths_only(void)
{
    int f = open("f", O_PATH);
    CALL(read(f, buf, 1));
    CALL(fstat(f, &st));
    CALL(fchmod(f, 0600));
    CALL(ioctl(f, FIONREAD, buf));
    CALL(fcntl(f, F_GETFL) & O_PATH ? 1 : 0);
    close(f);
}

static void devices(void)
{
    int f = open("/dev/null", O_RDWR);
    CALL(read(f, buf, 5));
    CALL(write(f, buf, 5));
    CALL(lseek(f, 5, SEEK_SET));
    CALL(isatty(f));
    CALL(fstat(f, &st));
    NUMBER(major(st.st_rdev));
    NUMBER(minor(st.st_rdev));
    NUMBER(S_ISCHR(st.st_mode));
    close(f);
    f = open("/dev/zero", O_RDWR);
    memset(buf, 1, 10);
    CALL(read(f, buf, 10));
    NUMBER(buf[0] | buf[9]);
    CALL(write(f, buf, 10));
    close(f);
    f = open("/dev/full", O_RDWR);
    CALL(write(f, buf, 5));
    CALL(read(f, buf, 5));
    close(f);
    f = open("/dev/urandom", O_RDONLY);
    CALL(read(f, buf, 1000));
    close(f);
}

/* What a child finds where its parent has locked the first ten bytes. */
static int seen_by_child(int f)
{
    pid_t child = fork();
    if (child == 0) {
        struct flock wanted = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 1};
        int got = fcntl(f, F_SETLK, &wanted), error = errno;
        if (got == 0)
            _exit(1);
        wanted.l_start = 5;
        wanted.l_len = 1;
        if (error != EAGAIN || fcntl(f, F_GETLK, &wanted))
            _exit(2);
        if (wanted.l_start != 0 || wanted.l_len != 10 || wanted.l_pid != getppid())
            _exit(3);
        wanted.l_type = F_RDLCK;
        wanted.l_start = 20;
        _exit(fcntl(f, F_SETLK, &wanted) ? 4 : 7);
    }
    int status;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static void locks(void)
{
    int f = open("f", O_RDWR), g = open("f", O_RDWR);
    CALL(flock(f, LOCK_EX));
    CALL(flock(g, LOCK_SH | LOCK_NB));
    CALL(flock(f, LOCK_SH));
    CALL(flock(g, LOCK_SH | LOCK_NB));
    CALL(flock(f, LOCK_EX | LOCK_NB));
    CALL(flock(g, LOCK_UN));
    CALL(flock(f, 99));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    CALL(fcntl(f, F_SETLK, &lock));
    NUMBER(seen_by_child(f));
    lock.l_type = F_UNLCK;
    CALL(fcntl(f, F_SETLK, &lock));
    NUMBER(seen_by_child(f));
    lock.l_type = 99;
    CALL(fcntl(f, F_SETLK, &lock));
    close(f);
    close(g);
}

static void without_a_name(void)
{
    int f = memfd_create("mem", MFD_CLOEXEC);
    CALL(write(f, "memory", 6));
    CALL(ftruncate(f, 100));
    CALL(fstat(f, &st));
    NUMBER(st.st_size);
    NUMBER(st.st_nlink);
    CALL(fcntl(f, F_GETFD));
    CALL(pread(f, buf, 10, 3));
    TEXT(buf);
    close(f);
    CALL(memfd_create("mem", 0x7700));
}

/* The link in /proc, below the working directory. */
static const char *link_of(int f)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", f);
    ssize_t length = readlink(path, buf, sizeof buf - 1);
    buf[length < 0 ? 0 : length] = 0;
    return strncmp(buf, base, strlen(base)) ? buf : buf + strlen(base);
}

static void told_by_proc(void)
{
    char path[64];
    int f = open("f", O_RDONLY), ends[2];
    TEXT(link_of(f));
    snprintf(path, sizeof path, "/proc/self/fd/%d", f);
    int again = open(path, O_RDONLY);
    CALL(read(again, buf, 8));
    CALL(lseek(f, 0, SEEK_CUR));
    CALL(rename("f", "g"));
    TEXT(link_of(f));
    CALL(unlink("g"));
    TEXT(link_of(f));
    CALL(read(f, buf, 5));
    CALL(fstat(f, &st));
    NUMBER(st.st_nlink);
    if (pipe(ends))
        return;
    NUMBER(strncmp(link_of(ends[0]), "pipe:[", 6));
    close(ends[0]);
    close(ends[1]);
    close(again);
    close(f);
    DIR *directory = opendir("/dev/fd");
    CALL(directory ? 0 : -1);
    closedir(directory);
}

int main(void)
{
    by_lines();
    umask(022);
    if (mkdir("work", 0755) || chdir("work") || !getcwd(base, sizeof base))
        return 1;
    copies();
    paths_only();
    devices();
    locks();
    without_a_name();
    told_by_proc();
    return 0;
}
