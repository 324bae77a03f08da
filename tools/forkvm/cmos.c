// SPDX-License-Identifier: GPL-2.0
/*
 * CMOS: a clock chip that shows the host's time and can not be set.
 *
 * Linux waits for seconds where registers A, B and D do not look sane.
 */
#include <time.h>

#include "forkvm.h"

static uint8_t bcd(unsigned int value)
{
	return value / 10 << 4 | value % 10;
}

/** cmos_read() - the register that port 0x70 has chosen */
uint8_t cmos_read(uint8_t index)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	switch (index & 0x7f) {
	case 0x00: return bcd(tm.tm_sec);
	case 0x02: return bcd(tm.tm_min);
	case 0x04: return bcd(tm.tm_hour);
	case 0x06: return bcd(tm.tm_wday + 1);
	case 0x07: return bcd(tm.tm_mday);
	case 0x08: return bcd(tm.tm_mon + 1);
	case 0x09: return bcd(tm.tm_year % 100);
	case 0x32: return bcd(19 + tm.tm_year / 100);
	case 0x0a: return 0x26;		/* 32,768 Hz, no update going on */
	case 0x0b: return 0x02;		/* BCD, 24 hours */
	case 0x0d: return 0x80;		/* the battery is good */
	default: return 0;
	}
}
