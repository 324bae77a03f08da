// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll-port DEVICE...: let serial ports do without their interrupts.
 *
 * TCG loses one now and then while a nested guest runs; a port that waits for
 * it is silent for ever.
 */
#include <fcntl.h>
#include <linux/serial.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct serial_struct port;
	int i, fd;

	for (i = 1; i < argc; i++) {
		fd = open(argv[i], O_RDWR | O_NOCTTY | O_NONBLOCK);
		if (fd < 0 || ioctl(fd, TIOCGSERIAL, &port)) {
			perror(argv[i]);
			return 1;
		}
		port.irq = 0;
		if (ioctl(fd, TIOCSSERIAL, &port)) {
			perror(argv[i]);
			return 1;
		}
		close(fd);
	}
	return 0;
}
