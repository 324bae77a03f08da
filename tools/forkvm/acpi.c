// SPDX-License-Identifier: GPL-2.0
/*
 * ACPI: the tables that tell Linux of its vCPUs and its generation ID.
 *
 * Hardware-reduced: no PM timer, no SCI, and Linux leaves PIC and PIT alone.
 * Everything lies from ACPI_RSDP_GPA on, in memory that e820 keeps from the
 * guest's allocator; so does the generation ID.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "forkvm.h"
#include "dsdt.h"			/* by iasl from dsdt.asl */

#define TABLES_GPA	(ACPI_RSDP_GPA + 0x100)
#define TABLES_END	GENID_GPA
#define FACS_NONE	0

struct sdt {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t checksum_all, reserved[3];
} __attribute__((packed));

struct gas {				/* generic address structure */
	uint8_t space, width, offset, access;
	uint64_t address;
} __attribute__((packed));

struct fadt {				/* revision 6, 276 bytes */
	struct sdt header;
	uint8_t fixed[73];		/* PM blocks: none */
	uint16_t boot_flags;
	uint8_t reserved;
	uint32_t flags;
	struct gas reset;
	uint8_t reset_value;
	uint16_t arm_flags;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct gas x_blocks[8];
	struct gas sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));

_Static_assert(sizeof(struct fadt) == 276, "FADT revision 6");

#define BOOT_NO_VGA		(1 << 2)
#define FLAG_RESET_REG		(1 << 10)
#define FLAG_HW_REDUCED		(1 << 20)

struct madt {
	struct sdt header;
	uint32_t lapic_gpa, flags;
	struct {
		uint8_t type, length, id, zero;
		uint32_t gpa, gsi;
	} __attribute__((packed)) ioapic;
	struct {
		uint8_t type, length, uid, apic_id;
		uint32_t flags;
	} __attribute__((packed)) lapic[MAX_VCPUS];
} __attribute__((packed));

struct xsdt {
	struct sdt header;
	uint64_t table[2];
} __attribute__((packed));

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *byte = data;
	uint8_t sum = 0;

	while (len--)
		sum += *byte++;
	return -sum;
}

static void fill_header(struct sdt *h, const char *signature, size_t len,
			uint8_t revision)
{
	memcpy(h->signature, signature, 4);
	h->length = len;
	h->revision = revision;
	memcpy(h->oem, "VMFORK", 6);
	memcpy(h->oem_table, "FORKVM  ", 8);
	h->oem_revision = 1;
	memcpy(h->creator, "FKVM", 4);
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = checksum(h, len);
}

/* Puts a table at *gpa and moves *gpa behind it; returns where it went */
static uint64_t place(struct vm *vm, uint64_t *gpa, const void *table,
		      size_t len)
{
	uint64_t at = *gpa;

	memcpy(ram_at(&vm->ram, at, len), table, len);
	*gpa = (at + len + 15) & ~15ULL;
	return at;
}

static uint64_t place_fadt(struct vm *vm, uint64_t *gpa, uint64_t dsdt)
{
	struct fadt fadt = {
		.boot_flags = BOOT_NO_VGA,
		.flags = FLAG_RESET_REG | FLAG_HW_REDUCED,
		.reset = { .space = 1, .width = 8, .access = 1,
			   .address = EXIT_PORT },
		.x_dsdt = dsdt,
		.sleep_control = { .space = 1, .width = 8, .access = 1,
				   .address = SLEEP_PORT },
		.sleep_status = { .space = 1, .width = 8, .access = 1,
				  .address = SLEEP_PORT },
	};

	fill_header(&fadt.header, "FACP", sizeof(fadt), 6);
	return place(vm, gpa, &fadt, sizeof(fadt));
}

static uint64_t place_madt(struct vm *vm, uint64_t *gpa)
{
	unsigned int i, nr = vm->config.nr_vcpus;
	size_t len = offsetof(struct madt, lapic) +
		     nr * sizeof(((struct madt *)0)->lapic[0]);
	struct madt madt = {
		.lapic_gpa = 0xfee00000,
		.ioapic = { .type = 1, .length = 12, .gpa = 0xfec00000 },
	};

	for (i = 0; i < nr; i++) {
		madt.lapic[i].length = 8;
		madt.lapic[i].uid = i;
		madt.lapic[i].apic_id = i;
		madt.lapic[i].flags = 1;	/* enabled */
	}
	fill_header(&madt.header, "APIC", len, 4);
	return place(vm, gpa, &madt, len);
}

static void write_rsdp(struct vm *vm, uint64_t xsdt)
{
	struct rsdp rsdp = {
		.signature = "RSD PTR ", .oem = "VMFORK", .revision = 2,
		.length = sizeof(rsdp), .xsdt = xsdt,
	};

	rsdp.checksum = checksum(&rsdp, 20);
	rsdp.checksum_all = checksum(&rsdp, sizeof(rsdp));
	memcpy(ram_at(&vm->ram, ACPI_RSDP_GPA, sizeof(rsdp)), &rsdp,
	       sizeof(rsdp));
}

/** acpi_build() - write the tables and a first generation ID */
int acpi_build(struct vm *vm)
{
	uint8_t genid[GENID_LEN];
	uint64_t gpa = TABLES_GPA;
	struct xsdt xsdt = { 0 };
	uint64_t dsdt;

	_Static_assert(sizeof(dsdt_aml_code) < 0x4000, "DSDT is in its place");
	dsdt = place(vm, &gpa, dsdt_aml_code, sizeof(dsdt_aml_code));
	xsdt.table[0] = place_fadt(vm, &gpa, dsdt);
	xsdt.table[1] = place_madt(vm, &gpa);
	fill_header(&xsdt.header, "XSDT", sizeof(xsdt), 1);
	write_rsdp(vm, place(vm, &gpa, &xsdt, sizeof(xsdt)));

	if (getrandom(genid, sizeof(genid), 0) != sizeof(genid))
		return fail_errno("no random generation ID");
	memcpy(ram_at(&vm->ram, GENID_GPA, GENID_LEN), genid, GENID_LEN);
	return 0;
}

/**
 * genid_renew() - give the guest a new generation ID and tell it
 *
 * Before its vCPUs run.  Linux' vmgenid driver then stirs its random state.
 */
int genid_renew(struct vm *vm, const uint8_t *genid)
{
	memcpy(ram_at(&vm->ram, GENID_GPA, GENID_LEN), genid, GENID_LEN);
	vm_irq(vm, GENID_GSI, 1);
	vm_irq(vm, GENID_GSI, 0);
	return 0;
}
