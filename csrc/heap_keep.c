/* What the C library does with free memory; the contract is in heap_keep.h. */

#include "heap_keep.h"

#include <stdlib.h> /* says whether this is glibc */
#ifdef __GLIBC__
#include <malloc.h>
#endif

int fs_heap_keep(void)
{
#ifdef __GLIBC__
    return mallopt(M_TRIM_THRESHOLD, 16 << 20) && mallopt(M_MMAP_THRESHOLD, 1 << 20);
#else
    return 0;
#endif
}
