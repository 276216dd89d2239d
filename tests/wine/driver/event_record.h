/* EVENT_RECORD: Windows' own, from its header, where that is there; else one with the same members. */
#ifndef EVENT_RECORD_H
#define EVENT_RECORD_H

#ifdef _WIN32

#include <windows.h>
#include <evntrace.h>
#include <evntcons.h>

#else

#include <stdint.h>

#define WINAPI
#define EVENT_HEADER_FLAG_TRACE_MESSAGE 0x0008
#define EVENT_HEADER_FLAG_32_BIT_HEADER 0x0020
#define EVENT_HEADER_FLAG_64_BIT_HEADER 0x0040
#define EVENT_HEADER_FLAG_CLASSIC_HEADER 0x0100
#define EVENT_HEADER_FLAG_PROCESSOR_INDEX 0x0200

typedef struct {
    uint16_t Reserved1, ExtType, Linkage, DataSize;
    uint64_t DataPtr;
} EVENT_HEADER_EXTENDED_DATA_ITEM;

typedef struct {
    uint16_t Id;
    uint8_t Version, Channel, Level, Opcode;
    uint16_t Task;
    uint64_t Keyword;
} EVENT_DESCRIPTOR;

typedef struct {
    struct {
        uint16_t Size, HeaderType, Flags, EventProperty;
        uint32_t ThreadId, ProcessId;
        struct { int64_t QuadPart; } TimeStamp;
        uint8_t ProviderId[16];
        EVENT_DESCRIPTOR EventDescriptor;
        uint64_t ProcessorTime;
        uint8_t ActivityId[16];
    } EventHeader;
    struct { uint16_t ProcessorIndex, LoggerId; } BufferContext;
    uint16_t ExtendedDataCount, UserDataLength;
    EVENT_HEADER_EXTENDED_DATA_ITEM *ExtendedData;
    void *UserData, *UserContext;
} EVENT_RECORD;

#endif

typedef void (WINAPI *event_record_callback)(EVENT_RECORD *record);

#endif
