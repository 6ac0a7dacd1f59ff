/* What a program tries that has no command: `probe VERB ARGUMENT...`, static, for inside and outside of containers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { JOIN_SESSION = 1, SEARCH = 10, SESSION = -3 };

/* In a new session keyring that holds the key NAME, runs a program. */
static int with_key(char **argv) {
    if (syscall(SYS_keyctl, JOIN_SESSION, NULL) < 0 || syscall(SYS_add_key, "user", argv[0], "secret", 6, SESSION) < 0) {
        perror("keyctl");
        return 1;
    }
    execv(argv[1], argv + 1);
    perror(argv[1]);
    return 1;
}

/* The same, with as many keys more as the user may have, up to COUNT. */
static int with_keys(char **argv) {
    char name[32];
    if (syscall(SYS_keyctl, JOIN_SESSION, NULL) < 0 || syscall(SYS_add_key, "user", argv[0], "secret", 6, SESSION) < 0) {
        perror("keyctl");
        return 1;
    }
    for (int left = atoi(argv[1]); left > 0; left--) {
        snprintf(name, sizeof name, "filler-%d-%d", getpid(), left);
        if (syscall(SYS_add_key, "user", name, "x", 1, SESSION) < 0) {
            if (errno == EDQUOT) break;
            perror("add_key");
            return 1;
        }
    }
    execv(argv[2], argv + 2);
    perror(argv[2]);
    return 1;
}

/* Whether the session keyring has the key NAME, and the keyring's number. */
static int look(char **argv) {
    long found = syscall(SYS_keyctl, SEARCH, SESSION, "user", argv[0], 0);
    printf("%s %ld\n", found < 0 ? "absent" : "found", syscall(SYS_keyctl, 0, SESSION, 0));
    return 0;
}

static long report(const char *what, long result) {
    printf("%s %s\n", what, result >= 0 ? "open" : result == -EPERM ? "EPERM" : result == -ENOSYS ? "ENOSYS" : "other");
    return result;
}

static long native(long number, long a, long b, long c, void *d) {
    long result = syscall(number, a, b, c, d);
    return result < 0 ? -errno : result;
}

#ifdef __x86_64__
/* A 32-bit system call; what its arguments point to lies below 4 GiB, as all static data of this program does. */
static long compat(int number, long a, long b, long c, void *d) {
    int result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d)
                     : "memory", "r8", "r9", "r10", "r11");
    return result;
}
#endif

/* Every way to a socket of a family. */
static int sockets(char **argv) {
    static int pair[2];
    int family = atoi(argv[0]);
    report("socket", native(SYS_socket, family, SOCK_SEQPACKET, 0, NULL));
    report("socketpair", native(SYS_socketpair, family, SOCK_SEQPACKET, 0, pair));
#ifdef __x86_64__
    static unsigned arguments[4];
    arguments[0] = family;
    arguments[1] = SOCK_SEQPACKET;
    report("socket32", compat(359, family, SOCK_SEQPACKET, 0, NULL));
    report("socketpair32", compat(360, family, SOCK_SEQPACKET, 0, pair));
    report("socketcall-socket", compat(102, 1, (long)arguments, 0, NULL));
    arguments[3] = (unsigned)(long)pair;
    report("socketcall-socketpair", compat(102, 8, (long)arguments, 0, NULL));
    report("socketx32", native(0x40000000 + SYS_socket, family, SOCK_SEQPACKET, 0, NULL));
#endif
    return 0;
}

/* A directory in a directory, so often. */
static int deep(char **argv) {
    for (int left = atoi(argv[0]); left > 0; left--) {
        if (mkdir("d", 0755) || chdir("d")) {
            perror("d");
            return 1;
        }
    }
    return 0;
}

static int open_socket(struct sockaddr_un *address, const char *path) {
    address->sun_family = AF_UNIX;
    strncpy(address->sun_path, path, sizeof address->sun_path - 1);
    return socket(AF_UNIX, SOCK_SEQPACKET, 0);
}

/* Listens at a path until it is killed. */
static int listens(char **argv) {
    struct sockaddr_un address = {0};
    int fd = open_socket(&address, argv[0]);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || chmod(argv[0], 0777) || listen(fd, 16)) {
        perror(argv[0]);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) pause();
}

/* Connects to a path and says what comes back. */
static int connects(char **argv) {
    struct sockaddr_un address = {0};
    char answer[64];
    int fd = open_socket(&address, argv[0]);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        perror(argv[0]);
        return 1;
    }
    ssize_t length = recv(fd, answer, sizeof answer, 0);
    puts(length > 0 ? "answered" : "closed");
    return 0;
}

/* Sends a line for each argument, together, to the datagram socket at a path. */
static int notify(char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[4096] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    strncpy(address.sun_path, argv[0], sizeof address.sun_path - 1);
    for (argv++; *argv; argv++) {
        strncat(text, *argv, sizeof text - strlen(text) - 2);
        strcat(text, "\n");
    }
    if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("sendto");
        return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    static const struct {
        const char *verb;
        int (*run)(char **);
    } verbs[] = {{"with-key", with_key}, {"with-keys", with_keys}, {"look", look},     {"sockets", sockets},
                 {"deep", deep},         {"listen", listens},      {"connect", connects}, {"notify", notify}};
    for (size_t i = 0; argc > 2 && i < sizeof verbs / sizeof *verbs; i++) {
        if (!strcmp(argv[1], verbs[i].verb)) return verbs[i].run(argv + 2);
    }
    return 2;
}
