/* What the C library does with memory that is free again.
 *
 * It changes the process's heap, not what any call returns; it allocates nothing and
 * never calls into Python. */
#ifndef FASTSERVE_HEAP_KEEP_H
#define FASTSERVE_HEAP_KEEP_H

/* Asks the C library to keep up to 16 MiB of free memory at the heap's top, and to
 * take blocks of up to 1 MiB from the heap. glibc gives both back to the kernel much
 * earlier, so that each read of a large body is paid for in page faults. Returns 1 if
 * it was done, 0 where the C library has no such setting. */
int fs_heap_keep(void);

#endif
