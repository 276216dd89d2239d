/* What helpers answer. Linux's numbers: programs compare r0 with them on every OS. */
#ifndef TR_ERROR_NUMBERS_H
#define TR_ERROR_NUMBERS_H

#define TR_EPERM 1
#define TR_ENOENT 2
#define TR_E2BIG 7
#define TR_EAGAIN 11
#define TR_EFAULT 14
#define TR_EEXIST 17
#define TR_EINVAL 22
#define TR_ERANGE 34
#define TR_ENOMSG 42
#define TR_ENODATA 61
#define TR_EOPNOTSUPP 95

#endif
