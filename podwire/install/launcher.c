/* The launcher: what lies in /opt/cni/bin under every plugin's name.
 *
 * It hands the call to the node agent over a Unix socket and prints what comes back. Without an agent, or
 * where the agent serves another network namespace or dies, it becomes a Python that runs the same plugin
 * code, with the same stdin. Without Python either, it says CNI error 11, "try again later".
 *
 * Nothing is allocated: three static buffers, which cost nothing until they are touched, bound every
 * size; one deadline bounds the time. podwire/agent/protocol.py has the other side of the wire format.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define STDIN_LIMIT (4u << 20)   /* bytes; cni_spec/json_input.py has the same */
#define VARIABLES_LIMIT (128u << 10)
#define ANSWER_LIMIT (5u << 20)
#ifndef DEADLINE
#define DEADLINE 150             /* seconds; the agent's own is 110, a test's one or two */
#endif
#define PATIENCE 1000            /* milliseconds for a part of VERSION's stdin, which may never come */
#define NOT_SERVED 0xffffffffu   /* the agent's word for "run it yourself" */
#define TRAILER 1024             /* bytes behind the executable; podwire/install/launchers.py writes them */
#define MARKER "# podwire plugin\n"
#define SERVICE "systemctl start podwire-agent.service"

extern char **environ;

static char request[8 + VARIABLES_LIMIT + STDIN_LIMIT + 1];
static char answer[ANSWER_LIMIT];
static char trailer[TRAILER + 1];
static const char *type, *interpreter;
static char *input;              /* stdin, inside `request` */
static size_t input_size;
static int has_read_input;
static struct timespec started;

/* Print a CNI error object and end. The message is ours: nothing in it needs escaping. */
static void fail(int code, const char *message) {
    printf("{\n    \"cniVersion\": \"1.1.0\",\n    \"code\": %d,\n    \"msg\": \"%s\"\n}", code, message);
    fflush(stdout);
    _exit(1);
}

static void put32(char *at, uint32_t number) {
    for (int i = 0; i < 4; i++) at[i] = (char)(number >> (8 * i));
}

static uint32_t get32(const char *at) {
    uint32_t number = 0;
    for (int i = 3; i >= 0; i--) number = number << 8 | (unsigned char)at[i];
    return number;
}

/* Open what the caller left closed of stdin, stdout and stderr, or a socket of ours would take its place. */
static void open_standard_files(void) {
    int file;
    do {
        file = open("/dev/null", O_RDWR);
        int full = file == 1 ? open("/dev/full", O_WRONLY) : -1; /* a result that nobody hears is no success */
        if (full >= 0) dup2(full, 1), close(full);
    } while (file >= 0 && file <= 2);
    if (file < 0) _exit(1); /* there is nobody to tell */
    close(file);
}

/* Read the plugin's type and the interpreter from behind the executable's own end. */
static void read_trailer(void) {
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    off_t end = self < 0 ? -1 : lseek(self, -TRAILER, SEEK_END);
    ssize_t size = end < 0 ? -1 : read(self, trailer, TRAILER);
    if (size != TRAILER || strncmp(trailer, MARKER, strlen(MARKER)) != 0)
        fail(999, "this launcher was not installed by `podwire install`");
    close(self);
    type = strtok(trailer + strlen(MARKER), "\n");
    interpreter = strtok(NULL, "\n");
    if (!type || !interpreter) fail(999, "this launcher was not installed by `podwire install`");
}

/* Give the fallback the bytes that were read from stdin, as a file in memory. */
static void restore_input(void) {
    int file = memfd_create("stdin", 0);
    if (file < 0) fail(5, "no memory file could be made for the configuration");
    for (size_t done = 0; done < input_size;) {
        ssize_t size = write(file, input + done, input_size - done);
        if (size < 0 && errno != EINTR) fail(5, "the configuration could not be kept in memory");
        if (size > 0) done += (size_t)size;
    }
    if (lseek(file, 0, SEEK_SET) != 0 || dup2(file, 0) != 0)
        fail(5, "the configuration could not be handed over");
    if (file > 0) close(file);
}

/* Become a Python that runs the plugin by itself. */
static void run_in_python(void) {
    static char code[128], path[TRAILER];
    if (has_read_input) restore_input();
    snprintf(code, sizeof code, "from cni_plugins.skeleton import run; run('%s')", type);
    snprintf(path, sizeof path, "%s", interpreter);
    char *words[] = {path, "-I", "-c", code, NULL};
    execve(interpreter, words, environ);
    fail(11, "try again later: podwire's node agent does not answer and its Python cannot be run; "
             "start the agent (" SERVICE ") or install podwire again");
}

static int has_prefix(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int is_sent(const char *variable) {
    static const char *prefixes[] = {"CNI_", "PODWIRE_", "TRACEPARENT=", "TRACESTATE=", "PATH="};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (has_prefix(variable, prefixes[i])) return 1;
    return 0;
}

/* Write type and variables behind the request's header; return where stdin goes. */
static size_t put_variables(void) {
    size_t end = 8;
    end += (size_t)sprintf(request + end, "%s", type) + 1;
    for (char **one = environ; *one; one++) {
        if (!is_sent(*one)) continue;
        size_t size = strlen(*one) + 1;
        if (end + size > VARIABLES_LIMIT) fail(4, "the environment is larger than 128 KiB");
        memcpy(request + end, *one, size);
        end += size;
    }
    request[end] = '\0';
    return end + 1;
}

/* With patience (milliseconds; -1 has no end) only as long as there is something. */
static void read_input(int patience) {
    struct pollfd from = {.fd = 0, .events = POLLIN};
    for (;;) {
        if (patience >= 0 && poll(&from, 1, patience) <= 0) break;
        ssize_t size = read(0, input + input_size, STDIN_LIMIT + 1 - input_size);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && patience < 0) fail(5, "the configuration could not be read from stdin");
        if (size <= 0) break;
        input_size += (size_t)size;
        if (input_size > STDIN_LIMIT) fail(6, "network configuration: larger than 4 MiB");
    }
    has_read_input = 1;
}

static int put_path(char *path, size_t size) {
    const char *chosen = getenv("PODWIRE_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");
    int length;
    if (chosen && *chosen) length = snprintf(path, size, "%s", chosen);
    else if (geteuid() == 0) length = snprintf(path, size, "/run/podwire/agent.sock");
    else length = snprintf(path, size, "%s/podwire/agent.sock", runtime ? runtime : "");
    return length > 0 && (size_t)length < size;
}

/* Connect to an agent of root's or our own; return -1 if there is none. */
static int connect_agent(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer;
    struct timeval patience = {.tv_sec = 5}; /* for a place in the agent's queue of callers */
    socklen_t size = sizeof peer;
    int agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (agent < 0 || !put_path(address.sun_path, sizeof address.sun_path)) return -1;
    if (setsockopt(agent, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
        connect(agent, (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockopt(agent, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
        (peer.uid == 0 || peer.uid == geteuid()))
        return agent;
    close(agent);
    return -1;
}

/* Wait until the agent can be written to or read from; past the deadline, end. */
static void await(int agent, short events) {
    struct timespec now;
    struct pollfd one = {.fd = agent, .events = events};
    int ready;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        long left = DEADLINE - (now.tv_sec - started.tv_sec);
        ready = left <= 0 ? 0 : poll(&one, 1, (int)left * 1000);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) fail(11, "try again later: podwire's node agent did not answer in 150 s");
}

/* Send the namespaces with the first bytes, then the rest; return 0 if the agent does not take it. */
static int send_request(int agent, size_t size) {
    const char *netns = getenv("CNI_NETNS");
    int files[2] = {open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), -1};
    if (netns && *netns) files[1] = open(netns, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t length = (files[1] < 0 ? 1 : 2) * sizeof *files;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof files)] = {0};
    struct iovec bytes = {request, size};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = CMSG_SPACE(length)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(header), files, length);
    if (files[0] < 0) return 0;
    while (bytes.iov_len > 0) {
        await(agent, POLLOUT);
        ssize_t done = sendmsg(agent, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (done < 0) return 0;
        bytes.iov_base = (char *)bytes.iov_base + done;
        bytes.iov_len -= (size_t)done;
        message.msg_controllen = 0;
    }
    return 1;
}

/* Read until the answer is whole; return 0 if it does not become so. */
static int read_answer(int agent, uint32_t sizes[3]) {
    uint64_t size = 0, wanted = 16;
    while (size < wanted) {
        await(agent, POLLIN);
        ssize_t done = read(agent, answer + size, sizeof answer - size);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return 0;
        size += (uint64_t)done;
        if (wanted > 16 || size < 16) continue;
        if (memcmp(answer, "PWA1", 4) != 0) return 0;
        for (int i = 0; i < 3; i++) sizes[i] = get32(answer + 4 + 4 * i);
        wanted += (uint64_t)sizes[1] + sizes[2];
        if (wanted > sizeof answer) return 0;
    }
    return size == wanted;
}

static void write_all(int file, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t done = write(file, bytes, size);
        if (done < 0 && errno != EINTR) _exit(1);
        if (done > 0) bytes += done, size -= (size_t)done;
    }
}

/* Write what is for a log: where it cannot be kept, the answer counts nevertheless. */
static void log_all(const char *bytes, size_t size) {
    ssize_t done;
    while (size > 0 && (done = write(2, bytes, size)) > 0) bytes += done, size -= (size_t)done;
}

int main(void) {
    const char *command = getenv("CNI_COMMAND"), *agent_is = getenv("PODWIRE_AGENT");
    clock_gettime(CLOCK_MONOTONIC, &started);
    open_standard_files();
    read_trailer();
    if (!command || !*command || (agent_is && strcmp(agent_is, "never") == 0)) run_in_python();
    input = request + put_variables();
    int agent = connect_agent();
    if (agent < 0) run_in_python();
    read_input(strcmp(command, "VERSION") == 0 ? PATIENCE : -1); /* it needs none, a terminal gives none */
    size_t size = (size_t)(input - request) + input_size;
    memcpy(request, "PWR1", 4);
    put32(request + 4, (uint32_t)(size - 8));
    uint32_t sizes[3];
    if (!send_request(agent, size) || !read_answer(agent, sizes) || sizes[0] == NOT_SERVED) run_in_python();
    log_all(answer + 16 + sizes[1], sizes[2]);
    write_all(1, answer + 16, sizes[1]);
    return (int)(sizes[0] & 0xff);
}
