// SPDX-License-Identifier: GPL-2.0
/*
 * Serial: an 8250 whose transmitter is always ready.
 */
#include <stdlib.h>
#include <string.h>
#include <linux/serial_reg.h>

#include "forkvm.h"

#define FIFO_ENABLED	0xc0		/* in IIR: this is a 16550A */
#define IIR_ID		0x0e		/* without "none pending" */

void serial_init(struct serial *s, struct vm *vm, uint16_t port,
		 unsigned int irq, void (*out)(struct vm *vm, uint8_t byte))
{
	memset(s, 0, sizeof(*s));
	s->vm = vm;
	s->port = port;
	s->irq = irq;
	s->out = out;
	s->level = -1;
	pthread_mutex_init(&s->lock, NULL);
}

static uint8_t iir(const struct serial *s)
{
	uint8_t fifo = (s->regs.fcr & UART_FCR_ENABLE_FIFO) ?
		       FIFO_ENABLED : 0;

	if ((s->regs.ier & UART_IER_RDI) && s->in_pos < s->in_len)
		return fifo | UART_IIR_RDI;
	if ((s->regs.ier & UART_IER_THRI) && s->regs.thre_pending)
		return fifo | UART_IIR_THRI;
	return fifo | UART_IIR_NO_INT;
}

static void set_level(struct serial *s, int level)
{
	if (level == s->level)
		return;
	s->level = level;
	vm_irq(s->vm, s->irq, level);
}

static void update(struct serial *s)
{
	set_level(s, !(iir(s) & UART_IIR_NO_INT));
}

/* The line is edge-triggered: news while it is up need a new edge */
static void transmitter_news(struct serial *s)
{
	s->regs.thre_pending = 0;
	update(s);
	s->regs.thre_pending = 1;
	update(s);
}

static uint8_t read_byte(struct serial *s)
{
	uint8_t byte = 0;

	if (s->in_pos < s->in_len)
		byte = s->in[s->in_pos++];
	if (s->in_pos == s->in_len)
		s->in_pos = s->in_len = 0;
	/* Linux reads until it is empty, but owes us no such thing */
	set_level(s, 0);
	update(s);
	return byte;
}

/* Linux looks whether it is there by its loopback mode */
static uint8_t modem_status(const struct serial *s)
{
	uint8_t mcr = s->regs.mcr;

	if (!(mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	return ((mcr & UART_MCR_DTR) ? UART_MSR_DSR : 0) |
	       ((mcr & UART_MCR_RTS) ? UART_MSR_CTS : 0) |
	       ((mcr & UART_MCR_OUT1) ? UART_MSR_RI : 0) |
	       ((mcr & UART_MCR_OUT2) ? UART_MSR_DCD : 0);
}

static uint8_t read_locked(struct serial *s, unsigned int reg)
{
	bool dlab = s->regs.lcr & UART_LCR_DLAB;
	uint8_t value;

	switch (reg) {
	case UART_RX:
		return dlab ? s->regs.dll : read_byte(s);
	case UART_IER:
		return dlab ? s->regs.dlm : s->regs.ier;
	case UART_IIR:
		value = iir(s);
		if ((value & IIR_ID) == UART_IIR_THRI) {
			s->regs.thre_pending = 0;
			update(s);
		}
		return value;
	case UART_LCR:
		return s->regs.lcr;
	case UART_MCR:
		return s->regs.mcr;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE |
		       (s->in_pos < s->in_len ? UART_LSR_DR : 0);
	case UART_MSR:
		return modem_status(s);
	default:
		return s->regs.scr;
	}
}

/** serial_read() - the guest reads a register */
uint8_t serial_read(struct serial *s, unsigned int reg)
{
	uint8_t value;

	pthread_mutex_lock(&s->lock);
	value = read_locked(s, reg);
	pthread_mutex_unlock(&s->lock);
	return value;
}

static void write_ier(struct serial *s, uint8_t value)
{
	uint8_t old = s->regs.ier;

	s->regs.ier = value & 0x0f;
	if (value & ~old & UART_IER_THRI)
		transmitter_news(s);
	update(s);
}

static void write_fcr(struct serial *s, uint8_t value)
{
	/*
	 * "Clear the receiver" is not obeyed: a line that the host sent while
	 * the guest opened its tty is no line noise.
	 */
	s->regs.fcr = value;
	update(s);
}

static void write_locked(struct serial *s, unsigned int reg, uint8_t value)
{
	bool dlab = s->regs.lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab) {
			s->regs.dll = value;
			break;
		}
		if (!(s->regs.mcr & UART_MCR_LOOP))
			s->out(s->vm, value);
		/*
		 * If the guest has not yet looked at the news of the byte
		 * before, its interrupt is still to come or to be answered.
		 * Another for each byte would be most of what output costs.
		 */
		if (!s->regs.thre_pending)
			transmitter_news(s);
		break;
	case UART_IER:
		if (dlab)
			s->regs.dlm = value;
		else
			write_ier(s, value);
		break;
	case UART_FCR:
		write_fcr(s, value);
		break;
	case UART_LCR:
		s->regs.lcr = value;
		break;
	case UART_MCR:
		s->regs.mcr = value;
		break;
	case UART_SCR:
		s->regs.scr = value;
		break;
	}
}

/** serial_write() - the guest writes a register */
void serial_write(struct serial *s, unsigned int reg, uint8_t value)
{
	pthread_mutex_lock(&s->lock);
	write_locked(s, reg, value);
	pthread_mutex_unlock(&s->lock);
}

/** serial_input() - bytes from the host for the guest; any thread */
int serial_input(struct serial *s, const void *data, size_t len)
{
	uint8_t *grown;

	if (!len)
		return 0;
	pthread_mutex_lock(&s->lock);
	grown = realloc(s->in, s->in_len + len);
	if (grown) {
		s->in = grown;
		memcpy(s->in + s->in_len, data, len);
		s->in_len += len;
		update(s);
	}
	pthread_mutex_unlock(&s->lock);
	return grown ? 0 : fail("out of memory for input to the guest");
}

int serial_save(struct serial *s, struct blob *b)
{
	const void *unread;
	int err;

	pthread_mutex_lock(&s->lock);
	/* Where there is none, there may be no memory for it either. */
	unread = s->in ? (void *)(s->in + s->in_pos) : &s->regs;
	err = blob_put(b, &s->regs, sizeof(s->regs)) ||
	      blob_put_sized(b, unread, s->in_len - s->in_pos);
	pthread_mutex_unlock(&s->lock);
	return err ? -1 : 0;
}

/**
 * serial_restore() - after the interrupt controllers, which it may tell
 *
 * Input may have come between the saving of the controllers and of the UART:
 * the line's level is set anew, and KVM takes no notice if it is the same.
 */
int serial_restore(struct serial *s, struct blob *b)
{
	struct serial_regs regs;
	uint32_t len;
	uint8_t *in;

	if (blob_get(b, &regs, sizeof(regs)))
		return -1;
	in = blob_get_sized(b, &len);
	if (!in)
		return -1;
	pthread_mutex_lock(&s->lock);
	free(s->in);
	s->regs = regs;
	s->in = in;
	s->in_len = len;
	s->in_pos = 0;
	s->level = -1;
	update(s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}
