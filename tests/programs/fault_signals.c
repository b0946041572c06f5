/* Signals for what an instruction did: what the handler is told, handlers that repair what was
   wrong so that the instruction is done again, that leave by a jump, that fault themselves, on a
   stack of their own; and what happens where there is no handler or no room for it. */
#include "check.h"
#include <fcntl.h>
#include <fenv.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum { PAGE = 4096, ALTERNATE = 65536 };

static char alternate[ALTERNATE];
static volatile sig_atomic_t got, code, count, on_alternate;
static char *volatile address;
static sigjmp_buf back;

static char *map(size_t length, int protection)
{
    return mmap(0, length, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    sigaction(number, &action, 0);
}

static void own_stack(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, 0);
}

static void note(int number, siginfo_t *info)
{
    char here;
    got = number;
    code = info->si_code;
    address = info->si_addr;
    on_alternate = &here >= alternate && &here < alternate + sizeof alternate;
    count++;
}

static void leave(int number, siginfo_t *info, void *context)
{
    (void)context;
    note(number, info);
    siglongjmp(back, 1);
}

/* Gives the page that it wants, at any protection that lets it go on. */
static void permit(int number, siginfo_t *info, void *context)
{
    (void)context;
    note(number, info);
    char *page = (char *)((unsigned long)info->si_addr & -PAGE);
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

/* What the last fault was, if this is one. */
#define FAULT(action) (sigsetjmp(back, 1) ? got : ((action), 0))

static void told(void)
{
    handle(SIGSEGV, leave, SA_ONSTACK);
    own_stack();
    CHECK(FAULT(*(volatile int *)8 = 1) == SIGSEGV);
    CHECK(address == (char *)8 && code == SEGV_MAPERR && on_alternate);
    char *page = map(PAGE, PROT_READ);
    CHECK(FAULT(*(volatile char *)(page + 5) = 1) == SIGSEGV);
    CHECK(address == page + 5 && code == SEGV_ACCERR);
    mprotect(page, PAGE, PROT_NONE);
    CHECK(FAULT(*(volatile char *)(page + 7)) == SIGSEGV);
    CHECK(address == page + 7 && code == SEGV_ACCERR);
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    CHECK(FAULT(((void (*)(void))page)()) == SIGSEGV);
    CHECK(address == page && code == SEGV_ACCERR);
    munmap(page, PAGE);
    CHECK(FAULT(((void (*)(void))(page + 2))()) == SIGSEGV);
    CHECK(address == page + 2 && code == SEGV_MAPERR);
    CHECK(FAULT(*(volatile char *)0xffffffff80200000) == SIGSEGV);
    CHECK(address == (char *)0xffffffff80200000);
    CHECK(count == 6);
    /* The last byte of one page and the first of one that is not there. */
    page = map(2 * PAGE, PROT_READ | PROT_WRITE);
    munmap(page + PAGE, PAGE);
    CHECK(FAULT(*(volatile long *)(page + PAGE - 4) = -1) == SIGSEGV);
    CHECK(page[PAGE - 4] == 0);
}

static void bus_errors(void)
{
    handle(SIGBUS, leave, 0);
    int f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(ftruncate(f, PAGE + 10) == 0);
    char *both = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    char *own = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
    /* The rest of the last page is there, the page behind it is not. */
    CHECK(FAULT(*(volatile char *)(both + 2 * PAGE - 1)) == 0);
    CHECK(FAULT(*(volatile char *)(both + 2 * PAGE)) == SIGBUS);
    CHECK(address == both + 2 * PAGE && code == BUS_ADRERR);
    CHECK(FAULT(*(volatile char *)(own + 3 * PAGE) = 1) == SIGBUS);
    /* It comes and goes with the file's length, copies that were made too. */
    CHECK(ftruncate(f, 3 * PAGE) == 0);
    CHECK(FAULT(*(volatile char *)(own + 2 * PAGE) = 1) == 0);
    CHECK(FAULT(*(volatile char *)(both + 2 * PAGE) = 2) == 0);
    CHECK(ftruncate(f, PAGE) == 0);
    CHECK(FAULT(*(volatile char *)(both + 2 * PAGE)) == SIGBUS);
    CHECK(FAULT(*(volatile char *)(own + 2 * PAGE)) == SIGBUS);
}

static void illegal_instructions(void)
{
    handle(SIGILL, leave, 0);
    CHECK(FAULT(({ __asm__ volatile(".insn 4, 0x0000000b"); })) == SIGILL);
    CHECK(code == ILL_ILLOPC);
    CHECK(FAULT(({ __asm__ volatile(".insn 2, 0"); })) == SIGILL);
    /* Not for this mode. */
    CHECK(FAULT(({ __asm__ volatile("csrr t0, sstatus" ::: "t0"); })) == SIGILL);
    CHECK(FAULT(({ __asm__ volatile("sret"); })) == SIGILL);
    CHECK(FAULT(({ __asm__ volatile("wfi"); })) == SIGILL);
    CHECK(FAULT(({ __asm__ volatile("sfence.vma"); })) == SIGILL);
    CHECK(count == 6);
    handle(SIGTRAP, leave, 0);
    CHECK(FAULT(({ __asm__ volatile("ebreak"); })) == SIGTRAP);
    CHECK(code == TRAP_BRKPT);
    /* A division by zero is no fault on this architecture. */
    volatile long zero = 0;
    handle(SIGFPE, leave, 0);
    CHECK(FAULT(zero = 5 / zero) == 0 && zero == -1);
}

static void repaired(void)
{
    handle(SIGSEGV, permit, SA_ONSTACK);
    own_stack();
    char *pages = map(8 * PAGE, PROT_NONE);
    for (int i = 0; i < 8; i++)
        *(volatile long *)(pages + i * PAGE + 8) += i + 1;
    CHECK(count == 8 && on_alternate);
    for (int i = 0; i < 8; i++)
        CHECK(*(long *)(pages + i * PAGE + 8) == i + 1);
    /* One that needs two pages, in its order. */
    mprotect(pages, 2 * PAGE, PROT_NONE);
    count = 0;
    *(volatile long *)(pages + PAGE - 4) = 0x1122334455667788;
    CHECK(count == 2 && *(volatile long *)(pages + PAGE - 4) == 0x1122334455667788);
    /* Atomics count as stores. */
    mprotect(pages, PAGE, PROT_READ);
    CHECK(__atomic_fetch_add((long *)(pages + 64), 5, __ATOMIC_SEQ_CST) == 0);
    CHECK(count == 3 && *(long *)(pages + 64) == 5);
}

/* Lets the interrupted one go on behind its instruction, with another result. */
static void skip(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    note(number, info);
    interrupted->uc_mcontext.__gregs[0] += 4;
    interrupted->uc_mcontext.__gregs[10] = 4711;
}

static void skipped(void)
{
    handle(SIGSEGV, skip, 0);
    register long a0 __asm__("a0") = 16;
    __asm__ volatile(".option push\n.option norvc\nld a0, 0(a0)\n.option pop" : "+r"(a0));
    CHECK(a0 == 4711 && count == 1 && address == (char *)16);
}

/* A handler that faults, whose handler faults, and all of them go on. */
static void nested_fault(int number, siginfo_t *info, void *context)
{
    char *page = (char *)((unsigned long)info->si_addr & -PAGE);
    if (++count < 4)
        *(volatile char *)(page + PAGE) = (char)(count + 1);
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    (void)number;
    (void)context;
}

static void nested(void)
{
    handle(SIGSEGV, nested_fault, SA_NODEFER | SA_ONSTACK);
    own_stack();
    char *pages = map(5 * PAGE, PROT_NONE);
    *(volatile char *)pages = 1;
    CHECK(count == 4);
    for (int i = 0; i < 4; i++)
        CHECK(pages[i * PAGE] == i + 1);
}

/* Registers of both kinds, the flags and the rounding are kept, whatever the handler computes. */
static void compute(int number, siginfo_t *info, void *context)
{
    volatile double x = 2;
    permit(number, info, context);
    fesetround(FE_UPWARD);
    for (int i = 0; i < 40; i++)
        x = x * 1.5 / 1.1;
    feclearexcept(FE_ALL_EXCEPT);
    feraiseexcept(FE_OVERFLOW);
    __asm__ volatile("fmv.d.x ft0, zero\nfmv.d.x ft7, zero\nfmv.d.x fs5, zero\nfmv.d.x fa3, zero\n"
                     "li t5, 0\nli t6, 0" ::: "ft0", "ft7", "fs5", "fa3", "t5", "t6");
}

static void registers(void)
{
    double values[4];
    long temporaries[2];
    handle(SIGSEGV, compute, 0);
    char *page = map(PAGE, PROT_NONE);
    feclearexcept(FE_ALL_EXCEPT);
    feraiseexcept(FE_INEXACT);
    fesetround(FE_DOWNWARD);
    __asm__ volatile("li t5, 3\nli t6, 5\nfcvt.d.l ft0, t5\nfcvt.d.l ft7, t6\n"
                     "fadd.d fs5, ft0, ft7\nfsub.d fa3, ft0, ft7\n"
                     "sd t5, 0(%6)\n"
                     "fmv.d %0, ft0\nfmv.d %1, ft7\nfmv.d %2, fs5\nfmv.d %3, fa3\n"
                     "mv %4, t5\nmv %5, t6"
                     : "=&f"(values[0]), "=&f"(values[1]), "=&f"(values[2]), "=&f"(values[3]),
                     "=&r"(temporaries[0]), "=&r"(temporaries[1])
                     : "r"(page)
                     : "ft0", "ft7", "fs5", "fa3", "t5", "t6", "memory");
    CHECK(count == 1 && *(long *)page == 3);
    CHECK(values[0] == 3 && values[1] == 5 && values[2] == 8 && values[3] == -2);
    CHECK(temporaries[0] == 3 && temporaries[1] == 5);
    CHECK(fegetround() == FE_DOWNWARD && fetestexcept(FE_ALL_EXCEPT) == FE_INEXACT);
}

/* Many jumps out of the alternate stack: each time it is free again, and the mask is as it was. */
static void jumps(void)
{
    sigset_t mask;
    stack_t now;
    handle(SIGSEGV, leave, SA_ONSTACK);
    own_stack();
    for (int i = 0; i < 200; i++)
        CHECK(FAULT(*(volatile char *)(long)i = 1) == SIGSEGV && on_alternate);
    CHECK(count == 200);
    sigprocmask(SIG_BLOCK, 0, &mask);
    CHECK(!sigismember(&mask, SIGSEGV));
    CHECK(sigaltstack(0, &now) == 0 && now.ss_sp == alternate && now.ss_flags == 0);
    now.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&now, 0) == 0);
    CHECK(FAULT(*(volatile char *)0 = 1) == SIGSEGV && !on_alternate);
    now = (stack_t){.ss_sp = alternate, .ss_size = 100};
    CHECK(sigaltstack(&now, 0) == -1 && errno == ENOMEM);
    now = (stack_t){.ss_sp = alternate, .ss_size = ALTERNATE, .ss_flags = 77};
    CHECK(sigaltstack(&now, 0) == -1 && errno == EINVAL);
}

static void busy(int number, siginfo_t *info, void *context)
{
    stack_t now, other = {.ss_sp = alternate, .ss_size = sizeof alternate};
    note(number, info);
    (void)context;
    code = sigaltstack(0, &now) == 0 && now.ss_flags == SS_ONSTACK;
    code = code && sigaltstack(&other, 0) == -1 && errno == EPERM;
}

static void alternate_in_use(void)
{
    handle(SIGUSR1, busy, SA_ONSTACK);
    own_stack();
    raise(SIGUSR1);
    CHECK(on_alternate && code);
}

static int descend(int depth)
{
    volatile char frame[PAGE];
    frame[0] = (char)depth;
    return descend(depth + 1) + frame[0];
}

static void no_stack_left(void)
{
    struct rlimit limit = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_STACK, &limit);
    handle(SIGSEGV, leave, SA_ONSTACK);
    own_stack();
    for (int i = 0; i < 3; i++)
        CHECK(FAULT(descend(0)) == SIGSEGV && on_alternate);
}

static void write_null(void) { *(volatile int *)0 = 1; }
static void run_nothing(void) { ((void (*)(void))0x123456000)(); }
static void read_kernel(void) { *(volatile int *)0xffffffff80200000 += 1; }
static void run_illegal(void) { __asm__ volatile(".insn 2, 0"); }
static void run_break(void) { __asm__ volatile("ebreak"); }
static void use_all_stack(void) { descend(0); }

/* With the handler's own signal blocked it cannot be called, and the fault would come for ever. */
static void fault_blocked(void)
{
    sigset_t set;
    handle(SIGSEGV, leave, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigprocmask(SIG_BLOCK, &set, 0);
    write_null();
}

static void fault_ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    write_null();
}

static void no_room_for_handler(void)
{
    handle(SIGSEGV, leave, 0);
    __asm__ volatile("li sp, 0x1000\nsd zero, 0(zero)");
}

static void return_to_nothing(void)
{
    __asm__ volatile("li sp, 0x1000\nli a7, 139\necall");
}

static void return_to_garbage(void)
{
    static long garbage[300];
    memset(garbage, 0xff, sizeof garbage);
    __asm__ volatile("mv sp, %0\nli a7, 139\necall" ::"r"(garbage));
}

static void without_handlers(void)
{
    static const struct {
        void (*act)(void);
        int signal;
    } ends[] = {
        {write_null, SIGSEGV},
        {run_nothing, SIGSEGV},
        {read_kernel, SIGSEGV},
        {run_illegal, SIGILL},
        {run_break, SIGTRAP},
        {use_all_stack, SIGSEGV},
        {fault_blocked, SIGSEGV},
        {fault_ignored, SIGSEGV},
        {no_room_for_handler, SIGSEGV},
        {return_to_nothing, SIGSEGV},
        {return_to_garbage, SIGSEGV},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        pid_t child = fork();
        if (child == 0) {
            ends[i].act();
            _exit(0);
        }
        int end = ending(child);
        if (end != -ends[i].signal)
            printf("%zu ended with %d\n", i, end);
        CHECK(end == -ends[i].signal);
    }
}

int main(void)
{
    static const struct test tests[] = {
        {"told", told},
        {"bus errors", bus_errors},
        {"illegal instructions", illegal_instructions},
        {"repaired", repaired},
        {"skipped", skipped},
        {"nested", nested},
        {"registers", registers},
        {"jumps", jumps},
        {"alternate stack in use", alternate_in_use},
        {"no stack left", no_stack_left},
        {"without handlers", without_handlers},
    };
    return run_all(tests, sizeof tests / sizeof *tests);
}
