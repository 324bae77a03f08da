// SPDX-License-Identifier: GPL-2.0
/*
 * Boot: Linux, by the 64-bit boot protocol, as if a boot loader had run.
 *
 * Documentation/arch/x86/boot.rst of the kernel says what has to be where.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <asm/bootparam.h>

#include "forkvm.h"

/* Where we put things: all below the kernel, which begins at 1 MiB or more */
#define GDT_GPA		0x500
#define BOOT_PARAMS_GPA	0x7000
#define PML4_GPA	0x9000
#define PDPT_GPA	0xa000
#define PD_GPA		0xb000		/* 4 of them, for 4 GiB */
#define CMDLINE_GPA	0x20000
#define CMDLINE_MAX	2048
#define LOW_RAM_END	0x9f000
#define RESERVED_GPA	0xe0000
#define HIGH_RAM_GPA	0x100000
#define DEFAULT_GPA	0x1000000

#define BOOT_CS		0x10
#define BOOT_DS		0x18
#define LOADER_UNKNOWN	0xff

static int image_read(struct image *image, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	struct stat st;

	if (fd < 0)
		return fail_errno("can not open %s", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return fail("%s is no regular file", path);
	}
	image->size = st.st_size;
	image->data = malloc(image->size + 1);
	while (image->data && done < image->size) {
		ssize_t n = read(fd, image->data + done, image->size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += n;
	}
	close(fd);
	if (!image->data || done < image->size)
		return fail("can not read %s", path);
	return 0;
}

/* Return: 1 if it is one, 0 if not, -1 if it can not be booted */
static int bzimage_load(struct vm *vm, const struct image *image,
			struct boot_params *params, uint64_t *entry,
			uint64_t *end)
{
	const struct setup_header *hdr = (void *)(image->data + 0x1f1);
	size_t setup, size;
	uint64_t gpa;
	void *to;

	if (image->size < 0x1000 || memcmp(&hdr->header, "HdrS", 4))
		return 0;
	if (hdr->version < 0x20c || !(hdr->xloadflags & XLF_KERNEL_64))
		return fail("the kernel has no 64-bit entry; use an x86-64 "
			    "kernel of 3.8 or later");
	setup = ((hdr->setup_sects ? hdr->setup_sects : 4) + 1) * 512;
	if (setup >= image->size)
		return fail("the kernel image is cut short");
	size = image->size - setup;
	gpa = hdr->pref_address ? hdr->pref_address : DEFAULT_GPA;
	*end = gpa + (hdr->init_size > size ? hdr->init_size : size);
	to = ram_at(&vm->ram, gpa, *end - gpa);
	if (!to)
		return fail("the kernel needs %llu MiB to start in; use a "
			    "larger --mem",
			    (unsigned long long)(*end / MiB + 1));
	memcpy(to, image->data + setup, size);
	memcpy(&params->hdr, hdr, sizeof(*hdr));
	*entry = gpa + 0x200;
	return 1;
}

static void elf_header(struct boot_params *params)
{
	params->hdr.boot_flag = 0xaa55;
	memcpy(&params->hdr.header, "HdrS", 4);
	params->hdr.version = 0x20f;
	params->hdr.kernel_alignment = HUGE_SIZE;
	params->hdr.initrd_addr_max = 0x7fffffff;
	params->hdr.cmdline_size = CMDLINE_MAX - 1;
}

static int kernel_load(struct vm *vm, const char *path,
		       struct boot_params *params, uint64_t *entry,
		       uint64_t *end)
{
	struct image image = { 0 };
	int ret = image_read(&image, path);

	if (!ret)
		ret = bzimage_load(vm, &image, params, entry, end);
	if (!ret) {
		ret = elf_load(vm, &image, entry, end);
		elf_header(params);
	}
	free(image.data);
	return ret < 0 ? -1 : 0;
}

/* As high as the kernel allows: what it unpacks itself to lies below */
static int initrd_load(struct vm *vm, const char *path,
		       struct boot_params *params, uint64_t kernel_end)
{
	uint64_t top = vm->ram.region[0].size;
	struct image image = { 0 };
	uint64_t gpa;
	int err = -1;

	if (!path)
		return 0;
	if (image_read(&image, path))
		goto out;
	if (top > params->hdr.initrd_addr_max + 1ULL)
		top = params->hdr.initrd_addr_max + 1ULL;
	gpa = (top - image.size) & ~0xfffULL;
	if (image.size > top || gpa < kernel_end) {
		fail("the initramfs does not fit behind the kernel; use a "
		     "larger --mem");
		goto out;
	}
	memcpy(ram_at(&vm->ram, gpa, image.size), image.data, image.size);
	params->hdr.ramdisk_image = gpa;
	params->hdr.ramdisk_size = image.size;
	err = 0;
out:
	free(image.data);
	return err;
}

static void e820_add(struct boot_params *params, uint64_t start, uint64_t end,
		     uint32_t type)
{
	struct boot_e820_entry *e = &params->e820_table[params->e820_entries++];

	e->addr = start;
	e->size = end - start;
	e->type = type;
}

static void e820_fill(struct vm *vm, struct boot_params *params)
{
	const struct ram_region *r = vm->ram.region;

	e820_add(params, 0, LOW_RAM_END, 1);
	e820_add(params, RESERVED_GPA, HIGH_RAM_GPA, 2);
	e820_add(params, HIGH_RAM_GPA, r[0].size, 1);
	if (vm->ram.nr > 1)
		e820_add(params, r[1].gpa, r[1].gpa + r[1].size, 1);
}

static int params_write(struct vm *vm, struct boot_params *params,
			const char *cmdline)
{
	size_t len = strlen(cmdline) + 1;

	if (len > CMDLINE_MAX)
		return fail("the kernel's command line is over %d bytes",
			    CMDLINE_MAX - 1);
	memcpy(ram_at(&vm->ram, CMDLINE_GPA, len), cmdline, len);
	params->hdr.cmd_line_ptr = CMDLINE_GPA;
	params->hdr.type_of_loader = LOADER_UNKNOWN;
	params->hdr.loadflags |= LOADED_HIGH;
	params->acpi_rsdp_addr = ACPI_RSDP_GPA;
	e820_fill(vm, params);
	memcpy(ram_at(&vm->ram, BOOT_PARAMS_GPA, sizeof(*params)), params,
	       sizeof(*params));
	return 0;
}

/* The kernel begins with the first 4 GiB mapped one to one */
static void page_tables_write(struct vm *vm)
{
	uint64_t *pml4 = ram_at(&vm->ram, PML4_GPA, 4096);
	uint64_t *pdpt = ram_at(&vm->ram, PDPT_GPA, 4096);
	uint64_t *pd = ram_at(&vm->ram, PD_GPA, 4 * 4096);
	unsigned int i;

	/* There may be anything, of a file. */
	memset(pml4, 0, 4096);
	memset(pdpt, 0, 4096);
	pml4[0] = PDPT_GPA | 0x3;
	for (i = 0; i < 4; i++)
		pdpt[i] = (PD_GPA + i * 4096) | 0x3;
	for (i = 0; i < 4 * 512; i++)
		pd[i] = i * HUGE_SIZE | 0x83;
}

static struct kvm_segment segment(uint16_t selector, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .present = 1,
		.type = code ? 0xb : 0x3, .s = 1, .l = code, .db = !code,
		.g = 1,
	};
}

static void gdt_write(struct vm *vm)
{
	static const uint64_t gdt[] = {
		0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff,
	};

	memcpy(ram_at(&vm->ram, GDT_GPA, sizeof(gdt)), gdt, sizeof(gdt));
}

static int set_registers(struct vcpu *vcpu, uint64_t entry)
{
	struct kvm_regs regs = {
		.rip = entry, .rsi = BOOT_PARAMS_GPA, .rflags = 2,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return fail_errno("can not read the registers of vCPU 0");
	sregs.cs = segment(BOOT_CS, true);
	sregs.ds = segment(BOOT_DS, false);
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	sregs.gdt.base = GDT_GPA;
	sregs.gdt.limit = 31;
	sregs.cr0 |= 0x80000001;		/* PG, PE */
	sregs.cr3 = PML4_GPA;
	sregs.cr4 |= 0x20;			/* PAE */
	sregs.efer |= 0x500;			/* LMA, LME */
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) ||
	    ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return fail_errno("KVM refuses the first registers");
	return 0;
}

/** boot_load() - put a kernel into guest memory, and vCPU 0 at its entry */
int boot_load(struct vm *vm, const struct boot *boot)
{
	struct boot_params params = { 0 };
	uint64_t entry = 0, end = 0;
	unsigned int i;

	if (vm->ram.region[0].size < 32 * MiB)
		return fail("Linux needs more memory: use --mem 64M or more");
	if (kernel_load(vm, boot->kernel, &params, &entry, &end) ||
	    initrd_load(vm, boot->initrd, &params, end) ||
	    params_write(vm, &params, boot->cmdline) || acpi_build(vm))
		return -1;
	page_tables_write(vm);
	gdt_write(vm);
	for (i = 0; i < vm->config.nr_vcpus; i++)
		if (cpuid_setup(vm, &vm->vcpu[i]))
			return -1;
	return set_registers(&vm->vcpu[0], entry);
}
