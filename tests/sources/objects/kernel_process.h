/* Microsoft-Windows-Kernel-Process {22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716}. Made by: tracerd etw header Microsoft-Windows-Kernel-Process --event ProcessStart --event ProcessStop
 * airbus-cert/etl-parser 1.0.1 structs (Apache-2.0): ids, versions, field names, order, sizes
 * nasbench/EVTX-ETW-Resources manifests (MIT): 21H1 Microsoft-Windows-Kernel-Process: names, keywords, types, pointers
 */
#ifndef TRACERD_ETW_KERNEL_PROCESS_H
#define TRACERD_ETW_KERNEL_PROCESS_H

#include "tracerd_etw.h"

#define KERNEL_PROCESS_GUID { 0xd6, 0x2c, 0xfb, 0x22, 0x7b, 0x0e, 0x2b, 0x42, 0xa0, 0xc7, 0x2f, 0xad, 0x1f, 0xd0, 0xe7, 0x16 }
#define KERNEL_PROCESS_KEYWORD_PROCESS 0x10ull
#define KERNEL_PROCESS_KEYWORD_THREAD 0x20ull
#define KERNEL_PROCESS_KEYWORD_IMAGE 0x40ull
#define KERNEL_PROCESS_KEYWORD_CPU_PRIORITY 0x80ull
#define KERNEL_PROCESS_KEYWORD_OTHER_PRIORITY 0x100ull
#define KERNEL_PROCESS_KEYWORD_PROCESS_FREEZE 0x200ull
#define KERNEL_PROCESS_KEYWORD_JOB 0x400ull
#define KERNEL_PROCESS_KEYWORD_ENABLE_PROCESS_TRACING_CALLBACKS 0x800ull
#define KERNEL_PROCESS_KEYWORD_JOB_IO 0x1000ull
#define KERNEL_PROCESS_KEYWORD_WORK_ON_BEHALF 0x2000ull
#define KERNEL_PROCESS_KEYWORD_JOB_SILO 0x4000ull

/* ProcessStart: event 1, versions 0, 1, 2, 3 */
#define KERNEL_PROCESS_START 1
#define KERNEL_PROCESS_START_PROCESSID 0xe9f1d017u	/* u32 */
#define KERNEL_PROCESS_START_CREATETIME 0x9d427a3cu	/* filetime */
#define KERNEL_PROCESS_START_PARENTPROCESSID 0xadff6a5fu	/* u32 */
#define KERNEL_PROCESS_START_SESSIONID 0xc139749au	/* u32 */
#define KERNEL_PROCESS_START_IMAGENAME 0x896b2341u	/* utf16z */
#define KERNEL_PROCESS_START_FLAGS 0xc222ebccu	/* x32 (1, 2, 3) */
#define KERNEL_PROCESS_START_IMAGECHECKSUM 0xd95ed665u	/* x32 (2, 3) */
#define KERNEL_PROCESS_START_TIMEDATESTAMP 0xf1930067u	/* x32 (2, 3) */
#define KERNEL_PROCESS_START_PACKAGEFULLNAME 0x9b985c85u	/* utf16z (2, 3) */
#define KERNEL_PROCESS_START_PACKAGERELATIVEAPPID 0xb9a044abu	/* utf16z (2, 3) */
#define KERNEL_PROCESS_START_PROCESSSEQUENCENUMBER 0xf17d4312u	/* u64 (3) */
#define KERNEL_PROCESS_START_PARENTPROCESSSEQUENCENUMBER 0xbd568d7au	/* u64 (3) */
#define KERNEL_PROCESS_START_PROCESSTOKENELEVATIONTYPE 0x85b64946u	/* u32 (3) */
#define KERNEL_PROCESS_START_PROCESSTOKENISELEVATED 0xcde41b7du	/* u32 (3) */
#define KERNEL_PROCESS_START_MANDATORYLABEL 0xddf75d46u	/* sid (3) */

struct kernel_process_start_v0 {
	u32 ProcessID;
	u64 CreateTime;
	u32 ParentProcessID;
	u32 SessionID;
} __attribute__((packed));	/* then ImageName:utf16z */
ETW_VIEW(kernel_process_start_v0, ctx->id == KERNEL_PROCESS_START && ctx->version == 0)

struct kernel_process_start_v1 {
	u32 ProcessID;
	u64 CreateTime;
	u32 ParentProcessID;
	u32 SessionID;
	u32 Flags;
} __attribute__((packed));	/* then ImageName:utf16z */
ETW_VIEW(kernel_process_start_v1, ctx->id == KERNEL_PROCESS_START && ctx->version == 1)

struct kernel_process_start_v2 {
	u32 ProcessID;
	u64 CreateTime;
	u32 ParentProcessID;
	u32 SessionID;
	u32 Flags;
} __attribute__((packed));	/* then ImageName:utf16z ImageChecksum:x32 TimeDateStamp:x32 PackageFullName:utf16z P… */
ETW_VIEW(kernel_process_start_v2, ctx->id == KERNEL_PROCESS_START && ctx->version == 2)

struct kernel_process_start_v3 {
	u32 ProcessID;
	u64 ProcessSequenceNumber;
	u64 CreateTime;
	u32 ParentProcessID;
	u64 ParentProcessSequenceNumber;
	u32 SessionID;
	u32 Flags;
	u32 ProcessTokenElevationType;
	u32 ProcessTokenIsElevated;
} __attribute__((packed));	/* then MandatoryLabel:sid ImageName:utf16z ImageChecksum:x32 TimeDateStamp:x32 Packa… */
ETW_VIEW(kernel_process_start_v3, ctx->id == KERNEL_PROCESS_START && ctx->version == 3)

/* ProcessStop: event 2, versions 0, 1, 2 */
#define KERNEL_PROCESS_STOP 2
#define KERNEL_PROCESS_STOP_PROCESSID 0xe9f1d017u	/* u32 */
#define KERNEL_PROCESS_STOP_CREATETIME 0x9d427a3cu	/* filetime */
#define KERNEL_PROCESS_STOP_EXITTIME 0xd115cfa4u	/* filetime */
#define KERNEL_PROCESS_STOP_EXITCODE 0xd14382b4u	/* x32 */
#define KERNEL_PROCESS_STOP_TOKENELEVATIONTYPE 0xae8c7c39u	/* u32 */
#define KERNEL_PROCESS_STOP_HANDLECOUNT 0xe2932e52u	/* u32 */
#define KERNEL_PROCESS_STOP_COMMITCHARGE 0x9d6dbd58u	/* u64 */
#define KERNEL_PROCESS_STOP_COMMITPEAK 0xbc043c67u	/* u64 */
#define KERNEL_PROCESS_STOP_IMAGENAME 0x896b2341u	/* ansiz */
#define KERNEL_PROCESS_STOP_CPUCYCLECOUNT 0xd95da20cu	/* u64 (1, 2) */
#define KERNEL_PROCESS_STOP_READOPERATIONCOUNT 0xb061c555u	/* u32 (1, 2) */
#define KERNEL_PROCESS_STOP_WRITEOPERATIONCOUNT 0xdf072134u	/* u32 (1, 2) */
#define KERNEL_PROCESS_STOP_READTRANSFERKILOBYTES 0xbcb6d482u	/* u32 (1, 2) */
#define KERNEL_PROCESS_STOP_WRITETRANSFERKILOBYTES 0xcf8a3041u	/* u32 (1, 2) */
#define KERNEL_PROCESS_STOP_HARDFAULTCOUNT 0x829103f7u	/* u32 (1, 2) */
#define KERNEL_PROCESS_STOP_PROCESSSEQUENCENUMBER 0xf17d4312u	/* u64 (2) */

struct kernel_process_stop_v0 {
	u32 ProcessID;
	u64 CreateTime;
	u64 ExitTime;
	u32 ExitCode;
	u32 TokenElevationType;
	u32 HandleCount;
	u64 CommitCharge;
	u64 CommitPeak;
} __attribute__((packed));	/* then ImageName:ansiz */
ETW_VIEW(kernel_process_stop_v0, ctx->id == KERNEL_PROCESS_STOP && ctx->version == 0)

struct kernel_process_stop_v1 {
	u32 ProcessID;
	u64 CreateTime;
	u64 ExitTime;
	u32 ExitCode;
	u32 TokenElevationType;
	u32 HandleCount;
	u64 CommitCharge;
	u64 CommitPeak;
	u64 CPUCycleCount;
	u32 ReadOperationCount;
	u32 WriteOperationCount;
	u32 ReadTransferKiloBytes;
	u32 WriteTransferKiloBytes;
	u32 HardFaultCount;
} __attribute__((packed));	/* then ImageName:ansiz */
ETW_VIEW(kernel_process_stop_v1, ctx->id == KERNEL_PROCESS_STOP && ctx->version == 1)

struct kernel_process_stop_v2 {
	u32 ProcessID;
	u64 ProcessSequenceNumber;
	u64 CreateTime;
	u64 ExitTime;
	u32 ExitCode;
	u32 TokenElevationType;
	u32 HandleCount;
	u64 CommitCharge;
	u64 CommitPeak;
	u64 CPUCycleCount;
	u32 ReadOperationCount;
	u32 WriteOperationCount;
	u32 ReadTransferKiloBytes;
	u32 WriteTransferKiloBytes;
	u32 HardFaultCount;
} __attribute__((packed));	/* then ImageName:ansiz */
ETW_VIEW(kernel_process_stop_v2, ctx->id == KERNEL_PROCESS_STOP && ctx->version == 2)

#endif
