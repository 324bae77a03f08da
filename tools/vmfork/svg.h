/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text in an SVG document.
 */
#ifndef VMFORK_SVG_H
#define VMFORK_SVG_H

#include <stdio.h>

/**
 * svg_put_text() - write text, as characters of XML
 * @to: where to
 * @text: any bytes; what is not ASCII, or a control character, is a question
 *	mark: it may be no UTF-8, which would be no XML
 */
static inline void svg_put_text(FILE *to, const char *text)
{
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '&')
			fputs("&amp;", to);
		else if (c == '<')
			fputs("&lt;", to);
		else if (c == '>')
			fputs("&gt;", to);
		else if (c == '"')
			fputs("&quot;", to);
		else
			fputc(c < 0x20 || c >= 0x7f ? '?' : c, to);
	}
}

#endif
