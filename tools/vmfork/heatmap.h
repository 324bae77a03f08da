/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which ranges of a snapshot are read, written and shared, and a picture of
 * it: in lines of text, or as SVG.
 *
 * The ranges are as fine as they are counted.  A cell of a picture is one or
 * more of them, as many as it takes for the picture to have its size.
 */
#ifndef VMFORK_HEATMAP_H
#define VMFORK_HEATMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/**
 * struct heat_range - a range of the snapshot, or several, summed up
 * @pages: of it, in all mappings; or in the snapshot if it is not mapped
 * @shared: of these, the snapshot's own pages that are mapped
 * @private: of these, private pages: they were written to
 * @reads: faults of reads, since we look
 * @writes: faults of writes, since we look
 * @breaks: writes that broke the sharing of a mapped page, since we look
 * @recent: how many of these three since the last picture
 */
struct heat_range {
	uint64_t pages;
	uint64_t shared;
	uint64_t private;
	uint64_t reads;
	uint64_t writes;
	uint64_t breaks;
	uint64_t recent;
};

/**
 * struct heat_map - all of them
 * @title: what it is of
 * @size: of the snapshot in bytes
 * @shift: a range has 1 << @shift bytes
 * @nr: of ranges, which cover @size
 * @ranges: in order
 */
struct heat_map {
	const char *title;
	uint64_t size;
	unsigned int shift;
	size_t nr;
	struct heat_range *ranges;
};

/**
 * enum heat_kind - what was done with a range
 * @HEAT_UNMAPPED: it belongs to no mapping
 * @HEAT_UNTOUCHED: nothing
 * @HEAT_READ: it was read, and is still shared
 * @HEAT_WRITTEN: some of it was written to
 */
enum heat_kind { HEAT_UNMAPPED, HEAT_UNTOUCHED, HEAT_READ, HEAT_WRITTEN };

/** heat_kind() - of a range */
enum heat_kind heat_kind(const struct heat_range *range);

/** heat_quarters() - how much of a range that is of its pages, 1 to 4 */
unsigned int heat_quarters(const struct heat_range *range);

/** heat_shift() - the finest @shift that needs at most @most ranges */
unsigned int heat_shift(uint64_t size, size_t most);

/** heat_sum() - @nr ranges from @first on, as far as there are any */
struct heat_range heat_sum(const struct heat_map *map, size_t first,
			   size_t nr);

/**
 * struct heat_view - a terminal
 * @columns: its width
 * @lines: its height
 * @colours: it has them
 * @blocks: it has UTF-8
 * @in_place: it goes back to its first line, over what it shows already
 */
struct heat_view {
	unsigned int columns;
	unsigned int lines;
	bool colours;
	bool blocks;
	bool in_place;
};

/** heat_print() - the picture as lines of text */
void heat_print(FILE *to, const struct heat_map *map,
		const struct heat_view *view);

/** heat_svg() - the picture as an SVG document */
void heat_svg(FILE *to, const struct heat_map *map);

#endif /* VMFORK_HEATMAP_H */
