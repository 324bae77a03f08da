// SPDX-License-Identifier: GPL-2.0
/*
 * Output: one record for each command, as text to read or as a JSON object.
 *
 * The record is always built as JSON; text is a rendering of it.  How a
 * number is rendered is kept as the JSON value's user data.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmfork.h>

#include "cli.h"
#include "out.h"

#define MAX_DEPTH	6
#define MAX_COLUMNS	16

/*
 * json-c keeps no function pointer in user data, so they have a number.  That
 * of a list says how the list is printed.
 */
enum { RENDER_PLAIN, RENDER_BYTES, RENDER_NS, RENDER_TABLE };

static bool use_json;
static json_object *stack[MAX_DEPTH];
static int depth;

void out_use_json(void)
{
	use_json = true;
}

bool out_is_json(void)
{
	return use_json;
}

static json_object *current(void)
{
	if (!depth)
		stack[depth++] = json_object_new_object();
	return stack[depth - 1];
}

static void add(const char *name, json_object *value)
{
	json_object *parent = current();

	if (json_object_is_type(parent, json_type_array))
		json_object_array_add(parent, value);
	else
		json_object_object_add(parent, name, value);
}

static void open_value(const char *name, json_object *value)
{
	add(name, value);
	if (depth == MAX_DEPTH)
		abort();
	stack[depth++] = value;
}

void out_open(const char *name)
{
	open_value(name, json_object_new_object());
}

void out_open_list(const char *name)
{
	open_value(name, json_object_new_array());
}

void out_open_table(const char *name)
{
	json_object *list = json_object_new_array();

	json_object_set_userdata(list, (void *)(uintptr_t)RENDER_TABLE, NULL);
	open_value(name, list);
}

void out_close(void)
{
	depth--;
}

void out_string(const char *name, const char *value)
{
	add(name, json_object_new_string(value));
}

void out_bool(const char *name, bool value)
{
	add(name, json_object_new_boolean(value));
}

void out_number(const char *name, uint64_t value)
{
	add(name, json_object_new_uint64(value));
}

typedef void (*render_fn)(uint64_t value, char *text, size_t size);

static void render_bytes(uint64_t value, char *text, size_t size)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
					     "TiB" };
	unsigned int unit = 0;
	double scaled = value;

	while (scaled >= 1024 && unit < 4) {
		scaled /= 1024;
		unit++;
	}
	snprintf(text, size, "%.*f %s", (value % (1ULL << 10 * unit)) ? 1 : 0,
		 scaled, units[unit]);
}

static void render_nanoseconds(uint64_t value, char *text, size_t size)
{
	if (value < 1000000)
		snprintf(text, size, "%.1f us", value / 1e3);
	else if (value < 1000000000)
		snprintf(text, size, "%.3f ms", value / 1e6);
	else
		snprintf(text, size, "%.1f s", value / 1e9);
}

static const render_fn renderers[] = {
	[RENDER_BYTES] = render_bytes,
	[RENDER_NS] = render_nanoseconds,
};

static void add_rendered(const char *name, uint64_t value, uintptr_t how)
{
	json_object *number = json_object_new_uint64(value);

	json_object_set_userdata(number, (void *)how, NULL);
	add(name, number);
}

void out_bytes(const char *name, uint64_t value)
{
	add_rendered(name, value, RENDER_BYTES);
}

void out_nanoseconds(const char *name, uint64_t value)
{
	add_rendered(name, value, RENDER_NS);
}

void out_address(const char *name, uint64_t value)
{
	char text[2 + 16 + 1];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	out_string(name, text);
}

void out_none(const char *name)
{
	add(name, NULL);
}

/* What a value that is neither a group nor a list looks like */
static const char *value_text(json_object *value, char *text, size_t size)
{
	uintptr_t how;

	if (!value)
		return "-";
	how = (uintptr_t)json_object_get_userdata(value);
	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value) ? "yes" : "no";
	if (!json_object_is_type(value, json_type_int) || how == RENDER_PLAIN)
		return json_object_get_string(value);
	renderers[how](json_object_get_uint64(value), text, size);
	return text;
}

static void print_group(json_object *group, int indent);

static void print_value(const char *name, json_object *value, int indent)
{
	char text[64];

	if (json_object_is_type(value, json_type_object)) {
		printf("%*s%s:\n", indent, "", name);
		print_group(value, indent + 2);
		return;
	}
	printf("%*s%-*s %s\n", indent, "", 18 - indent, name,
	       value_text(value, text, sizeof(text)));
}

static void print_list(const char *name, json_object *list, int indent)
{
	size_t i, len = json_object_array_length(list);
	char numbered[64];

	for (i = 0; i < len; i++) {
		snprintf(numbered, sizeof(numbered), "%s %zu", name, i);
		print_value(numbered, json_object_array_get_idx(list, i),
			    indent);
	}
}

/* A column is as wide as the widest of what is in it. */
static void measure_row(json_object *row, int *width)
{
	int column = 0, len;
	char text[64];

	json_object_object_foreach(row, name, value) {
		if (column == MAX_COLUMNS)
			abort();
		len = strlen(value_text(value, text, sizeof(text)));
		if (width[column] < len)
			width[column] = len;
		len = strlen(name);
		if (width[column] < len)
			width[column] = len;
		column++;
	}
}

static void print_row(json_object *row, int indent, const int *width,
		      bool heading)
{
	int column = 0, spaces = indent, len;
	char text[64];

	json_object_object_foreach(row, name, value) {
		printf("%*s", spaces, "");
		len = printf("%s", heading ? name :
			     value_text(value, text, sizeof(text)));
		spaces = width[column++] + 2 - len;
	}
	putchar('\n');
}

static void print_table(const char *name, json_object *list, int indent)
{
	size_t i, len = json_object_array_length(list);
	int width[MAX_COLUMNS] = { 0 };

	if (!len)
		return;
	for (i = 0; i < len; i++)
		measure_row(json_object_array_get_idx(list, i), width);
	printf("%*s%s:\n", indent, "", name);
	print_row(json_object_array_get_idx(list, 0), indent + 2, width, true);
	for (i = 0; i < len; i++)
		print_row(json_object_array_get_idx(list, i), indent + 2,
			  width, false);
}

static void print_group(json_object *group, int indent)
{
	json_object_object_foreach(group, name, value) {
		if (value && json_object_get_userdata(value) ==
		    (void *)(uintptr_t)RENDER_TABLE)
			print_table(name, value, indent);
		else if (json_object_is_type(value, json_type_array))
			print_list(name, value, indent);
		else
			print_value(name, value, indent);
	}
}

static void print_json(json_object *record)
{
	puts(json_object_to_json_string_ext(record,
					    JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
}

int out_flush(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return DONE;
	fprintf(stderr, "vmfork: The result could not be printed: %s.\n",
		strerror(errno));
	return FAILED;
}

int out_finish(void)
{
	json_object *record = stack[0];

	depth = 0;
	stack[0] = NULL;
	if (use_json)
		print_json(record);
	else
		print_group(record, 0);
	json_object_put(record);
	return out_flush();
}

static void discard(void)
{
	if (depth)
		json_object_put(stack[0]);
	depth = 0;
}

/* Leave the error's group open for whoever knows more about it. */
static void open_error(int status, int error, const char *sentence)
{
	discard();
	out_open("error");
	out_string("message", sentence);
	out_number("status", status);
	if (error) {
		const char *name = strerrorname_np(error);

		out_string("errno", name ? name : "unknown");
	}
}

int failure(int status, int error, const char *format, ...)
{
	char sentence[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);

	if (!use_json) {
		fprintf(stderr, "vmfork: %s\n", sentence);
		return status;
	}
	open_error(status, error, sentence);
	out_finish();
	return status;
}

int failure_refused(int error, const struct refused *refused)
{
	const char *name = vmfork_refusal_name(refused->refusal);
	char count[64] = "";
	char sentence[1024];

	if (refused->pages_pinned)
		snprintf(count, sizeof(count), ", %llu pages",
			 (unsigned long long)refused->pages_pinned);
	snprintf(sentence, sizeof(sentence),
		 "Range %u (0x%llx, %llu bytes) is refused at 0x%llx (%s%s): %s",
		 refused->range, (unsigned long long)refused->start,
		 (unsigned long long)refused->len,
		 (unsigned long long)refused->addr, name, count,
		 vmfork_refusal_advice(refused->refusal));

	if (!use_json) {
		fprintf(stderr, "vmfork: %s\n", sentence);
		return REFUSED;
	}
	open_error(REFUSED, error, sentence);
	out_string("refusal", name);
	out_number("region", refused->range);
	out_address("address", refused->addr);
	out_number("pages_pinned", refused->pages_pinned);
	out_finish();
	return REFUSED;
}

int failure_memory(void)
{
	return failure(FAILED, ENOMEM, "Out of memory.");
}
