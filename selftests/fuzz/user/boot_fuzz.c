// SPDX-License-Identifier: GPL-2.0
/*
 * Kernels and initramfs of whoever made them: bzImage and ELF, into memory of
 * a guest between two walls.
 */
#include <elf.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <asm/bootparam.h>

#include "forkvm.h"
#include "fuzz.h"

#define RAM_SIZE	(32 * MiB)
#define WALL		(1 * MiB)

int acpi_build(struct vm *vm)
{
	(void)vm;
	return 0;
}

int cpuid_setup(struct vm *vm, struct vcpu *vcpu)
{
	(void)vm;
	(void)vcpu;
	return 0;
}

/* The registers come last; there is no vCPU for them. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;

	(void)fd;
	va_start(ap, request);
	if (request == KVM_GET_SREGS)
		memset(va_arg(ap, void *), 0, sizeof(struct kvm_sregs));
	va_end(ap);
	return 0;
}

static uint8_t *ram_between_walls(void)
{
	static uint8_t *ram;
	uint8_t *all;

	if (ram) {
		madvise(ram, RAM_SIZE, MADV_DONTNEED);
		return ram;
	}
	all = mmap(NULL, RAM_SIZE + 2 * WALL, PROT_NONE, MAP_PRIVATE |
		   MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(all != MAP_FAILED);
	ram = all + WALL;
	must(!mprotect(ram, RAM_SIZE, PROT_READ | PROT_WRITE));
	return ram;
}

/* A file with these bytes; the same descriptor every time */
static void put(int *fd, char *path, size_t room, const uint8_t *data,
		size_t size)
{
	if (*fd < 0)
		*fd = memfd_create("image", 0);
	must(*fd >= 0);
	must(!ftruncate(*fd, 0));
	must(pwrite(*fd, data, size, 0) == (ssize_t)size);
	snprintf(path, room, "/proc/self/fd/%d", *fd);
}

static void make_seed(const char *dir, const char *name, const void *data,
		      size_t size)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	must(f && fwrite("\x10\0", 2, 1, f) == 1);
	must(fwrite(data, size, 1, f) == 1);
	must(fwrite("initramfs\0\0\0\0\0\0", 16, 1, f) == 1);
	must(!fclose(f));
}

static void make_elf(const char *dir)
{
	struct {
		Elf64_Ehdr head;
		Elf64_Phdr load[2];
		char code[16];
	} elf = {
		.head = {
			.e_ident = ELFMAG, .e_machine = EM_X86_64,
			.e_entry = 0x1000000, .e_phnum = 2,
			.e_phoff = sizeof(elf.head),
			.e_phentsize = sizeof(elf.load[0]),
		},
		.load[0] = {
			.p_type = PT_LOAD, .p_paddr = 0x1000000,
			.p_offset = offsetof(typeof(elf), code),
			.p_filesz = 16, .p_memsz = 4096,
		},
		.load[1] = { .p_type = PT_NOTE },
	};

	elf.head.e_ident[EI_CLASS] = ELFCLASS64;
	make_seed(dir, "elf", &elf, sizeof(elf));
}

static void make_bzimage(const char *dir)
{
	static uint8_t image[0x1000 + 64];
	struct setup_header *hdr = (void *)(image + 0x1f1);

	hdr->setup_sects = 1;
	hdr->boot_flag = 0xaa55;
	memcpy(&hdr->header, "HdrS", 4);
	hdr->version = 0x20f;
	hdr->xloadflags = XLF_KERNEL_64;
	hdr->pref_address = 0x1000000;
	hdr->init_size = 0x10000;
	hdr->initrd_addr_max = 0x7fffffff;
	make_seed(dir, "bzimage", image, sizeof(image));
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *dir = getenv("FUZZ_SEEDS");

	(void)argc;
	(void)argv;
	if (!dir)
		return 0;
	make_elf(dir);
	make_bzimage(dir);
	exit(0);
}

/* The first two bytes: how much of the rest is the initramfs, if any */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int kernel = -1, initrd = -1;
	char kernel_path[64], initrd_path[64];
	struct boot boot = {
		.kernel = kernel_path, .cmdline = "console=ttyS0",
	};
	struct vm vm = { .config.nr_vcpus = 1, .ram.nr = 1 };
	struct input in = { data, size };
	size_t rd;

	rd = take_byte(&in);
	rd |= take_byte(&in) << 8;
	if (rd && rd < in.size) {
		in.size -= rd;
		put(&initrd, initrd_path, sizeof(initrd_path),
		    in.data + in.size, rd);
		boot.initrd = initrd_path;
	}
	put(&kernel, kernel_path, sizeof(kernel_path), in.data, in.size);
	vm.ram.region[0] = (struct ram_region){
		.size = RAM_SIZE, .hva = ram_between_walls(),
	};
	vm.config.mem_size = RAM_SIZE;
	if (boot_load(&vm, &boot))
		must(strcmp(fail_text(), "no reason was given"));
	return 0;
}
