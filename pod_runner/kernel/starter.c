/* The starter: what every process of a pod begins as. It makes a list of system calls, one after another.
 *
 * The list was planned outside (program.py has the format's other side): namespaces, mounts, ids,
 * capabilities, seccomp; the last call is execve, or there is none, and then the starter stays as a pod's
 * pause process. It runs from a sealed memfd, so /proc/self/exe leads a container to nothing of the host
 * (CVE-2019-5736), it holds no memory of the process that started it, and starting it costs no copy of that
 * process's page tables.
 *
 * Descriptor 3 is where it reports; end of file there means that all went well. 4 is the program. No libc
 * where the machine is known: an idle pause process then has about five pages of its own.
 */
#include <stddef.h>
#include <stdint.h>

#define REPORT 3
#define PROGRAM 4

/* What is no system call; program.py has the same */
#define CLONE (-1)  /* arguments: flags, or clone3's structure and its size; which branch of the program this is */
#define FAIL (-2)   /* argument: the errno to report */
#define SKIP (-3)   /* argument: how many operations to leave out */

enum { IMMEDIATE, ADDRESS, REGISTER };
enum { REPORT_PID, REPORT_ERROR };

struct operation {
    int32_t number, into;           /* the register that gets the result; -1: none */
    int32_t on_error, on_success;   /* how many operations to leave out then */
    int32_t tolerated[4];           /* errnos that are no failure; -1: any; 0: none */
    uint8_t kinds[8];               /* of the arguments */
    uint64_t arguments[6];
};

struct header {
    uint64_t operations, relocations, stays;   /* numbers of; `stays`: the end of the list is a pause */
};

struct report {
    int32_t kind, value, index;
};

#if defined(__x86_64__) && !defined(WITH_LIBC)
static long call(long n, long a, long b, long c, long d, long e, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start:\n xor %ebp,%ebp\n and $-16,%rsp\n call start\n");
enum { READ = 0, WRITE = 1, MMAP = 9, MUNMAP = 11, LSEEK = 8, CLOSE = 3, WAIT4 = 61, EXIT = 231, CLONE_NR = 56,
       CLONE3_NR = 435, SIGPROCMASK = 14, SIGTIMEDWAIT = 128 };
#elif defined(__aarch64__) && !defined(WITH_LIBC)
static long call(long n, long a, long b, long c, long d, long e, long f) {
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
__asm__(".globl _start\n_start:\n mov x29,#0\n mov x30,#0\n bl start\n");
enum { READ = 63, WRITE = 64, MMAP = 222, MUNMAP = 215, LSEEK = 62, CLOSE = 57, WAIT4 = 260, EXIT = 94,
       CLONE_NR = 220, CLONE3_NR = 435, SIGPROCMASK = 135, SIGTIMEDWAIT = 137 };
#else
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
static long call(long n, long a, long b, long c, long d, long e, long f) {
    long result = syscall(n, a, b, c, d, e, f);
    return result == -1 ? -errno : result;
}
enum { READ = SYS_read, WRITE = SYS_write, MMAP = SYS_mmap, MUNMAP = SYS_munmap, LSEEK = SYS_lseek,
       CLOSE = SYS_close, WAIT4 = SYS_wait4, EXIT = SYS_exit_group, CLONE_NR = SYS_clone, CLONE3_NR = SYS_clone3,
       SIGPROCMASK = SYS_rt_sigprocmask, SIGTIMEDWAIT = SYS_rt_sigtimedwait };
#endif

#define SIGNAL(n) (1ul << ((n) - 1))
#define SIGINT_NR 2
#define SIGTERM_NR 15
#define SIGCHLD_NR 17
#define EINVAL_NR 22
#define WNOHANG_NR 1

#define REGISTERS 4096   /* program.py has the same; a page is touched only when it is used */
static uint64_t registers[REGISTERS];

static void end(int status) {
    for (;;) call(EXIT, status, 0, 0, 0, 0, 0);
}

static void report(int32_t kind, int32_t value, int32_t index) {
    struct report said = {kind, value, index};
    call(WRITE, REPORT, (long)&said, sizeof said, 0, 0, 0);
}

/* Sleep until SIGTERM, SIGINT or SIGKILL; where processes are shared this is their process 1, and reaps. */
static void stay(void) {
    unsigned long set = SIGNAL(SIGINT_NR) | SIGNAL(SIGTERM_NR) | SIGNAL(SIGCHLD_NR);
    call(SIGPROCMASK, 0 /* SIG_BLOCK */, (long)&set, 0, 8, 0, 0);
    call(CLOSE, REPORT, 0, 0, 0, 0, 0);
    for (;;) {
        long signal = call(SIGTIMEDWAIT, (long)&set, 0, 0, 8, 0, 0);
        if (signal == SIGTERM_NR || signal == SIGINT_NR) end(0);
        while (call(WAIT4, -1, 0, WNOHANG_NR, 0, 0, 0) > 0);
    }
}

/* Fork; who forked reports the child's pid and ends, and its own parent becomes the child's (CLONE_PARENT is
 * among the flags). The child does not wait for that: reports say which branch they are of. */
static long branch(uint64_t first, uint64_t size, uint64_t which) {
    long pid = size ? call(CLONE3_NR, (long)first, (long)size, 0, 0, 0, 0) : call(CLONE_NR, (long)first, 0, 0, 0, 0, 0);
    if (pid > 0) {
        report(REPORT_PID, (int32_t)pid, (int32_t)which);
        end(0);
    }
    return pid;
}

static int is_tolerated(const struct operation *one, long number) {
    for (int i = 0; i < 4; i++)
        if (one->tolerated[i] == -1 || one->tolerated[i] == number) return 1;
    return 0;
}

/* Make one operation; return its result, or what is not a result: minus an errno. */
static long make(const struct operation *one, char *data) {
    uint64_t a[6];
    for (int i = 0; i < 6; i++) {
        a[i] = one->arguments[i];
        if (one->kinds[i] == ADDRESS) a[i] += (uint64_t)data;
        if (one->kinds[i] == REGISTER) a[i] = registers[a[i] % REGISTERS];
    }
    if (one->number == CLONE) return branch(a[0], a[1], a[2]);
    if (one->number == FAIL) return -(long)a[0];
    if (one->number == SKIP) return 0;
    return call(one->number, (long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)a[4], (long)a[5]);
}

static void run(const struct header *head) {
    const struct operation *all = (const struct operation *)(head + 1);
    const uint64_t *relocations = (const uint64_t *)(all + head->operations);
    char *data = (char *)(relocations + head->relocations);
    for (uint64_t i = 0; i < head->relocations; i++) *(uint64_t *)(data + relocations[i]) += (uint64_t)data;
    for (uint64_t i = 0; i < head->operations; i++) {
        const struct operation *one = &all[i];
        long result = make(one, data);
        int has_failed = result < 0 && result > -4096;
        if (has_failed && !is_tolerated(one, -result)) {
            report(REPORT_ERROR, (int32_t)-result, (int32_t)i);
            end(127);
        }
        if (!has_failed && one->into >= 0) registers[one->into % REGISTERS] = (uint64_t)result;
        i += (uint64_t)(has_failed ? one->on_error : one->number == SKIP ? (int32_t)one->arguments[0] : one->on_success);
    }
}

void start(void) {
    long size = call(LSEEK, PROGRAM, 0, 2 /* SEEK_END */, 0, 0, 0);
    long at = size < (long)sizeof(struct header) ? -EINVAL_NR
              : call(MMAP, 0, size, 3 /* PROT_READ | PROT_WRITE */, 2 /* MAP_PRIVATE */, PROGRAM, 0);
    if (at < 0 && at > -4096) {
        report(REPORT_ERROR, (int32_t)-at, -1);
        end(127);
    }
    call(CLOSE, PROGRAM, 0, 0, 0, 0, 0);
    const struct header *head = (const struct header *)at;
    uint64_t stays = head->stays;
    run(head);
    if (!stays) end(127);
    call(MUNMAP, at, size, 0, 0, 0, 0);
    stay();
}

#ifdef WITH_LIBC
int main(void) {
    start();
}
#endif
