// SPDX-License-Identifier: GPL-2.0
/*
 * A UART between a hostile guest and a host, saved and restored on the way.
 */
#include "forkvm.h"
#include "fuzz.h"

static unsigned int written;
static int level;

void vm_irq(struct vm *vm, unsigned int gsi, int new_level)
{
	(void)vm;
	must(gsi == 4);
	must(new_level == 0 || new_level == 1);
	level = new_level;
}

static void out(struct vm *vm, uint8_t byte)
{
	(void)vm;
	(void)byte;
	written++;
}

static void save_and_restore(struct serial *s, struct input *in)
{
	struct blob b = { 0 };
	struct serial copy;
	size_t cut;

	must(!serial_save(s, &b));
	serial_init(&copy, s->vm, s->port, s->irq, out);
	/* All of it, or what is left of it in a file that was cut short */
	cut = take_byte(in) % 4;
	b.len -= cut < b.len ? cut : 0;
	if (!serial_restore(&copy, &b)) {
		must(!cut);
		must(copy.in_len == s->in_len - s->in_pos);
		must(!memcmp(&copy.regs, &s->regs, sizeof(s->regs)));
	} else {
		must(cut);
	}
	free(copy.in);
	blob_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct serial s;
	uint8_t bytes[8], op;

	level = 0;
	serial_init(&s, NULL, 0x3f8, 4, out);
	while (in.size) {
		op = take_byte(&in);
		switch (op >> 3 & 3) {
		case 0:
			serial_read(&s, op & 7);
			break;
		case 1:
			serial_write(&s, op & 7, take_byte(&in));
			break;
		case 2:
			take(&in, bytes, op & 7);
			must(!serial_input(&s, bytes, op & 7));
			break;
		default:
			save_and_restore(&s, &in);
		}
		must(s.in_pos <= s.in_len);
	}
	free(s.in);
	return 0;
}
