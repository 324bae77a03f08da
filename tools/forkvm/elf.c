// SPDX-License-Identifier: GPL-2.0
/*
 * ELF: an uncompressed vmlinux, loaded where its program headers say.
 */
#include <elf.h>
#include <string.h>

#include "forkvm.h"

static int segment_load(struct vm *vm, const struct image *image,
			const Elf64_Phdr *ph, uint64_t *end)
{
	uint8_t *to = ram_at(&vm->ram, ph->p_paddr, ph->p_memsz);

	if (ph->p_offset > image->size ||
	    ph->p_filesz > image->size - ph->p_offset ||
	    ph->p_filesz > ph->p_memsz)
		return fail("the kernel image is cut short");
	if (!to)
		return fail("the kernel does not fit; use a larger --mem");
	memcpy(to, image->data + ph->p_offset, ph->p_filesz);
	if (ph->p_paddr + ph->p_memsz > *end)
		*end = ph->p_paddr + ph->p_memsz;
	return 0;
}

/** elf_load() - load a vmlinux; @end is where its memory ends */
int elf_load(struct vm *vm, const struct image *image, uint64_t *entry,
	     uint64_t *end)
{
	const Elf64_Ehdr *eh = (void *)image->data;
	unsigned int i;
	Elf64_Phdr ph;

	if (image->size < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_machine != EM_X86_64)
		return fail("the kernel is neither a bzImage nor an x86-64 "
			    "vmlinux");
	if (eh->e_phoff > image->size || eh->e_phentsize != sizeof(ph) ||
	    eh->e_phnum > (image->size - eh->e_phoff) / sizeof(ph))
		return fail("the kernel image is cut short");
	*end = 0;
	for (i = 0; i < eh->e_phnum; i++) {
		/* They need not lie where such a structure may. */
		memcpy(&ph, image->data + eh->e_phoff + i * sizeof(ph),
		       sizeof(ph));
		if (ph.p_type == PT_LOAD && segment_load(vm, image, &ph, end))
			return -1;
	}
	*entry = eh->e_entry;
	return 0;
}
