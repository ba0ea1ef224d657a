/* Sending on a non-blocking socket; the contract is in socket_send.h. */

#ifndef _WIN32
#include <errno.h>
#include <sys/socket.h>
#endif

#include "socket_send.h"

#ifdef _WIN32

size_t fs_socket_send(int fd, const char *data, size_t size, int more)
{
    (void)fd, (void)data, (void)size, (void)more;
    return 0;
}

#else

#ifndef MSG_MORE
#define MSG_MORE 0 /* Linux alone has it; elsewhere a packet more is sent */
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS; Python ignores SIGPIPE in any case */
#endif

size_t fs_socket_send(int fd, const char *data, size_t size, int more)
{
    int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0);
    ssize_t taken;

    do
        taken = send(fd, data, size, flags);
    while (taken < 0 && errno == EINTR);
    return taken > 0 ? (size_t)taken : 0;
}

#endif
