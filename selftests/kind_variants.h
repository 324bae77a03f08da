/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One variant of a fixture for each kind of memory, as in mm/cow.c; and for
 * each kind of capture (enum capture_kind) of some.
 */
#ifndef SELFTESTS_KIND_VARIANTS_H
#define SELFTESTS_KIND_VARIANTS_H

#include "lib.h"
#include "pages.h"

#define KIND_VARIANT(fixture, name, which) \
	FIXTURE_VARIANT_ADD(fixture, name) { .kind = which }

#define KIND_VARIANTS(fixture)						\
	FIXTURE_VARIANT(fixture) { enum kind kind; };			\
	EACH_KIND(fixture)

#define EACH_KIND(fixture)						\
	KIND_VARIANT(fixture, base, KIND_BASE);				\
	KIND_VARIANT(fixture, thp, KIND_THP);				\
	KIND_VARIANT(fixture, thp_part, KIND_THP_PART);			\
	KIND_VARIANT(fixture, thp_edge, KIND_THP_EDGE);			\
	KIND_VARIANT(fixture, thp_shift, KIND_THP_SHIFT);		\
	KIND_VARIANT(fixture, mixed, KIND_MIXED);			\
	KIND_VARIANT(fixture, swap, KIND_SWAP);				\
	KIND_VARIANT(fixture, swap_thp, KIND_SWAP_THP);			\
	KIND_VARIANT(fixture, swap_cache, KIND_SWAP_CACHE);		\
	KIND_VARIANT(fixture, ksm, KIND_KSM);				\
	KIND_VARIANT(fixture, forked, KIND_FORKED);			\
	KIND_VARIANT(fixture, forked_thp, KIND_FORKED_THP);		\
	KIND_VARIANT(fixture, fork_gone, KIND_FORK_GONE);		\
	KIND_VARIANT(fixture, free, KIND_FREE);				\
	KIND_VARIANT(fixture, zero, KIND_ZERO);				\
	KIND_VARIANT(fixture, hole, KIND_HOLE);				\
	KIND_VARIANT(fixture, file, KIND_FILE)

#define CAPTURE_VARIANT(fixture, name, which)				\
	FIXTURE_VARIANT_ADD(fixture, name##_in_place) {			\
		.kind = which, .how = CAPTURE_IN_PLACE,			\
	};								\
	FIXTURE_VARIANT_ADD(fixture, name##_prearmed) {			\
		.kind = which, .how = CAPTURE_PREARMED,			\
	}

#define KIND_AND_CAPTURE_VARIANTS(fixture)				\
	FIXTURE_VARIANT(fixture) {					\
		enum kind kind;						\
		enum capture_kind how;					\
	};								\
	EACH_KIND(fixture);						\
	CAPTURE_VARIANT(fixture, base, KIND_BASE);			\
	CAPTURE_VARIANT(fixture, thp, KIND_THP);			\
	CAPTURE_VARIANT(fixture, thp_edge, KIND_THP_EDGE);		\
	CAPTURE_VARIANT(fixture, mixed, KIND_MIXED);			\
	CAPTURE_VARIANT(fixture, swap, KIND_SWAP);			\
	CAPTURE_VARIANT(fixture, forked_thp, KIND_FORKED_THP);		\
	CAPTURE_VARIANT(fixture, hole, KIND_HOLE);			\
	CAPTURE_VARIANT(fixture, file, KIND_FILE)

#endif
