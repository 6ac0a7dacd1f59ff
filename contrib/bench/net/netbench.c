// A server and a client that measure one path through a network. One program for both ends and all paths, so that
// ratios compare the paths and nothing else.
//
//   netbench server PORT [ADDRESS]           TCP and UDP, both families unless an address is given
//   netbench client MODE ADDRESS PORT SECONDS [CONNECTIONS]
//
//   up      bytes from client to server      down    bytes from server to client
//   rr      64 bytes there and back          crr     connect, 64 bytes there, 1 KiB back, close
//   udprr   64 bytes there and back          udpup   datagrams of 1200 bytes, as many as arrive
//
// The client prints one line of JSON: a value (Mbit/s, or rounds per second), failures, and percentiles of round trips.
// cc -O2 -static -pthread -o netbench netbench.c

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 128 * 1024, MESSAGE = 64, REPLY = 1024, DATAGRAM = 1200, MAX_CONNECTIONS = 64, MAX_SAMPLES = 2000000 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static int read_all(int fd, void *to, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t more = recv(fd, (char *)to + done, length - done, 0);
        if (more <= 0) return -1;
        done += more;
    }
    return 0;
}

static int write_all(int fd, const void *from, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t more = send(fd, (const char *)from + done, length - done, MSG_NOSIGNAL);
        if (more <= 0) return -1;
        done += more;
    }
    return 0;
}

static void set(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

// --- the server -----------------------------------------------------------------------------------------------------

// The first byte of a connection says what it is for.
static void *serve(void *argument) {
    int fd = (int)(intptr_t)argument;
    char *buffer = calloc(1, CHUNK), what = 0;
    uint64_t received = 0;
    ssize_t more;
    read_all(fd, &what, 1);
    switch (what) {
    case 'S':
        while ((more = recv(fd, buffer, CHUNK, 0)) > 0) received += more;
        write_all(fd, &received, sizeof received);
        break;
    case 'R':
        while (send(fd, buffer, CHUNK, MSG_NOSIGNAL) > 0) {}
        break;
    case 'E':
        set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        while (read_all(fd, buffer, MESSAGE) == 0 && write_all(fd, buffer, MESSAGE) == 0) {}
        break;
    }
    close(fd);
    free(buffer);
    return NULL;
}

// The first byte of a datagram says what it is for: echo, count, tell the count, count anew.
static _Noreturn void *serve_datagrams(void *argument) {
    int fd = (int)(intptr_t)argument;
    static char buffer[65536];
    uint64_t received = 0;
    for (;;) {
        struct sockaddr_storage from;
        socklen_t length = sizeof from;
        ssize_t size = recvfrom(fd, buffer, sizeof buffer, 0, (void *)&from, &length);
        if (size <= 0) continue;
        if (buffer[0] == 'E') sendto(fd, buffer, size, 0, (void *)&from, length);
        if (buffer[0] == 'S') received += size;
        if (buffer[0] == 'Z') received = 0;
        if (buffer[0] == 'Q' || buffer[0] == 'Z') sendto(fd, &received, sizeof received, 0, (void *)&from, length);
    }
}

static int server(const char *port, const char *address) {
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(address ? address : "::", port, &hints, &found)) return 2;
    int stream = socket(found->ai_family, SOCK_STREAM, 0), datagrams = socket(found->ai_family, SOCK_DGRAM, 0);
    set(stream, SOL_SOCKET, SO_REUSEADDR, 1);
    if (found->ai_family == AF_INET6) {
        set(stream, IPPROTO_IPV6, IPV6_V6ONLY, 0);
        set(datagrams, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    }
    if (bind(stream, found->ai_addr, found->ai_addrlen) || listen(stream, 1024) ||
        bind(datagrams, found->ai_addr, found->ai_addrlen)) {
        perror("netbench");
        return 1;
    }
    pthread_t thread;
    pthread_create(&thread, NULL, serve_datagrams, (void *)(intptr_t)datagrams);
    puts("ready");
    fflush(stdout);
    for (;;) {
        char what, buffer[REPLY] = {0};
        int fd = accept(stream, NULL, NULL);
        if (fd < 0) continue;
        // Short connections are served here: a thread for each would be what is measured.
        struct timeval patience = {5, 0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (recv(fd, &what, 1, MSG_PEEK) != 1) {
            close(fd);
        } else if (what == 'H') {
            if (read_all(fd, buffer, MESSAGE) == 0) write_all(fd, buffer, REPLY);
            close(fd);
        } else {
            struct timeval forever = {0, 0};
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever);
            pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd);
            pthread_detach(thread);
        }
    }
}

// --- the client -----------------------------------------------------------------------------------------------------

struct result {
    uint64_t done, failed;
    float *samples;
    size_t count;
    double seconds;
};

static struct addrinfo *target;
static const char *mode;
static double begun, until;

static int dial(int type) {
    int fd = socket(target->ai_family, type, 0);
    struct timeval patience = {type == SOCK_DGRAM ? 1 : 10, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, target->ai_addr, target->ai_addrlen) == 0) return fd;
    close(fd);
    return -1;
}

static void sample(struct result *result, double since) {
    result->done++;
    if (result->count < MAX_SAMPLES) result->samples[result->count++] = now() - since;
}

static void stream(struct result *result, char *buffer) {
    int upward = mode[0] == 'u', fd = dial(SOCK_STREAM);
    ssize_t more;
    if (fd < 0 || write_all(fd, upward ? "S" : "R", 1)) {
        result->failed++;
    } else if (upward) {
        while (now() < until && send(fd, buffer, CHUNK, MSG_NOSIGNAL) > 0) {}
        shutdown(fd, SHUT_WR);
        result->failed += read_all(fd, &result->done, sizeof result->done) != 0;
    } else {
        while (now() < until && (more = recv(fd, buffer, CHUNK, 0)) > 0) result->done += more;
        result->failed += result->done == 0;
    }
    close(fd);
}

static void round_trips(struct result *result, char *buffer) {
    int datagrams = mode[0] == 'u', fd = dial(datagrams ? SOCK_DGRAM : SOCK_STREAM);
    if (fd < 0) {
        result->failed++;
        return;
    }
    if (!datagrams) {
        set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        write_all(fd, "E", 1);
    }
    while (now() < until) {
        double since = now();
        int lost;
        buffer[0] = 'E';
        if (datagrams) lost = send(fd, buffer, MESSAGE, 0) < 0 || recv(fd, buffer, MESSAGE, 0) < 0;
        else lost = write_all(fd, buffer, MESSAGE) || read_all(fd, buffer, MESSAGE);
        if (!lost) sample(result, since);
        else if (result->failed++, !datagrams) break;
    }
    close(fd);
}

static void connections(struct result *result, char *buffer) {
    while (now() < until && result->failed < 100) {
        double since = now();
        int fd = dial(SOCK_STREAM);
        buffer[0] = 'H';
        if (fd < 0 || write_all(fd, buffer, MESSAGE) || read_all(fd, buffer, REPLY)) result->failed++;
        else sample(result, since);
        close(fd);
    }
}

static uint64_t ask(int fd, const char *what) {
    for (int attempt = 0; attempt < 5; attempt++) {
        uint64_t count;
        if (send(fd, what, 1, 0) == 1 && recv(fd, &count, sizeof count, 0) == sizeof count) return count;
    }
    return 0;
}

static void datagrams(struct result *result, char *buffer) {
    int fd = dial(SOCK_DGRAM);
    ask(fd, "Z");
    double since = now();
    buffer[0] = 'S';
    while (now() < until) send(fd, buffer, DATAGRAM, 0);
    result->seconds = now() - since;
    // What is still under way.
    usleep(200000);
    result->done = ask(fd, "Q");
    result->failed += result->done == 0;
    close(fd);
}

static void *client(void *argument) {
    struct result *result = argument;
    char *buffer = calloc(1, CHUNK);
    result->samples = malloc(sizeof(float) * MAX_SAMPLES);
    if (!strcmp(mode, "up") || !strcmp(mode, "down")) stream(result, buffer);
    else if (!strcmp(mode, "rr") || !strcmp(mode, "udprr")) round_trips(result, buffer);
    else if (!strcmp(mode, "crr")) connections(result, buffer);
    else datagrams(result, buffer);
    if (result->seconds == 0) result->seconds = now() - begun;
    free(buffer);
    return NULL;
}

static int by_size(const void *one, const void *other) {
    float a = *(const float *)one, b = *(const float *)other;
    return (a > b) - (a < b);
}

static void report(struct result *results, int count) {
    struct result all = {.samples = malloc(sizeof(float) * MAX_SAMPLES * count)};
    for (int i = 0; i < count; i++) {
        all.done += results[i].done;
        all.failed += results[i].failed;
        if (results[i].seconds > all.seconds) all.seconds = results[i].seconds;
        memcpy(all.samples + all.count, results[i].samples, results[i].count * sizeof(float));
        all.count += results[i].count;
    }
    int bytes = !strcmp(mode, "up") || !strcmp(mode, "down") || !strcmp(mode, "udpup");
    double value = all.seconds > 0 ? all.done / all.seconds * (bytes ? 8e-6 : 1) : 0;
    printf("{\"value\": %.1f, \"unit\": \"%s\", \"failed\": %lu", value, bytes ? "Mbit/s" : "1/s",
           (unsigned long)all.failed);
    if (bytes) printf(", \"bytes\": %lu", (unsigned long)all.done);
    if (all.count) {
        qsort(all.samples, all.count, sizeof(float), by_size);
        printf(", \"p50\": %.1f, \"p99\": %.1f", all.samples[all.count / 2] * 1e6,
               all.samples[(size_t)(all.count * .99)] * 1e6);
    }
    puts("}");
}

int main(int count, char **arguments) {
    signal(SIGPIPE, SIG_IGN);
    if (count >= 3 && !strcmp(arguments[1], "server")) return server(arguments[2], count > 3 ? arguments[3] : NULL);
    if (count < 6 || strcmp(arguments[1], "client")) {
        fputs("netbench server PORT [ADDRESS] | client MODE ADDRESS PORT SECONDS [CONNECTIONS]\n", stderr);
        return 2;
    }
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    int connections = count > 6 ? atoi(arguments[6]) : 1;
    mode = arguments[2];
    if (connections < 1 || connections > MAX_CONNECTIONS || getaddrinfo(arguments[3], arguments[4], &hints, &target))
        return 2;
    static struct result results[MAX_CONNECTIONS];
    pthread_t threads[MAX_CONNECTIONS];
    begun = now();
    until = begun + atof(arguments[5]);
    for (int i = 0; i < connections; i++) pthread_create(&threads[i], NULL, client, &results[i]);
    for (int i = 0; i < connections; i++) pthread_join(threads[i], NULL);
    report(results, connections);
    return 0;
}
