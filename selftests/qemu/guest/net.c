// SPDX-License-Identifier: GPL-2.0
/*
 * The network: QEMU's own of one host, which answers to echo requests.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "guest.h"

#define INTERFACE	"eth0"
#define OURS		"10.0.2.15"
#define HOST		"10.0.2.2"
#define TRIES		10
#define DRIVER		"/sys/bus/virtio/drivers/virtio_net/"

static int request(unsigned long what, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result;

	if (fd < 0)
		return -1;
	strcpy(ifr->ifr_name, INTERFACE);
	result = ioctl(fd, what, ifr);
	close(fd);
	return result;
}

static int set_flags(short set, short clear)
{
	struct ifreq ifr = { 0 };

	if (request(SIOCGIFFLAGS, &ifr))
		return -1;
	ifr.ifr_flags = (ifr.ifr_flags & ~clear) | set;
	return request(SIOCSIFFLAGS, &ifr);
}

static int set_ip(unsigned long what, const char *text)
{
	struct ifreq ifr = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&ifr.ifr_addr;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = inet_addr(text);
	return request(what, &ifr);
}

/* A guest without a network has none to bring up. */
int net_up(void)
{
	if (!if_nametoindex(INTERFACE))
		return 0;
	return set_ip(SIOCSIFADDR, OURS) ||
	       set_ip(SIOCSIFNETMASK, "255.255.255.0") || set_flags(IFF_UP, 0);
}

static uint16_t checksum(const void *bytes, size_t len)
{
	const char *at = bytes;
	uint32_t sum = 0;

	for (; len; len -= 2, at += 2) {
		uint16_t word;

		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	sum = (sum >> 16) + (sum & 0xffff);
	return ~(sum + (sum >> 16));
}

static bool answered(int fd, uint16_t id)
{
	struct {
		struct iphdr ip;
		struct icmphdr icmp;
		char rest[512];
	} got;

	while (recv(fd, &got, sizeof(got), 0) >= (ssize_t)(sizeof(got.ip) +
							    sizeof(got.icmp)))
		if (got.icmp.type == ICMP_ECHOREPLY &&
		    got.icmp.un.echo.id == id)
			return true;
	return false;
}

/* Whether the host of this network answers */
bool net_ping(void)
{
	static uint16_t id;
	const struct timeval second = { .tv_sec = 1 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct icmphdr echo = { .type = ICMP_ECHO };
	bool done = false;
	unsigned int try;
	int fd;

	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	to.sin_addr.s_addr = inet_addr(HOST);
	echo.un.echo.id = ++id;
	echo.checksum = checksum(&echo, sizeof(echo));
	for (try = 0; try < TRIES && !done; try++)
		done = sendto(fd, &echo, sizeof(echo), 0,
			      (struct sockaddr *)&to, sizeof(to)) ==
		       sizeof(echo) && answered(fd, echo.un.echo.id);
	close(fd);
	return done;
}

/* text: room for 18 bytes */
int net_address(char *text)
{
	struct ifreq ifr = { 0 };
	unsigned char *mac = (unsigned char *)ifr.ifr_hwaddr.sa_data;

	if (request(SIOCGIFHWADDR, &ifr))
		return -1;
	sprintf(text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return 0;
}

/* What the guest's own programs would do where it has a new one */
int net_set_address(const char *text)
{
	struct ifreq ifr = { 0 };
	unsigned char *mac = (unsigned char *)ifr.ifr_hwaddr.sa_data;

	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1],
		   &mac[2], &mac[3], &mac[4], &mac[5]) != 6)
		return -1;
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	return set_flags(0, IFF_UP) || request(SIOCSIFHWADDR, &ifr) ||
	       set_flags(IFF_UP, 0);
}

static bool write_name(const char *path, const char *name)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = strlen(name);
	bool done = fd >= 0 && write(fd, name, len) == len;

	if (fd >= 0)
		close(fd);
	return done;
}

/* The driver leaves the card, and finds it as it is now. */
int net_rebind(void)
{
	char path[256];
	ssize_t len = readlink("/sys/class/net/" INTERFACE "/device", path,
			       sizeof(path) - 1);
	const char *name;

	if (len < 0)
		return -1;
	path[len] = 0;
	name = strrchr(path, '/');
	name = name ? name + 1 : path;
	if (!write_name(DRIVER "unbind", name) ||
	    !write_name(DRIVER "bind", name) || !if_nametoindex(INTERFACE))
		return -1;
	return net_up();
}
