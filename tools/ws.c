// SPDX-License-Identifier: GPL-2.0
/*
 * A working set in a file: what a clone will ask for, and in which order.
 *
 * The file has reads and writes in two lists, each in order of first access.
 * A range is [offset, length], or [offset, length, position]: how many ranges
 * of both lists were accessed before it.  By these the lists become one again;
 * without them, what is written comes first.
 *
 * Such a file may come from anywhere.  What is checked here is what it says by
 * itself; whether it fits the memory of a process is for others to say.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ws.h"

#define PAGE	4096
#define VERSION	1
#define DEPTH	8	/* of objects and arrays in each other */

static int fail(struct ws_error *error, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct ws_error *error, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	error->error = err;
	return -err;
}

void ws_free(struct ws *ws)
{
	free(ws->ranges);
	memset(ws, 0, sizeof(*ws));
}

static int ws_append(struct ws *ws, const struct vmfork_ws_range *range)
{
	if (ws->nr == WS_MAX_RANGES)
		return -E2BIG;
	if (ws->nr == ws->room) {
		size_t room = ws->room ? 2 * ws->room : 64;
		struct vmfork_ws_range *grown;

		grown = reallocarray(ws->ranges, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		ws->ranges = grown;
		ws->room = room;
	}
	ws->ranges[ws->nr++] = *range;
	return 0;
}

int ws_add(struct ws *ws, uint64_t offset, uint64_t len, bool write)
{
	struct vmfork_ws_range range = {
		.offset = offset,
		.len = len,
		.write = write,
	};

	if (ws->nr) {
		struct vmfork_ws_range *last = &ws->ranges[ws->nr - 1];

		if (last->write == write && last->offset + last->len == offset) {
			last->len += len;
			return 0;
		}
	}
	return ws_append(ws, &range);
}

/* --- checks */

static int by_place(const void *a, const void *b)
{
	const struct vmfork_ws_range *x = a, *y = b;

	if (x->write != y->write)
		return x->write ? 1 : -1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return 0;
}

static int check_range(const struct ws *ws, const struct vmfork_ws_range *range,
		       const char *name, struct ws_error *error)
{
	unsigned long long offset = range->offset, len = range->len;

	if (offset % PAGE || len % PAGE || !len)
		return fail(error, EINVAL,
			    "%s has a range that is no pages: [%llu, %llu]",
			    name, offset, len);
	if (len > ws->snapshot_size || offset > ws->snapshot_size - len)
		return fail(error, EINVAL,
			    "%s has a range beyond its snapshot_size: [%llu, %llu]",
			    name, offset, len);
	return 0;
}

static int check_overlaps(const struct ws *ws, const char *name,
			  struct ws_error *error)
{
	struct vmfork_ws_range *sorted;
	size_t i;
	int err = 0;

	if (!ws->nr)
		return 0;
	sorted = malloc(ws->nr * sizeof(*sorted));
	if (!sorted)
		return fail(error, ENOMEM, "There is no memory for %s", name);
	memcpy(sorted, ws->ranges, ws->nr * sizeof(*sorted));
	qsort(sorted, ws->nr, sizeof(*sorted), by_place);
	for (i = 1; !err && i < ws->nr; i++) {
		const struct vmfork_ws_range *last = &sorted[i - 1];

		if (last->write == sorted[i].write &&
		    sorted[i].offset - last->offset < last->len)
			err = fail(error, EINVAL,
				   "%s has the page at %llu twice in its \"%s\"",
				   name, (unsigned long long)sorted[i].offset,
				   last->write ? "writes" : "reads");
	}
	free(sorted);
	return err;
}

int ws_check(const struct ws *ws, const char *name, struct ws_error *error)
{
	size_t i;
	int err;

	if (!ws->snapshot_size || ws->snapshot_size % PAGE ||
	    ws->snapshot_size > VMFORK_MAX_SIZE)
		return fail(error, EINVAL,
			    "%s has a snapshot_size that no snapshot has: %llu",
			    name, (unsigned long long)ws->snapshot_size);
	for (i = 0; i < ws->nr; i++) {
		err = check_range(ws, &ws->ranges[i], name, error);
		if (err)
			return err;
	}
	return check_overlaps(ws, name, error);
}

/* --- to text */

static json_object *list_of(const struct ws *ws, bool write)
{
	json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < ws->nr; i++) {
		const struct vmfork_ws_range *range = &ws->ranges[i];
		json_object *numbers;

		if (range->write != write)
			continue;
		numbers = json_object_new_array();
		json_object_array_add(numbers,
				      json_object_new_uint64(range->offset));
		json_object_array_add(numbers,
				      json_object_new_uint64(range->len));
		json_object_array_add(numbers, json_object_new_uint64(i));
		json_object_array_add(list, numbers);
	}
	return list;
}

static json_object *recorded_of(const struct ws *ws)
{
	json_object *recorded = json_object_new_object();
	char seconds[32];

	/* %.17g, which is json-c's own way, would show what doubles are. */
	snprintf(seconds, sizeof(seconds), "%.3f", ws->seconds);
	json_object_object_add(recorded, "snapshot",
			       json_object_new_uint64(ws->snapshot));
	json_object_object_add(recorded, "faults",
			       json_object_new_uint64(ws->faults));
	json_object_object_add(recorded, "dropped",
			       json_object_new_uint64(ws->dropped));
	json_object_object_add(recorded, "seconds",
			       json_object_new_double_s(ws->seconds, seconds));
	return recorded;
}

char *ws_text(const struct ws *ws)
{
	json_object *file = json_object_new_object();
	const char *text;
	char *copy = NULL;

	json_object_object_add(file, "version", json_object_new_int(VERSION));
	json_object_object_add(file, "page_size", json_object_new_int(PAGE));
	json_object_object_add(file, "snapshot_size",
			       json_object_new_uint64(ws->snapshot_size));
	json_object_object_add(file, "recorded", recorded_of(ws));
	json_object_object_add(file, "reads", list_of(ws, false));
	json_object_object_add(file, "writes", list_of(ws, true));
	text = json_object_to_json_string_ext(file, JSON_C_TO_STRING_PLAIN);
	if (text && asprintf(&copy, "%s\n", text) < 0)
		copy = NULL;
	json_object_put(file);
	return copy;
}

/* --- from text */

/* One of the two lists, as it is read */
struct list {
	const char *key;
	bool write;
	json_object *array;
	size_t nr, next;
	uint64_t position;		/* of its last range */
	struct vmfork_ws_range range;	/* its next one */
};

/* Return: whether it is a number without sign and fraction. */
static bool get_number(json_object *object, uint64_t *number)
{
	int64_t value;

	if (!json_object_is_type(object, json_type_int))
		return false;
	value = json_object_get_int64(object);
	*number = value;
	return value >= 0;
}

static int need_number(json_object *file, const char *key, uint64_t *number,
		       const char *name, struct ws_error *error)
{
	if (!get_number(json_object_object_get(file, key), number))
		return fail(error, EINVAL,
			    "%s is no working set: its \"%s\" is not there, or no number",
			    name, key);
	return 0;
}

/* The range at list->next, if there is one */
static int list_peek(struct list *list, const char *name,
		     struct ws_error *error)
{
	json_object *numbers;
	uint64_t position = list->position;
	size_t len = 0;

	if (list->next == list->nr)
		return 0;
	numbers = json_object_array_get_idx(list->array, list->next);
	if (json_object_is_type(numbers, json_type_array))
		len = json_object_array_length(numbers);
	if (len < 2 || len > 3 ||
	    !get_number(json_object_array_get_idx(numbers, 0),
			&list->range.offset) ||
	    !get_number(json_object_array_get_idx(numbers, 1),
			&list->range.len) ||
	    (len == 3 && !get_number(json_object_array_get_idx(numbers, 2),
				     &position)))
		return fail(error, EINVAL,
			    "%s has no [offset, length] as number %zu of its \"%s\"",
			    name, list->next, list->key);
	if (position < list->position)
		return fail(error, EINVAL,
			    "%s has number %zu of its \"%s\" after one that follows it",
			    name, list->next, list->key);
	list->position = position;
	list->range.write = list->write;
	return 0;
}

static int list_open(struct list *list, json_object *file, const char *name,
		     struct ws_error *error)
{
	list->array = json_object_object_get(file, list->key);
	if (!json_object_is_type(list->array, json_type_array))
		return fail(error, EINVAL,
			    "%s is no working set: its \"%s\" are not there, or no list",
			    name, list->key);
	list->nr = json_object_array_length(list->array);
	return list_peek(list, name, error);
}

/* The list whose next range was accessed first */
static struct list *earlier(struct list *reads, struct list *writes)
{
	if (writes->next == writes->nr)
		return reads;
	if (reads->next == reads->nr)
		return writes;
	return reads->position < writes->position ? reads : writes;
}

static int get_ranges(struct ws *ws, json_object *file, const char *name,
		      struct ws_error *error)
{
	struct list reads = { .key = "reads" };
	struct list writes = { .key = "writes", .write = true };
	int err = list_open(&reads, file, name, error) ?:
		  list_open(&writes, file, name, error);

	while (!err && (reads.next < reads.nr || writes.next < writes.nr)) {
		struct list *list = earlier(&reads, &writes);

		err = ws_append(ws, &list->range);
		if (err)
			return fail(error, -err, "%s has too many ranges",
				    name);
		list->next++;
		err = list_peek(list, name, error);
	}
	return err;
}

/* What is for people: not there is as good as 0. */
static void get_recorded(struct ws *ws, json_object *recorded)
{
	if (!json_object_is_type(recorded, json_type_object))
		return;
	get_number(json_object_object_get(recorded, "snapshot"), &ws->snapshot);
	get_number(json_object_object_get(recorded, "faults"), &ws->faults);
	get_number(json_object_object_get(recorded, "dropped"), &ws->dropped);
	ws->seconds = json_object_get_double(json_object_object_get(recorded,
								    "seconds"));
}

static int get_file(struct ws *ws, json_object *file, const char *name,
		    struct ws_error *error)
{
	uint64_t version = 0, page_size = 0;
	int err;

	if (!json_object_is_type(file, json_type_object))
		return fail(error, EINVAL, "%s is no working set", name);
	err = need_number(file, "version", &version, name, error);
	if (err)
		return err;
	if (version != VERSION)
		return fail(error, EINVAL,
			    "%s has version %llu, this program knows version %d",
			    name, (unsigned long long)version, VERSION);
	err = need_number(file, "page_size", &page_size, name, error) ?:
	      need_number(file, "snapshot_size", &ws->snapshot_size, name,
			  error);
	if (err)
		return err;
	if (page_size != PAGE)
		return fail(error, EINVAL,
			    "%s has pages of %llu bytes, this machine of %d",
			    name, (unsigned long long)page_size, PAGE);
	get_recorded(ws, json_object_object_get(file, "recorded"));
	return get_ranges(ws, file, name, error) ?: ws_check(ws, name, error);
}

/* Return: the file's object, to be put; NULL if @error says why there is none */
static json_object *parse_json(struct json_tokener *tokener, const char *text,
			       size_t len, const char *name,
			       struct ws_error *error)
{
	enum json_tokener_error why;
	json_object *file;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	file = json_tokener_parse_ex(tokener, text, (int)len);
	why = json_tokener_get_error(tokener);
	if (why != json_tokener_success) {
		fail(error, EINVAL, "%s is not JSON: %s", name,
		     why == json_tokener_continue ?
		     "it ends early" : json_tokener_error_desc(why));
	} else if (json_tokener_get_parse_end(tokener) != len) {
		/* For json-c a byte of 0 ends the text. */
		fail(error, EINVAL, "%s is not JSON: something follows it",
		     name);
	} else {
		return file;
	}
	json_object_put(file);
	return NULL;
}

int ws_parse(struct ws *ws, const char *text, size_t len, const char *name,
	     struct ws_error *error)
{
	struct json_tokener *tokener;
	json_object *file;
	int err;

	memset(ws, 0, sizeof(*ws));
	if (len > WS_MAX_FILE)
		return fail(error, EFBIG, "%s is too large for a working set",
			    name);
	tokener = json_tokener_new_ex(DEPTH);
	if (!tokener)
		return fail(error, ENOMEM, "There is no memory for %s", name);
	file = parse_json(tokener, text, len, name, error);
	json_tokener_free(tokener);
	if (!file)
		return -error->error;
	err = get_file(ws, file, name, error);
	json_object_put(file);
	if (err)
		ws_free(ws);
	return err;
}

/* Return: what was read, or -errno; one byte more than WS_MAX_FILE at most */
static ssize_t read_all(int fd, char **text)
{
	size_t len = 0, room = 0;

	*text = NULL;
	for (;;) {
		ssize_t n;

		if (len == room) {
			char *grown;

			room = room ? 2 * room : 65536;
			grown = realloc(*text, room);
			if (!grown)
				return -ENOMEM;
			*text = grown;
		}
		n = read(fd, *text + len, room - len);
		if (n < 0)
			return -errno;
		len += n;
		if (!n || len > WS_MAX_FILE)
			return len;
	}
}

int ws_read(struct ws *ws, const char *path, struct ws_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	ssize_t len;
	int err;

	memset(ws, 0, sizeof(*ws));
	if (fd < 0)
		return fail(error, errno, "%s can not be opened: %s", path,
			    strerror(errno));
	len = read_all(fd, &text);
	close(fd);
	if (len < 0)
		err = fail(error, -len, "%s can not be read: %s", path,
			   strerror(-len));
	else
		err = ws_parse(ws, text, len, path, error);
	free(text);
	return err;
}
