// SPDX-License-Identifier: GPL-2.0
/* The figures, as JSON and as lines that begin with "# ". */
#include <err.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>

#include "figures.h"

static json_object *figures;

static void add(double value, const char *text, const char *key, va_list args)
{
	char name[96];

	if (vsnprintf(name, sizeof(name), key, args) >= (int)sizeof(name))
		errx(1, "too long a key: %s", name);
	if (!figures)
		figures = json_object_new_object();
	json_object_object_add(figures, name,
			       json_object_new_double_s(value, text));
	printf("# %-52s %14s\n", name, text);
}

void figure(int digits, double value, const char *key, ...)
{
	char text[64];
	va_list args;

	snprintf(text, sizeof(text), "%.*f", digits, value);
	va_start(args, key);
	add(value, text, key, args);
	va_end(args);
}

void figure_count(uint64_t value, const char *key, ...)
{
	char text[32];
	va_list args;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	va_start(args, key);
	add(value, text, key, args);
	va_end(args);
}

double figure_get(const char *key, ...)
{
	json_object *value;
	char name[96];
	va_list args;

	va_start(args, key);
	vsnprintf(name, sizeof(name), key, args);
	va_end(args);
	if (!json_object_object_get_ex(figures, name, &value))
		return 0;
	return json_object_get_double(value);
}

void remark(const char *text, ...)
{
	va_list args;

	printf("# -- ");
	va_start(args, text);
	vprintf(text, args);
	va_end(args);
	printf("\n");
}

void figures_print(void)
{
	printf("%s\n", json_object_to_json_string_ext(figures,
						      JSON_C_TO_STRING_SPACED));
}
