/* socket_send on real socket pairs: what is taken, and what a failure looks like. */

#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "socket_send.h"

static void make_pair(int pair[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
}

static void test_everything_arrives_in_order(void)
{
    int pair[2];
    char got[16];

    make_pair(pair);
    CHECK(fs_socket_send(pair[0], "head ", 5, 1) == 5);
    CHECK(fs_socket_send(pair[0], "body", 4, 0) == 4);
    CHECK(read(pair[1], got, sizeof got) == 9);
    CHECK(memcmp(got, "head body", 9) == 0);
    close(pair[0]);
    close(pair[1]);
}

/* A buffer of exactly the size sent, so that the sanitizer sees a byte too many. */
static void test_a_full_socket_takes_nothing(void)
{
    size_t size = 1 << 16, sent = 0, taken;
    char *data = malloc(size);
    char got[4096];
    ssize_t n;
    size_t seen = 0;
    int pair[2];

    CHECK(data != NULL);
    memset(data, 'x', size);
    make_pair(pair);
    while ((taken = fs_socket_send(pair[0], data, size, 0)) > 0) {
        CHECK(taken <= size);
        sent += taken;
    }
    CHECK(sent > 0);
    CHECK(fs_socket_send(pair[0], data, size, 0) == 0);
    while ((n = read(pair[1], got, sizeof got)) > 0)
        seen += (size_t)n;
    CHECK(seen == sent);
    close(pair[0]);
    close(pair[1]);
    free(data);
}

static void test_a_failed_socket_takes_nothing(void)
{
    int pair[2];

    make_pair(pair);
    close(pair[1]);
    CHECK(fs_socket_send(pair[0], "x", 1, 0) == 0); /* EPIPE, and no SIGPIPE */
    close(pair[0]);
    CHECK(fs_socket_send(-1, "x", 1, 0) == 0);
}

int main(void)
{
    test_everything_arrives_in_order();
    test_a_full_socket_takes_nothing();
    test_a_failed_socket_takes_nothing();
    return checks_result();
}
