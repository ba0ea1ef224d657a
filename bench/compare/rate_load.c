/* An HTTP/1.1 client that asks at a constant rate and never waits for the server.
 *
 *     rate_load PORT CONNECTIONS SECONDS RATE BODY
 *
 * Standard input gives the request, behind its length in decimal and a newline. RATE is
 * requests a second over all connections, which take turns; BODY is the size of every
 * answer's body, whose head must say 200 and Content-Length. Otherwise as client.h says.
 *
 * Each request has a time at which it is due, fixed beforehand. Its latency runs from
 * then until its answer is whole, also where it could be sent only later because the
 * connection's last answer was late: what a slow answer does to those behind it is
 * counted (it would be left out, "coordinated omission", by a client that waits).
 *
 * The client never sleeps: how long it takes to wake up is not the server's affair. */
#include "client.h"

enum {
    ROOM = 256 * 1024, /* bytes of one read */
    READY = 256,       /* events of one epoll_wait */
    HEAD_MAX = 8192,
    WARM_UP_MS = 1000,
    PATIENCE_MS = 5000 /* for what is late at the end */
};

typedef struct {
    int fd;
    int busy;         /* a request is under way */
    uint64_t due;     /* of the request under way, nanoseconds */
    uint64_t next;    /* of the one behind it */
    size_t held;      /* bytes of the answer's head that have come */
    size_t left;      /* bytes of its body that have not */
    int in_body;
    char head[HEAD_MAX + 1];
} connection;

static block request;
static connection *connections;
static int count, poller;
static size_t body_size;
static double rate;
static uint64_t began, ends_at, answers, unanswered;
static char room[ROOM];

static uint64_t interval(void) {
    return (uint64_t)((double)count / rate * 1e9);
}

static void ask(connection *c) {
    c->busy = 1;
    c->due = c->next;
    c->next += interval();
    /* A request of some hundred bytes on an empty socket is taken whole. */
    if (send(c->fd, request.bytes, request.size, MSG_NOSIGNAL) !=
        (ssize_t)request.size) {
        fail("a request was not sent: %s", strerror(errno));
    }
}

static int may_ask(const connection *c, uint64_t at) {
    return !c->busy && c->next <= at && c->next < ends_at;
}

/* --- answers -------------------------------------------------------------------- */

static void check_head(connection *c) {
    c->head[c->held] = '\0';
    if (strncmp(c->head, "HTTP/1.1 200", 12) != 0) {
        fail("an answer began with %.40s", c->head);
    }
    const char *field = strcasestr(c->head, "\r\ncontent-length:");
    if (!field) {
        fail("an answer without Content-Length");
    }
    unsigned long size = strtoul(field + strlen("\r\ncontent-length:"), NULL, 10);
    if (size != body_size) {
        fail("an answer of %lu bytes, not %zu", size, body_size);
    }
}

static void answer_ends(connection *c) {
    uint64_t at = now();
    count_latency(at - c->due);
    answers++;
    c->in_body = 0;
    c->busy = 0;
    if (may_ask(c, at)) {
        ask(c);
    }
}

/* Bytes of the head, up to its end; how many of `n` were taken. */
static size_t take_head(connection *c, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (c->held == HEAD_MAX) {
            fail("an answer's head is too long");
        }
        c->head[c->held++] = p[i];
        if (p[i] == '\n' && c->held >= 4 &&
            memcmp(c->head + c->held - 4, "\r\n\r\n", 4) == 0) {
            check_head(c);
            c->held = 0;
            c->in_body = 1;
            c->left = body_size;
            return i + 1;
        }
    }
    return n;
}

static size_t take_body(connection *c, size_t n) {
    size_t part = n < c->left ? n : c->left;
    c->left -= part;
    return part;
}

static void take(connection *c, const char *p, size_t n) {
    while (n) {
        if (!c->busy) {
            fail("more answers than requests");
        }
        size_t used = c->in_body ? take_body(c, n) : take_head(c, p, n);
        p += used;
        n -= used;
        if (c->in_body && c->left == 0) {
            answer_ends(c);
        }
    }
}

static void read_some(connection *c) {
    ssize_t n = recv(c->fd, room, ROOM, MSG_DONTWAIT);
    if (n > 0) {
        take(c, room, (size_t)n);
    } else if (n == 0) {
        fail("the server has hung up");
    } else if (errno != EAGAIN) {
        fail("recv: %s", strerror(errno));
    }
}

/* --- the run -------------------------------------------------------------------- */

static int all_done(void) {
    for (int i = 0; i < count; i++) {
        if (connections[i].busy || connections[i].next < ends_at) {
            return 0;
        }
    }
    return 1;
}

/* What has not come counts as it is by now: its true latency is no smaller. */
static void give_up(void) {
    uint64_t at = now();
    for (int i = 0; i < count; i++) {
        connection *c = &connections[i];
        if (c->busy) {
            count_latency(at - c->due);
            unanswered++;
        }
        for (; c->next < ends_at; c->next += interval()) {
            count_latency(at - c->next);
            unanswered++;
        }
    }
}

/* Ask for so long, and wait for the last answers. Returns seconds. */
static double run(uint64_t milliseconds) {
    struct epoll_event events[READY];
    int turn = 0;

    forget_latencies();
    answers = unanswered = 0;
    began = now();
    ends_at = began + milliseconds * 1000000u;
    for (int i = 0; i < count; i++) {
        connections[i].next = began + (uint64_t)((double)i / rate * 1e9);
    }
    for (;;) {
        uint64_t at = now();
        if (at >= ends_at) {
            if (all_done()) {
                break;
            }
            if (at >= ends_at + PATIENCE_MS * 1000000ull) {
                give_up();
                break;
            }
        }
        /* Those that are free and due, in turn; a busy one asks when it is free. */
        for (int i = 0; i < count && connections[turn].next <= at; i++) {
            if (may_ask(&connections[turn], at)) {
                ask(&connections[turn]);
            }
            turn = (turn + 1) % count;
        }
        int ready = epoll_wait(poller, events, READY, 0);
        for (int i = 0; i < ready; i++) {
            read_some(events[i].data.ptr);
        }
    }
    return (double)(now() - began) / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fail("usage: PORT CONNECTIONS SECONDS RATE BODY");
    }
    count = atoi(argv[2]);
    rate = atof(argv[4]);
    body_size = (size_t)strtoul(argv[5], NULL, 10);
    request = read_block();
    connections = calloc((size_t)count, sizeof *connections);
    poller = epoll_create1(0);
    if (count < 1 || rate <= 0 || body_size < 1 || !connections || poller < 0) {
        fail("no sense in %d connections, %s a second", count, argv[4]);
    }
    for (int i = 0; i < count; i++) {
        connections[i].fd = connect_to(atoi(argv[1]));
        watch(poller, connections[i].fd, &connections[i]);
    }
    run(WARM_UP_MS);
    if (unanswered) {
        fail("%llu requests of the warm-up were not answered",
             (unsigned long long)unanswered);
    }
    if (!told_to_go()) {
        return 0;
    }
    double seconds = run((uint64_t)(atof(argv[3]) * 1000));
    printf("{\"requests\": %llu, \"unanswered\": %llu, \"seconds\": %.6f, ",
           (unsigned long long)answers, (unsigned long long)unanswered, seconds);
    print_latencies();
    puts("}");
    return 0;
}
