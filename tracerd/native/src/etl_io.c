/* Positioned reads. Never a mapping: a recording that is cut off while we walk it must not end in SIGBUS. */
#include <errno.h>
#include <sys/types.h>
#include <sys/stat.h>

#ifdef _WIN32
#include <io.h>
#include <stdio.h>
#else
#include <unistd.h>
#endif

#include "etl_parts.h"

static int64_t read_some(int fd, void *to, uint32_t size, uint64_t offset)
{
#ifdef _WIN32
    if (_lseeki64(fd, (int64_t)offset, SEEK_SET) < 0)
        return -1;
    return _read(fd, to, size);
#else
    return pread(fd, to, size, (off_t)offset);
#endif
}

int64_t tr_etl_read(int fd, void *to, uint32_t size, uint64_t offset)
{
    uint32_t done = 0;

    while (done < size) {
        int64_t got = read_some(fd, (uint8_t *)to + done, size - done, offset + done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (uint32_t)got;
    }
    return done;
}

int64_t tr_etl_file_size(int fd)
{
#ifdef _WIN32
    return _filelengthi64(fd);
#else
    struct stat status;

    return fstat(fd, &status) ? -1 : (int64_t)status.st_size;
#endif
}
