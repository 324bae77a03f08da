// SPDX-License-Identifier: GPL-2.0
/*
 * The table of calls.  Corpus and regressions name them: do not rename, and
 * let the meaning of arguments be.
 */
#include "calls.h"
#include "prog.h"
#include "world.h"

#define PAGE_	{ ARG_PAGE, 0 }
#define PAGES	{ ARG_PAGES, 0 }
#define ADDR	{ ARG_ADDR, 0 }
#define LEN	{ ARG_LEN, 0 }
#define ENUM(n)	{ ARG_ENUM, n }
#define BITS(n)	{ ARG_BITS, n }
#define FD	{ ARG_FD, 0 }
#define PROC	{ ARG_PROC, 0 }
#define STAMP	{ ARG_STAMP, 0 }
#define COUNT	{ ARG_COUNT, 0 }
#define ANY	{ ARG_ANY, 0 }

const struct call_type call_types[] = {
	{ "map", call_map, 12,
	  { PAGE_, PAGES, ENUM(NR_MAP_KINDS), ENUM(8) } },
	{ "write", call_write, 14, { PAGE_, PAGES, STAMP, ENUM(64) } },
	{ "memwrite", call_memwrite, 2, { PAGE_, STAMP } },
	{ "unmap", call_unmap, 4, { PAGE_, PAGES } },
	{ "protect", call_protect, 5, { PAGE_, PAGES, ENUM(8), ENUM(4) } },
	{ "move", call_move, 5, { PAGE_, PAGE_, PAGES, ENUM(4), PAGES } },
	{ "advise", call_advise, 12, { PAGE_, PAGES, ENUM(NR_ADVICES) } },
	{ "memory", call_memory, 10,
	  { PAGE_, PAGES, ENUM(NR_MEMORY_OPS), ANY } },
	{ "check", call_check, 2, { { ARG_NONE, 0 } } },
	{ "uffd", call_uffd, 2, { FD, PAGE_, PAGES, ENUM(7) } },
	{ "uffdop", call_uffd_op, 2, { FD, PAGE_, PAGES, ENUM(64) } },
	{ "region", call_region, 12,
	  { ENUM(4), ADDR, LEN, LEN, ENUM(3) } },
	{ "flip", call_flip, 3, { ENUM(60), ANY } },
	{ "capture", call_capture, 20,
	  { ENUM(20), ENUM(5), ENUM(128), LEN, FD, PAGE_ } },
	{ "prearm", call_prearm, 8,
	  { ENUM(20), ENUM(5), ENUM(128), LEN, ENUM(2000000), PAGE_ } },
	{ "reset", call_reset, 12,
	  { FD, ENUM(20), ADDR, LEN, ENUM(128), ENUM(8) } },
	{ "diff", call_diff, 8,
	  { FD, FD, ENUM(4), ENUM(80), LEN, ENUM(128) } },
	{ "prefault", call_prefault, 6,
	  { FD, ENUM(20), ADDR, LEN, ENUM(4), ENUM(128) } },
	{ "import", call_import, 6,
	  { FD, FD, LEN, LEN, ENUM(8), PAGE_ } },
	{ "info", call_info, 3, { FD, ENUM(8), PAGE_ } },
	{ "ioctl", call_ioctl, 3, { FD, ANY, ENUM(30) } },
	{ "open", call_open, 5, { FD, ENUM(8), ANY, ANY } },
	{ "close", call_close, 4, { FD } },
	{ "dup", call_dup, 3, { FD, FD, ENUM(3) } },
	{ "attach", call_attach, 14,
	  { FD, PAGE_, PAGES, LEN, ENUM(8), BITS(2048) } },
	{ "readinto", call_read_into, 4, { FD, PAGE_, PAGES, LEN, ENUM(64) } },
	{ "file", call_file, 18, { FD, ENUM(NR_FILE_OPS), LEN, ANY } },
	{ "fork", call_fork, 8, { PROC, ENUM(8), COUNT } },
	{ "thread", call_thread, 3, { COUNT, ENUM(32) } },
	{ "kill", call_kill, 3, { PROC, ENUM(8) } },
	{ "timer", call_timer, 3, { ANY, ANY } },
	{ "ptrace", call_ptrace, 2, { PROC, PAGE_, PAGES, ENUM(2) } },
	{ "peer", call_peer_memory, 3, { PROC, PAGE_, PAGES, ENUM(6), PAGE_ } },
	{ "cred", call_cred, 1, { ENUM(5) } },
	{ "limit", call_limit, 2, { ENUM(6), ENUM(2048) } },
	{ "setting", call_setting, 1, { ENUM(NR_SETTINGS) } },
	{ "into", call_into, 6,
	  { ENUM(20), ENUM(5), ENUM(128), LEN, FD, PAGE_ } },
	{ "name", call_name, 8, { FD, FD, ANY } },
	{ "sleep", call_sleep, 1, { ENUM(5000) } },
	{ "netlink", call_netlink, 5,
	  { ENUM(64), ANY, ANY, ENUM(256), ENUM(64) } },
};

const unsigned int nr_call_types = sizeof(call_types) / sizeof(call_types[0]);
