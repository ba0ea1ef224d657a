/* A WebSocket client that counts: many connections, one message in flight on each.
 *
 *     ws_load PORT CONNECTIONS SECONDS echo|broadcast FIRST_BYTE
 *
 * FIRST_BYTE (hexadecimal) is the first byte of each answer's first frame, without FIN.
 * Standard input gives, each behind its length in decimal and a newline: the handshake,
 * the frame that is sent, and the payload that must come back, or nothing where that
 * varies (it is compressed). The frame is masked and, perhaps, compressed already:
 * whatever the server does for a message, the client only sends the same bytes again.
 *
 * After all handshakes and a warm-up "ready" is printed; a line on standard input then
 * starts the timed run, which ends with one line of JSON. In echo every connection sends
 * and waits for its answer; in broadcast the first one sends when all have received.
 * The first answer of each connection is compared byte for byte, the others by their
 * opcode and length. Whatever is wrong ends the program with a sentence and code 1.
 *
 * Never: a thread, an allocation a message, a byte made up a message. */
#include "client.h"

enum {
    ROOM = 256 * 1024, /* bytes of one read */
    READY = 256,       /* events of one epoll_wait */
    SETTLE_US = 300000, /* a server may send its 101 before the application goes on */
    WARM_UP_MS = 1000,
    SILENCE_MS = 20000, /* in which something must come */
    HEAD_MAX = 10
};

typedef struct {
    int fd;
    int wants_out;   /* EPOLLOUT is asked for */
    size_t unsent;   /* bytes of the frame that the socket did not take */
    uint8_t head[HEAD_MAX];
    size_t held;     /* bytes of a frame's head that have come */
    int in_payload;
    uint64_t left;   /* bytes of the frame's payload that have not come */
    uint64_t got;    /* bytes of the message's payload that have */
    int in_message;
    uint64_t answers;
    uint64_t sent_at; /* nanoseconds */
} connection;

static block handshake, frame, answer;
static connection *connections;
static int count, broadcast, first_byte;
static int poller;
static char room[ROOM];
static uint64_t waiting, trigger_at, ends_at;

/* --- output --------------------------------------------------------------------- */

static void ask_for(connection *c, int out) {
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0)};
    event.data.ptr = c;
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) < 0) {
        fail("epoll_ctl: %s", strerror(errno));
    }
    c->wants_out = out;
}

static void send_rest(connection *c) {
    ssize_t taken = send(c->fd, frame.bytes + (frame.size - c->unsent), c->unsent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken < 0 && errno != EAGAIN) {
        fail("send: %s", strerror(errno));
    }
    c->unsent -= taken > 0 ? (size_t)taken : 0;
    if (c->wants_out != (c->unsent > 0)) {
        ask_for(c, c->unsent > 0);
    }
}

static void send_message(connection *c, uint64_t at) {
    c->sent_at = at;
    c->unsent = frame.size;
    send_rest(c);
}

/* --- input ---------------------------------------------------------------------- */

static void message_ends(connection *c) {
    if (answer.size && c->got != answer.size) {
        fail("an answer of %llu bytes, not %zu", (unsigned long long)c->got,
             answer.size);
    }
    if (waiting == 0) {
        fail("more answers than messages");
    }
    uint64_t at = now();
    c->got = 0;
    c->in_message = 0;
    c->answers++;
    count_latency(at - (broadcast ? trigger_at : c->sent_at));
    waiting--;
    if (broadcast) {
        if (waiting == 0 && at < ends_at) {
            waiting = (uint64_t)count;
            trigger_at = at;
            send_message(&connections[0], at);
        }
    } else if (at < ends_at) {
        waiting++;
        send_message(c, at);
    }
}

static void frame_ends(connection *c) {
    c->held = 0;
    c->in_payload = 0;
    if ((c->head[0] & 0x0f) < 8 && c->head[0] & 0x80) {
        message_ends(c);
    }
}

/* A head is whole: is it one that may come now? */
static void begin_frame(connection *c) {
    int opcode = c->head[0] & 0x0f;
    if (c->head[1] & 0x80) {
        fail("a masked frame");
    }
    if (opcode == 8) {
        fail("the server closes");
    }
    if (opcode < 8) {
        int wanted = c->in_message ? 0 : first_byte;
        if ((c->head[0] & 0x7f) != wanted) {
            fail("a frame begins with 0x%02x, not 0x%02x", c->head[0] & 0x7f, wanted);
        }
        c->in_message = 1;
    }
    uint64_t length = c->head[1];
    if (length >= 126) {
        size_t size = length == 126 ? 2 : 8;
        length = 0;
        for (size_t i = 0; i < size; i++) {
            length = length << 8 | c->head[2 + i];
        }
    }
    c->left = length;
    c->in_payload = 1;
    if (c->left == 0) {
        frame_ends(c);
    }
}

static size_t head_size(const connection *c) {
    int length = c->held < 2 ? 0 : c->head[1] & 0x7f;
    return length < 126 ? 2 : length == 126 ? 4 : 10;
}

static void take_payload(connection *c, const char *p, size_t n) {
    if (c->head[0] & 0x08) {
        c->left -= n; /* a ping's: no run lasts until its answer is missed */
        return;
    }
    if (answer.size && c->answers == 0 &&
        (c->got + n > answer.size || memcmp(answer.bytes + c->got, p, n) != 0)) {
        fail("the first answer is wrong, after %llu bytes", (unsigned long long)c->got);
    }
    c->got += n;
    c->left -= n;
}

static void take(connection *c, const char *p, size_t n) {
    while (n) {
        if (!c->in_payload) {
            c->head[c->held++] = (uint8_t)*p++;
            n--;
            if (c->held >= 2 && c->held == head_size(c)) {
                begin_frame(c);
            }
            continue;
        }
        size_t part = n < c->left ? n : (size_t)c->left;
        take_payload(c, p, part);
        p += part;
        n -= part;
        if (c->left == 0) {
            frame_ends(c);
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

static void open_connection(connection *c, int port) {
    size_t size = 0;
    c->fd = connect_to(port);
    if (send(c->fd, handshake.bytes, handshake.size, MSG_NOSIGNAL) !=
        (ssize_t)handshake.size) {
        fail("the handshake was not sent");
    }
    while (size < 4 || memcmp(room + size - 4, "\r\n\r\n", 4) != 0) {
        /* One at a time: what is behind the head belongs to a frame. */
        if (size == ROOM || recv(c->fd, room + size, 1, 0) != 1) {
            fail("the handshake was not answered");
        }
        size++;
    }
    if (memcmp(room, "HTTP/1.1 101", 12) != 0) {
        fail("the handshake was answered with %.40s", room);
    }
    watch(poller, c->fd, c);
}

/* Messages for so long, and until the last of them is answered. Returns seconds. */
static double run(uint64_t milliseconds) {
    struct epoll_event events[READY];
    uint64_t began = now();

    forget_latencies();
    ends_at = began + milliseconds * 1000000u;
    waiting = (uint64_t)count;
    trigger_at = began;
    for (int i = 0; i < (broadcast ? 1 : count); i++) {
        send_message(&connections[i], began);
    }
    while (waiting) {
        int ready = epoll_wait(poller, events, READY, SILENCE_MS);
        if (ready == 0) {
            fail("%llu answers do not come", (unsigned long long)waiting);
        }
        for (int i = 0; i < ready; i++) {
            connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) {
                send_rest(c);
            }
            if (events[i].events & ~(unsigned)EPOLLOUT) {
                read_some(c);
            }
        }
    }
    return (double)(now() - began) / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fail("usage: PORT CONNECTIONS SECONDS echo|broadcast FIRST_BYTE");
    }
    count = atoi(argv[2]);
    broadcast = strcmp(argv[4], "broadcast") == 0;
    first_byte = (int)strtol(argv[5], NULL, 16);
    handshake = read_block();
    frame = read_block();
    answer = read_block();
    connections = calloc((size_t)count, sizeof *connections);
    poller = epoll_create1(0);
    if (count < 1 || !connections || poller < 0) {
        fail("no room for %d connections", count);
    }
    for (int i = 0; i < count; i++) {
        open_connection(&connections[i], atoi(argv[1]));
    }
    usleep(SETTLE_US);
    run(WARM_UP_MS);
    if (!told_to_go()) {
        return 0;
    }
    double seconds = run((uint64_t)(atof(argv[3]) * 1000));
    printf("{\"messages\": %llu, \"seconds\": %.6f, ",
           (unsigned long long)latencies, seconds);
    print_latencies();
    puts("}");
    return 0;
}
