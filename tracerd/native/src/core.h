/* The border headers are bare (cffi reads them too); the C files of the machine take them from here, once. */
#ifndef TR_CORE_H
#define TR_CORE_H

#include <stddef.h>
#include <stdint.h>

#include "run.h"
#include "maps.h"
#include "map_files.h"
#include "interpreter.h"

#endif
