// SPDX-License-Identifier: GPL-2.0
/*
 * The value of one option of QEMU's.
 *
 * A comma that belongs to a value is written twice.  A property of a property
 * is written with a dot: "file.filename".
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "qemuopts.h"
#include "qmp.h"

/* Up to a lone comma, with double ones made single; where the next begins */
static const char *take_item(const char *text, char *item)
{
	while (*text) {
		if (*text == ',' && *++text != ',')
			break;
		*item++ = *text++;
	}
	*item = '\0';
	return text;
}

static bool add(struct opts *opts, const char *key, const char *value,
		bool bare)
{
	struct opt *grown = grow(opts->items, opts->nr, sizeof(*grown));
	struct opt opt = { .key = strdup(key), .bare = bare };

	if (value)
		opt.value = strdup(value);
	if (grown)
		opts->items = grown;
	if (!grown || !opt.key || (value && !opt.value)) {
		free(opt.key);
		free(opt.value);
		return false;
	}
	opts->items[opts->nr++] = opt;
	return true;
}

static bool add_item(struct opts *opts, char *item, const char *first)
{
	char *value = strchr(item, '=');

	if (!value && !opts->nr && first)
		return add(opts, first, item, true);
	if (value)
		*value++ = '\0';
	return add(opts, item, value, false);
}

bool opts_parse(struct opts *opts, const char *text, const char *first)
{
	bool good = true;
	char *item;

	*opts = (struct opts){ 0 };
	if (*text == '{') {
		opts->json = json_parse(text);
		return json_object_is_type(opts->json, json_type_object);
	}
	item = malloc(strlen(text) + 1);
	if (!item)
		return false;
	while (good && *text) {
		text = take_item(text, item);
		good = add_item(opts, item, first);
	}
	free(item);
	return good;
}

void opts_free(struct opts *opts)
{
	size_t i;

	for (i = 0; i < opts->nr; i++) {
		free(opts->items[i].key);
		free(opts->items[i].value);
	}
	free(opts->items);
	json_object_put(opts->json);
	*opts = (struct opts){ 0 };
}

const char *opts_get(const struct opts *opts, const char *key)
{
	struct json_object *value = json_at(opts->json, key);
	size_t i;

	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value) ? "on" : "off";
	if (value)
		return json_object_get_string(value);
	for (i = opts->nr; i > 0; i--) {
		const struct opt *opt = &opts->items[i - 1];

		if (!strcmp(opt->key, key))
			return opt->value ? opt->value : "";
	}
	return NULL;
}

bool opts_is_on(const struct opts *opts, const char *key)
{
	const char *value = opts_get(opts, key);

	return value && (!*value || !strcmp(value, "on") ||
			 !strcmp(value, "yes") || !strcmp(value, "true") ||
			 !strcmp(value, "y"));
}

static bool set_json(struct opts *opts, const char *key, const char *value)
{
	struct json_object *new, *old = json_at(opts->json, key);

	if (json_object_is_type(old, json_type_int))
		new = json_object_new_int64(atoll(value));
	else
		new = json_object_new_string(value);
	return new && !json_object_object_add(opts->json, key, new);
}

bool opts_set(struct opts *opts, const char *key, const char *value)
{
	size_t i;

	if (opts->json)
		return set_json(opts, key, value);
	for (i = opts->nr; i > 0; i--) {
		struct opt *opt = &opts->items[i - 1];
		char *copy;

		if (strcmp(opt->key, key))
			continue;
		copy = strdup(value);
		if (!copy)
			return false;
		free(opt->value);
		opt->value = copy;
		/* Without its name, this would be read as another one's. */
		if (strchr(value, '='))
			opt->bare = false;
		return true;
	}
	return add(opts, key, value, false);
}

bool opts_add(struct opts *opts, const char *key, const char *value)
{
	return add(opts, key, value, false);
}

static bool is_below(const char *key, const char *name)
{
	const size_t len = strlen(name);

	return !strncmp(key, name, len) && (!key[len] || key[len] == '.');
}

void opts_drop(struct opts *opts, const char *key)
{
	size_t i, nr = 0;

	if (opts->json)
		json_object_object_del(opts->json, key);
	for (i = 0; i < opts->nr; i++) {
		struct opt *opt = &opts->items[i];

		if (is_below(opt->key, key)) {
			free(opt->key);
			free(opt->value);
		} else {
			opts->items[nr++] = *opt;
		}
	}
	/* grow() goes by the number: an array with more room is as good. */
	opts->nr = nr;
}

static void print_escaped(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == ',')
			fputc(',', to);
		fputc(*text, to);
	}
}

char *opts_text(const struct opts *opts)
{
	char *text = NULL;
	size_t len, i;
	FILE *to;

	if (opts->json)
		return strdup(json_object_to_json_string_ext(opts->json,
				JSON_C_TO_STRING_PLAIN |
				JSON_C_TO_STRING_NOSLASHESCAPE));
	to = open_memstream(&text, &len);
	if (!to)
		return NULL;
	for (i = 0; i < opts->nr; i++) {
		const struct opt *opt = &opts->items[i];

		if (i)
			fputc(',', to);
		if (!opt->bare)
			print_escaped(to, opt->key);
		if (opt->value && !opt->bare)
			fputc('=', to);
		if (opt->value)
			print_escaped(to, opt->value);
	}
	if (fclose(to)) {
		free(text);
		return NULL;
	}
	return text;
}
