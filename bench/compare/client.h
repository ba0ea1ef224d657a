/* What the clients in C share: their way to fail, the clock, latencies, their input.
 *
 * For one .c file at a time.
 * A client is told on standard input what to send, says "ready" after its warm-up,
 * waits for a line, and ends with one line of JSON; whatever is wrong ends it with a
 * sentence and code 1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    /* Latencies, in buckets that are 1/64 of their value wide. */
    STEPS = 64,
    BUCKETS = STEPS * 40
};

typedef struct {
    char *bytes;
    size_t size;
} block;

static uint64_t histogram[BUCKETS], latencies;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- latencies ------------------------------------------------------------------ */

static int bucket_of(uint64_t ns) {
    int shift = 0;
    while (ns >> shift >= 2 * STEPS) {
        shift++;
    }
    int bucket = (int)(ns >> shift) + shift * STEPS;
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static void count_latency(uint64_t ns) {
    histogram[bucket_of(ns)]++;
    latencies++;
}

static void forget_latencies(void) {
    memset(histogram, 0, sizeof histogram);
    latencies = 0;
}

/* Microseconds, the middle of the bucket that holds this share of the latencies. */
static double percentile(double share) {
    uint64_t seen = 0;
    int bucket = 0;
    for (; bucket < BUCKETS - 1; bucket++) {
        seen += histogram[bucket];
        if ((double)seen >= share * (double)latencies) {
            break;
        }
    }
    int shift = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;
    double low = (double)((uint64_t)(bucket - shift * STEPS) << shift);
    return (low + (double)(1ull << shift) / 2) / 1000;
}

/* A member of the JSON that ends a run. */
static void print_latencies(void) {
    printf("\"latency_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, "
           "\"p999\": %.1f, \"p9999\": %.1f, \"max\": %.1f}",
           percentile(0.5), percentile(0.9), percentile(0.99), percentile(0.999),
           percentile(0.9999), percentile(1));
}

/* --- sockets -------------------------------------------------------------------- */

static int connect_to(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    const int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        fail("connect: %s", strerror(errno));
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void watch(int poller, int fd, void *data) {
    struct epoll_event event = {.events = EPOLLIN};
    event.data.ptr = data;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) {
        fail("epoll_ctl: %s", strerror(errno));
    }
}

/* --- standard input ------------------------------------------------------------- */

static block read_block(void) {
    block result;
    if (scanf("%zu", &result.size) != 1 || getchar() != '\n') {
        fail("standard input: a length and a newline are needed");
    }
    result.bytes = malloc(result.size + 1);
    if (!result.bytes ||
        fread(result.bytes, 1, result.size, stdin) != result.size) {
        fail("standard input ended early");
    }
    return result;
}

/* Say "ready" and wait for a line; 0 if there is none to come. */
static int told_to_go(void) {
    puts("ready");
    fflush(stdout);
    for (int c = getchar(); c != '\n'; c = getchar()) {
        if (c == EOF) {
            return 0;
        }
    }
    return 1;
}
