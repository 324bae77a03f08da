// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmfork qemu without a QEMU: its command lines and what becomes of them, and
 * what is refused.
 *
 * Command lines are as people write them, and as libvirt does.
 */
#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kselftest_harness.h"
#include "qemucheck.h"
#include "qemuchild.h"
#include "qemucmd.h"
#include "qemudisk.h"
#include "qemuline.h"
#include "qemuopts.h"
#include "qemuram.h"
#include "qmp.h"

TEST(options_are_taken_apart)
{
	struct opts opts;
	char *text;

	ASSERT_TRUE(opts_parse(&opts, "a,,b,c=1,,2,d,c=3,file.x=y,e=",
			       "first"));
	EXPECT_STREQ("a,b", opts_get(&opts, "first"));
	EXPECT_STREQ("3", opts_get(&opts, "c"));
	EXPECT_STREQ("", opts_get(&opts, "d"));
	EXPECT_TRUE(opts_is_on(&opts, "d"));
	EXPECT_FALSE(opts_is_on(&opts, "c"));
	EXPECT_STREQ("y", opts_get(&opts, "file.x"));
	EXPECT_EQ(NULL, opts_get(&opts, "x"));
	text = opts_text(&opts);
	EXPECT_STREQ("a,,b,c=1,,2,d,c=3,file.x=y,e=", text);
	free(text);
	opts_drop(&opts, "c");
	opts_drop(&opts, "file");
	ASSERT_TRUE(opts_set(&opts, "first", "z,"));
	ASSERT_TRUE(opts_set(&opts, "new", "=,"));
	text = opts_text(&opts);
	EXPECT_STREQ("z,,,d,e=,new==,,", text);
	free(text);
	ASSERT_TRUE(opts_set(&opts, "first", "x=y"));
	text = opts_text(&opts);
	EXPECT_STREQ("first=x=y,d,e=,new==,,", text);
	free(text);
	opts_free(&opts);

	ASSERT_TRUE(opts_parse(&opts,
			       "{\"driver\":\"a\",\"n\":3,\"b\":true,\"f\":{\"x\":\"y,z\"}}",
			       "driver"));
	EXPECT_STREQ("a", opts_get(&opts, "driver"));
	EXPECT_STREQ("y,z", opts_get(&opts, "f.x"));
	EXPECT_TRUE(opts_is_on(&opts, "b"));
	ASSERT_TRUE(opts_set(&opts, "n", "4"));
	ASSERT_TRUE(opts_set(&opts, "s", "5"));
	opts_drop(&opts, "f");
	text = opts_text(&opts);
	EXPECT_STREQ("{\"driver\":\"a\",\"n\":4,\"b\":true,\"s\":\"5\"}",
		     text);
	free(text);
	opts_free(&opts);

	EXPECT_FALSE(opts_parse(&opts, "{\"driver\":", "driver"));
	opts_free(&opts);
	ASSERT_TRUE(opts_parse(&opts, "", "first"));
	EXPECT_EQ(0, opts.nr);
	opts_free(&opts);
}

/* What follows these is no value of theirs. */
TEST(flags_have_no_values)
{
	static const char *const flags[] = {
		"enable-sync-profile", "perfmap", "jitdump", "audio-help",
		"only-migratable", "xen-attach", "preconfig", "win2k-hack",
	};
	struct qemu_cmd cmd;
	char line[64];
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		snprintf(line, sizeof(line), "qemu -%s -m 1G", flags[i]);
		ASSERT_TRUE(parse(&cmd, line));
		EXPECT_EQ(2, cmd.nr);
		EXPECT_EQ(NULL, cmd.args[0].value);
		qemu_cmd_free(&cmd);
	}
}

TEST(command_lines_are_taken_apart)
{
	struct qemu_cmd cmd;
	char **words;

	ASSERT_TRUE(parse(&cmd,
			  "qemu -m 1G --enable-kvm my.img -append a~-S~b -S -name -x -nographic -cpu"));
	ASSERT_EQ(8, cmd.nr);
	EXPECT_STREQ("m", cmd.args[0].name);
	EXPECT_STREQ("1G", cmd.args[0].value);
	EXPECT_STREQ("enable-kvm", cmd.args[1].name);
	EXPECT_EQ(NULL, cmd.args[1].value);
	EXPECT_STREQ("hda", cmd.args[2].name);
	EXPECT_STREQ("my.img", cmd.args[2].value);
	EXPECT_STREQ("a -S b", cmd.args[3].value);
	EXPECT_STREQ("S", cmd.args[4].name);
	EXPECT_STREQ("-x", cmd.args[5].value);
	EXPECT_EQ(NULL, cmd.args[7].value);
	EXPECT_TRUE(qemu_cmd_has(&cmd, "nographic"));
	EXPECT_FALSE(qemu_cmd_has(&cmd, "x"));
	words = qemu_cmd_words(&cmd);
	ASSERT_NE(NULL, words);
	EXPECT_STREQ("/usr/bin/qemu", words[0]);
	EXPECT_STREQ("-m", words[1]);
	EXPECT_STREQ("-cpu", words[12]);
	EXPECT_EQ(NULL, words[13]);
	qemu_cmd_free_words(words);
	qemu_cmd_free(&cmd);
}

/*
 * Children.  Each case: a command line, the images that its disks have now (as
 * an answer to query-block), and what the child's has to have in it, or not.
 */
#define DATA	"{\"device\":\"\",\"inserted\":{\"node-name\":\"data\"," \
		"\"drv\":\"raw\",\"ro\":false,\"detect_zeroes\":\"unmap\"," \
		"\"cache\":{\"direct\":false,\"no-flush\":false}," \
		"\"image\":{\"filename\":\"data.raw\",\"virtual-size\":512}}}"
#define VARS	"{\"device\":\"pflash1\",\"inserted\":{\"node-name\":\"#b9\"," \
		"\"drv\":\"raw\",\"ro\":false," \
		"\"image\":{\"filename\":\"vars.fd\",\"virtual-size\":512}}}"
#define CDROM	"{\"device\":\"ide1-cd0\",\"inserted\":{\"ro\":true," \
		"\"node-name\":\"#b3\",\"drv\":\"raw\"," \
		"\"image\":{\"filename\":\"/no/such.iso\"}}}"
#define EMPTY	"{\"device\":\"floppy0\"}"

struct child_case {
	const char *line;
	const char *blocks;
	bool start;
	bool default_nic;
	const char *has[16];
	const char *has_not[12];
};

static const struct child_case cases[] = {
	{
		.line = "qemu -enable-kvm -m 1G root.qcow2",
		.blocks = "[" ROOT "," CDROM "," EMPTY "]",
		.default_nic = true,
		.has = { " -enable-kvm -m 1G -drive index=0,media=disk,format=qcow2,file=DIR/n.7.qcow2 ",
			 " -name n.7 ",
			 " -object memory-backend-file,id=pc.ram,size=1073741824,mem-path=/run/vmfork/n,share=off ",
			 " -machine memory-backend=pc.ram ",
			 " -nic user,mac=52:54:00:",
			 " -qmp unix:DIR/n.7.qmp,server=on,wait=off ",
			 " -incoming file:x " },
		.has_not = { "root.qcow2", "-hda" },
	}, {
		.line = "qemu -M q35,accel=kvm -m 2G -smp 2 -drive file=root.qcow2,if=virtio,cache=none,aio=native,discard=unmap -nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::53-10.0.2.15:53,mac=52:54:00:12:34:56 -device vmgenid,guid=auto -qmp unix:/run/q,server,nowait -monitor unix:/run/m,server=on,wait=off -serial mon:stdio -serial file:out -serial tcp::4444,server,nowait -daemonize -runas nobody -run-with user=nobody,async-teardown=on,exit-with-parent=on -run-with exit-with-parent=on -pidfile /run/p -S -vnc :1,to=9,password=on -gdb tcp::1234 -s",
		.blocks = "[" ROOT "]",
		.start = true,
		.has = { " -M q35,accel=kvm ",
			 " -drive if=virtio,cache=none,aio=native,discard=unmap,format=qcow2,file=DIR/n.7.qcow2 ",
			 " -nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:0-:22,hostfwd=udp::0-10.0.2.15:53,mac=52:54:00:",
			 " -device vmgenid,guid=auto ",
			 " -monitor unix:DIR/n.7-monitor0.sock,server=on,wait=off ",
			 " -serial mon:stdio ",
			 " -serial file:DIR/n.7-serial2.log ",
			 " -serial unix:DIR/n.7-serial3.sock,server=on,wait=off ",
			 " -run-with async-teardown=on -pidfile DIR/n.7.pid ",
			 " -vnc unix:DIR/n.7.vnc,password=on " },
		.has_not = { "12:34:56", "-daemonize", "-runas", "/run/q", "/run/m",
			     "4444", " -S ", "-gdb", " -s ", "2222" },
	}, {
		/* As libvirt writes it */
		.line = "qemu -name guest=web,debug-threads=on -S -object {\"qom-type\":\"secret\",\"id\":\"s\",\"file\":\"/x\"} -machine pc-q35-7.2,pflash1=vars,memory-backend=pc.ram -m size=1048576k -object {\"qom-type\":\"memory-backend-ram\",\"id\":\"pc.ram\",\"host-nodes\":[0,1],\"policy\":\"bind\",\"size\":1073741824} -uuid 1 -no-user-config -nodefaults -chardev socket,id=charmonitor,fd=34,server=on,wait=off -mon chardev=charmonitor,id=monitor,mode=control -blockdev {\"driver\":\"file\",\"filename\":\"vars.fd\",\"node-name\":\"vars-storage\"} -blockdev {\"node-name\":\"vars\",\"driver\":\"raw\",\"file\":\"vars-storage\"} -blockdev {\"driver\":\"file\",\"filename\":\"data.raw\",\"node-name\":\"d1\",\"aio\":\"io_uring\"} -blockdev {\"node-name\":\"d2\",\"driver\":\"raw\",\"file\":\"d1\",\"discard\":\"unmap\"} -device {\"driver\":\"virtio-blk-pci\",\"drive\":\"d2\",\"id\":\"virtio-disk0\"} -netdev {\"type\":\"user\",\"id\":\"hostnet0\",\"hostfwd\":[{\"str\":\"tcp::2222-:22\"}]} -device {\"driver\":\"virtio-net-pci\",\"netdev\":\"hostnet0\",\"id\":\"net0\",\"mac\":\"52:54:00:6b:3c:58\",\"bus\":\"pci.1\"} -chardev socket,id=charserial0,host=0,port=4555,server=on,telnet=on -serial chardev:charserial0 -chardev file,id=f0,path=/var/log/x,append=on -device {\"driver\":\"vmgenid\",\"guid\":\"324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87\"} -device vhost-vsock-pci,id=v,guest-cid=3 -sandbox on",
		.blocks = "[" DATA "," VARS "]",
		.has = { " -name guest=n.7,debug-threads=on ",
			 " -object {\"qom-type\":\"memory-backend-file\",\"id\":\"pc.ram\",\"mem-path\":\"/run/vmfork/n\",\"size\":1073741824,\"share\":false,\"policy\":\"bind\",\"host-nodes\":[0,1]} ",
			 " -machine pc-q35-7.2,pflash1=vars,memory-backend=pc.ram ",
			 " -chardev socket,id=charmonitor,server=on,wait=off,path=DIR/n.7-charmonitor.sock ",
			 " -blockdev {\"driver\":\"qcow2\",\"node-name\":\"vars\"",
			 "\"filename\":\"DIR/n.7-vars.qcow2\"",
			 "\"node-name\":\"d2\",\"discard\":\"unmap\",\"detect-zeroes\":\"unmap\"",
			 "\"filename\":\"DIR/n.7-d2.qcow2\",\"aio\":\"io_uring\"",
			 "\"str\":\"tcp::0-:22\"", "\"bus\":\"pci.1\"",
			 "telnet=on,path=DIR/n.7-charserial0.sock",
			 " -chardev file,id=f0,path=DIR/n.7-f0.log,append=on ",
			 " -device vhost-vsock-pci,id=v,guest-cid=",
			 "{\"driver\":\"vmgenid\",\"guid\":\"",
			 "\"id\":\"s\",\"file\":\"/x\"" },
		.has_not = { "storage", "data.raw", "vars.fd", "fd=34",
			     "6b:3c:58", "324e6eaf", "guest-cid=3 ", "4555",
			     "2222", "/var/log/x", "memory-backend-ram",
			     "\"d1\"" },
	}, {
		.line = "qemu -M microvm,rtc=on -m 512M -nodefaults -no-reboot -kernel vmlinux -append root=/dev/vda~quiet -blockdev driver=qcow2,node-name=d,file.driver=file,file.filename=root.qcow2,file.aio=native -device virtio-blk-device,drive=d -netdev tap,id=t,ifname=tap0,script=no -device virtio-net-device,netdev=t -display none -incoming tcp:0:1 -loadvm x -D log -runas nobody -run-with user=nobody",
		.blocks = "[" ROOT "]",
		.has = { " -append root=/dev/vda quiet ",
			 " -blockdev {\"driver\":\"qcow2\",\"node-name\":\"d\",",
			 "\"aio\":\"native\"",
			 "\"cache\":{\"direct\":true,\"no-flush\":false}",
			 " -netdev tap,id=t,script=no ",
			 " -device virtio-net-device,netdev=t,mac=52:54:00:",
			 " -D DIR/n.7.qemu.log ", " -runas nobody ",
			 " -run-with user=nobody " },
		.has_not = { "tap0", "tcp:0:1", "-loadvm", "-nic" },
	}, {
		/* A child that was forked before */
		.line = "qemu -m 1G -drive file=root.qcow2,format=qcow2 -object memory-backend-file,id=pc.ram,size=1G,mem-path=/run/vmfork/old,share=off,merge=off,host-nodes=0-1,host-nodes=3,policy=bind -machine memory-backend=pc.ram -qmp unix:/old,server=on -incoming fd:3 -mem-prealloc -display vnc=:7",
		.blocks = "[" FORKED "]",
		.has = { " -drive format=qcow2,file=DIR/n.7.qcow2 ",
			 "mem-path=/run/vmfork/n,share=off,merge=off,host-nodes=0-1,host-nodes=3,policy=bind ",
			 " -display vnc=unix:DIR/n.7.vnc " },
		.has_not = { "old", "fd:3", "prealloc",
			     "-machine memory-backend=pc.ram -qmp" },
	}, {
		/* What would be written over, and addresses of kinds of their own */
		.line = "qemu -object filter-dump,id=d0,netdev=n0,file=/tmp/net.pcap -audiodev wav,id=a -audiodev alsa,id=b -trace ide_*,file=trace.bin -trace enable=x -chardev socket,id=s,host=::,port=1,server=on,tls-creds=t0 -vnc viewer:5500,reverse=on -spice port=5900,tls-port=5901,addr=0.0.0.0,ipv4=on,tls-channel=main,tls-channel=inputs,disable-ticketing=on -drive file=root.qcow2,id=x,,y,if=none -device virtio-blk-pci,drive=x,,y -nic user,mac=52:54:00:00:00:01 -nic user,mac=52:54:00:00:00:02,hostfwd=tcp:[::1]:2222-[fec0::1]:22 -smbios type=1,serial=a,,b -nographic",
		.blocks = "[" ROOT "]",
		.has = { " -object filter-dump,id=d0,netdev=n0,file=DIR/n.7-d0.out ",
			 " -audiodev wav,id=a,path=DIR/n.7-a.wav ",
			 " -audiodev alsa,id=b ",
			 " -trace ide_*,file=DIR/n.7-trace.out ",
			 " -trace enable=x ",
			 " -chardev socket,id=s,server=on,path=DIR/n.7-s.sock,wait=off ",
			 " -vnc unix:DIR/n.7.vnc ",
			 " -spice addr=DIR/n.7.spice,disable-ticketing=on,unix=on ",
			 " -drive id=x,,y,if=none,format=qcow2,file=DIR/n.7.qcow2 ",
			 " -device virtio-blk-pci,drive=x,,y ",
			 "hostfwd=tcp:[::1]:0-[fec0::1]:22 ",
			 " -smbios type=1,serial=a,,b -nographic " },
		.has_not = { "net.pcap", "trace.bin", "tls", "reverse", "ipv4",
			     "00:00:01", "00:00:02", "2222" },
	}, {
		/* What the image is on top of is read by another drive, too. */
		.line = "qemu -drive file=root.qcow2,readonly=on,id=r -drive file=over.qcow2,id=o",
		.blocks = "[" FORKED "]",
		.has = { " -drive file=root.qcow2,readonly=on,id=r ",
			 " -drive id=o,format=qcow2,file=DIR/n.7.qcow2 " },
		.has_not = { "over.qcow2" },
	}, {
		/* Commas */
		.line = "qemu -drive file=a,,b.qcow2,serial=x,,y -hda root.qcow2",
		.blocks = "[{\"device\":\"d,0\",\"inserted\":{\"node-name\":\"#1\",\"drv\":\"qcow2\",\"image\":{\"filename\":\"a,b.qcow2\"}}}," ROOT "]",
		.has = { " -drive serial=x,,y,format=qcow2,file=DIR/n.7-d_0.qcow2 ",
			 " -drive index=0,media=disk,format=qcow2,file=DIR/n.7-virtio0.qcow2 " },
	},
};

/* The words in one line; "DIR" is where files are. */
static char *joined(const struct qemu_cmd *cmd)
{
	char **words = qemu_cmd_words(cmd), *text = NULL;
	size_t i, len;
	FILE *to = open_memstream(&text, &len);

	for (i = 0; to && words[i]; i++)
		fprintf(to, "%s ", words[i]);
	if (to)
		fclose(to);
	qemu_cmd_free_words(words);
	return text;
}

TEST_F(child, has_what_two_can_not_share_of_its_own)
{
	size_t i, j;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct child_case *c = &cases[i];
		struct json_object *blocks = json_tokener_parse(c->blocks);
		struct qemu_block block = { .len = 1 << 30 };
		struct qemu_ram ram = {
			.backend = "pc.ram", .blocks = &block, .nr = 1,
		};
		struct qemu_disks disks;
		struct qemu_cmd cmd, child;
		struct qemu_plan plan = {
			.cmd = &cmd, .disks = &disks, .ram = &ram, .dir = "DIR",
			.name = "n", .snapshot = "/run/vmfork/n",
			.incoming = "file:x", .default_nic = c->default_nic,
			.start = c->start,
		};
		char *line;

		ASSERT_NE(NULL, blocks);
		ASSERT_TRUE(parse(&cmd, c->line));
		EXPECT_EQ(DONE, qemu_check_cmd(&cmd)) {
			TH_LOG("case %zu: %s", i, told);
		}
		ASSERT_EQ(DONE, qemu_disks_take(blocks, &cmd, &disks)) {
			TH_LOG("case %zu: %s", i, told);
		}
		ASSERT_EQ(DONE, qemu_child_cmd(&plan, 7, &child));
		line = joined(&child);
		ASSERT_NE(NULL, line);
		for (j = 0; c->has[j]; j++)
			EXPECT_NE(NULL, strstr(line, c->has[j])) {
				TH_LOG("case %zu: no '%s' in %s", i,
				       c->has[j] ?: "", line);
			}
		for (j = 0; c->has_not[j]; j++)
			EXPECT_EQ(NULL, strstr(line, c->has_not[j])) {
				TH_LOG("case %zu: '%s' in %s", i,
				       c->has_not[j] ?: "", line);
			}
		free(line);
		qemu_cmd_free(&child);
		/* No two are alike, nor does memory run out. */
		ASSERT_EQ(DONE, qemu_child_cmd(&plan, 8, &child));
		qemu_cmd_free(&child);
		qemu_disks_free(&disks);
		qemu_cmd_free(&cmd);
		json_object_put(blocks);
	}
}

/* The child of a QEMU without disks, with its files in a directory */
static int make_in(const char *dir, const char *line, struct qemu_cmd *child)
{
	struct qemu_block block = { .len = 1 << 30 };
	struct qemu_ram ram = { .backend = "r", .blocks = &block, .nr = 1 };
	struct qemu_disks disks = { 0 };
	struct qemu_cmd cmd;
	struct qemu_plan plan = {
		.cmd = &cmd, .disks = &disks, .ram = &ram, .dir = dir,
		.name = "n", .snapshot = "/n", .incoming = "x",
	};
	int status;

	if (!parse(&cmd, line))
		return -1;
	status = qemu_child_cmd(&plan, 1, child);
	qemu_cmd_free(&cmd);
	return status;
}

/* A list of properties has two commas for one, a path of its own has not. */
TEST(directories_with_commas)
{
	static const char *const has[] = {
		" -monitor unix:/a,,b/n.1-monitor0.sock,server=on,wait=off ",
		" -serial mon:unix:/a,,b/n.1-serial1.sock,server=on,wait=off ",
		" -serial file:/a,b/n.1-serial2.log ",
		" -chardev socket,id=c,server=on,path=/a,,b/n.1-c.sock,wait=off ",
		" -vnc unix:/a,,b/n.1.vnc ", " -pidfile /a,b/n.1.pid ",
		" -qmp unix:/a,,b/n.1.qmp,server=on,wait=off ",
	};
	struct qemu_cmd child;
	char *line;
	size_t i;

	ASSERT_EQ(DONE, make_in("/a,b",
				"qemu -monitor unix:m,server -serial mon:unix:s,server -serial file:x -chardev socket,id=c,server=on,path=x -vnc :1 -pidfile p",
				&child));
	line = joined(&child);
	for (i = 0; i < sizeof(has) / sizeof(has[0]); i++) {
		EXPECT_NE(NULL, strstr(line, has[i])) {
			TH_LOG("no '%s' in %s", has[i], line);
		}
	}
	free(line);
	qemu_cmd_free(&child);
}

/* What the kernel has room for, with the zero byte, is 108. */
TEST(paths_of_sockets_are_short)
{
	static const struct {
		const char *line;
		const char *end;
	} sockets[] = {
		{ "qemu", "/n.1.qmp" },
		{ "qemu -vnc :1", "/n.1.vnc" },
		{ "qemu -spice port=5900", "/n.1.spice" },
		{ "qemu -monitor unix:m,server", "/n.1-monitor0.sock" },
		{ "qemu -chardev socket,id=a-name-that-libvirt-has,server=on,path=x",
		  "/n.1-a-name-that-libvirt-has.sock" },
	};
	struct qemu_cmd child;
	char dir[120], room;
	size_t i, len;

	for (i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		for (room = 0; room < 2; room++) {
			len = 107 - strlen(sockets[i].end) + room;
			memset(dir, 'x', sizeof(dir));
			dir[len] = '\0';
			EXPECT_EQ(room ? FAILED : DONE,
				  make_in(dir, sockets[i].line, &child)) {
				TH_LOG("%s", sockets[i].line);
			}
			if (room)
				EXPECT_NE(NULL, strstr(told, sockets[i].end));
			qemu_cmd_free(&child);
		}
	/* A file may have any that its file system has. */
	memset(dir, 'x', sizeof(dir));
	dir[107 - strlen("/n.1.qmp")] = '\0';
	EXPECT_EQ(DONE, make_in(dir, "qemu -serial file:x -pidfile y", &child));
	qemu_cmd_free(&child);
}

TEST(what_can_not_be_forked)
{
	static const char *const refused[] = {
		"-device vfio-pci,host=01:00.0",
		"-device {\"driver\":\"vfio-pci\",\"host\":\"1\"}",
		"-device vhost-user-fs-pci,chardev=c",
		"-device ivshmem-plain,memdev=m",
		"-device usb-host,hostbus=1",
		"-device nvme,drive=d,serial=x",
		"-device pc-dimm,memdev=m",
		"-device virtio-blk-pci,drive=d,share-rw=on",
		"-device tpm-tis,tpmdev=t",
		"-object sev-guest,id=s",
		"-object tdx-guest,id=t",
		"-machine q35,memory-encryption=s",
		"-M q35,confidential-guest-support=s",
		"-netdev vhost-user,id=n,chardev=c",
		"-netdev tap,id=n,fd=33,vhost=on,vhostfd=35",
		"-netdev socket,id=n,listen=:1234",
		"-netdev stream,id=n,server=on,addr.type=unix",
		"-netdev socket,id=n,udp=1.2.3.4:5,localaddr=:6",
		"-netdev dgram,id=n,local.type=inet,remote.type=inet",
		"-netdev af-xdp,id=n,ifname=eth0",
		"-device {\"driver\":\"vhost-vsock-pci\",\"vhostfd\":\"28\"}",
		"-device virtio-input-host-pci,evdev=/dev/input/event0",
		"-object input-linux,id=i,evdev=/dev/input/event0",
		"-chardev pipe,id=p,path=x",
		"-chardev serial,id=p,path=/dev/ttyS0",
		"-chardev socket,id=p,fd=3",
		"-serial /dev/ttyS0",
		"-serial mon:pipe:x",
		"-monitor pipe:x",
		"-readconfig x",
		"-snapshot",
		"-tpmdev emulator,id=t",
		"-add-fd fd=3,set=1",
		"-run-with chroot=/x",
		"-chroot /x",
		"-name {x",
		"-vnc {x",
		"-blockdev {\"driver\":",
		NULL
	};
	static const char *const allowed[] = {
		"-device virtio-blk-pci,drive=d,share-rw=off",
		"-device vhost-vsock-pci,guest-cid=3",
		"-netdev tap,id=n,vhost=on",
		"-netdev socket,id=n,connect=:1234",
		"-netdev socket,id=n,mcast=230.0.0.1:1234",
		"-netdev dgram,id=n,remote.type=inet,remote.host=224.0.0.1",
		"-chardev socket,id=p,fd=3,server=on",
		"-chardev stdio,id=p",
		"-serial stdio",
		"-object rng-random,id=r",
		"-object secret,id=s,file=x",
		"-readonly x",
		NULL
	};
	char line[128];
	struct qemu_cmd cmd;
	size_t i;

	for (i = 0; refused[i]; i++) {
		snprintf(line, sizeof(line), "qemu -m 1G %s", refused[i]);
		ASSERT_TRUE(parse(&cmd, line));
		EXPECT_EQ(FAILED, qemu_check_cmd(&cmd)) {
			TH_LOG("%s", line);
		}
		EXPECT_NE(NULL, strstr(told, "can not be forked"));
		qemu_cmd_free(&cmd);
	}
	for (i = 0; allowed[i]; i++) {
		snprintf(line, sizeof(line), "qemu -m 1G %s", allowed[i]);
		ASSERT_TRUE(parse(&cmd, line));
		EXPECT_EQ(DONE, qemu_check_cmd(&cmd)) {
			TH_LOG("%s: %s", line, told);
		}
		qemu_cmd_free(&cmd);
	}
}

TEST(devices_that_came_or_went)
{
	static const char list[] =
		"[{\"name\":\"type\",\"type\":\"string\"},"
		"{\"name\":\"net0\",\"type\":\"child<virtio-net-pci>\"}]";
	static const char hardware[] =
		"[{\"name\":\"device[0]\",\"type\":\"child<vfio-pci>\"}]";
	struct json_object *listed = json_tokener_parse(list);
	struct json_object *bad = json_tokener_parse(hardware);
	struct qemu_cmd cmd;

	ASSERT_TRUE(parse(&cmd, "qemu -device virtio-net-pci,id=net0"));
	EXPECT_EQ(DONE, qemu_check_named(listed, &cmd));
	EXPECT_EQ(DONE, qemu_check_types(listed));
	EXPECT_EQ(FAILED, qemu_check_types(bad));
	qemu_cmd_free(&cmd);
	ASSERT_TRUE(parse(&cmd, "qemu -device virtio-net-pci"));
	EXPECT_EQ(FAILED, qemu_check_named(listed, &cmd));
	EXPECT_NE(NULL, strstr(told, "plugged in"));
	qemu_cmd_free(&cmd);
	ASSERT_TRUE(parse(&cmd,
			  "qemu -device x,id=net0 -device {\"driver\":\"y\",\"id\":\"gone\"}"));
	EXPECT_EQ(FAILED, qemu_check_named(listed, &cmd));
	EXPECT_NE(NULL, strstr(told, "unplugged"));
	qemu_cmd_free(&cmd);
	/* QEMU itself gives this one a name. */
	json_object_put(listed);
	listed = json_tokener_parse("[{\"name\":\"debugcon\",\"type\":\"child<isa-debugcon>\"}]");
	ASSERT_TRUE(parse(&cmd, "qemu -debugcon file:x"));
	EXPECT_EQ(DONE, qemu_check_named(listed, &cmd));
	qemu_cmd_free(&cmd);
	json_object_put(listed);
	json_object_put(bad);
}

/* As QEMU 7.2 has it of the first line below */
#define UNNAMED(type)	",{\"name\":\"x\",\"type\":\"child<" type ">\"}"
#define ALL_UNNAMED	"[{\"name\":\"type\",\"type\":\"string\"}" \
			UNNAMED("virtio-rng-pci") UNNAMED("virtio-9p-pci") \
			UNNAMED("ich9-ahci") UNNAMED("virtio-blk-pci") \
			UNNAMED("e1000") UNNAMED("e1000")

TEST(devices_without_names_that_came_or_went)
{
	static const char line[] =
		"qemu -device virtio-rng -virtfs local,path=/,mount_tag=x -device ahci -drive file=x,if=virtio -drive file=y,if=ide -device e1000-82540em -device {\"driver\":\"e1000\"} -device usb-tablet,id=t";
	static const struct {
		const char *list;
		int status;
		const char *why;
	} lists[] = {
		{ ALL_UNNAMED "]", DONE, "" },
		{ ALL_UNNAMED UNNAMED("e1000") "]", FAILED,
		  "e1000 was plugged in" },
		{ ALL_UNNAMED UNNAMED("virtio-balloon-pci") "]", FAILED,
		  "virtio-balloon-pci was plugged in" },
		{ "[{\"name\":\"type\",\"type\":\"string\"}"
		  UNNAMED("virtio-rng-pci") UNNAMED("virtio-9p-pci")
		  UNNAMED("ich9-ahci") UNNAMED("virtio-blk-pci")
		  UNNAMED("e1000") "]", FAILED, "e1000 was unplugged" },
		{ "[]", FAILED, "virtio-rng was unplugged" },
	};
	struct json_object *list;
	struct qemu_cmd cmd;
	size_t i;

	ASSERT_TRUE(parse(&cmd, line));
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		told[0] = '\0';
		list = json_tokener_parse(lists[i].list);
		ASSERT_NE(NULL, list);
		EXPECT_EQ(lists[i].status, qemu_check_unnamed(list, &cmd)) {
			TH_LOG("case %zu: %s", i, told);
		}
		EXPECT_NE(NULL, strstr(told, lists[i].why)) {
			TH_LOG("case %zu: %s", i, told);
		}
		json_object_put(list);
	}
	qemu_cmd_free(&cmd);
}

TEST_HARNESS_MAIN
