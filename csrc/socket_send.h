/* Sending on a non-blocking socket without an event loop's help.
 *
 * It never waits, never allocates, never raises SIGPIPE, and never calls into
 * Python: whoever calls it hands what was not taken to the event loop. */
#ifndef FASTSERVE_SOCKET_SEND_H
#define FASTSERVE_SOCKET_SEND_H

#include <stddef.h>

/* Sends what the socket takes of data[0..size). more says that another piece
 * follows at once, so that the kernel need not make a packet of this one. Returns
 * how many bytes were taken, 0 if none could be: the socket's buffer is full, or it
 * has failed, or the platform has no such call. */
size_t fs_socket_send(int fd, const char *data, size_t size, int more);

#endif
