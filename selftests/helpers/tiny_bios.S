/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest for QEMU, in place of its firmware (-bios): 64 KiB of ROM, mapped below
 * 1 MiB.  It looks at all memory from 1 MiB on, and overwrites it some times.
 *
 * Each word of 64 bits there is to be its own address / 8 + 1, with a stamp in
 * its upper half; so says cli_target, whose first stamp is 0x10000.  Numbers of
 * 32 bits, big endian, come in the machine's UUID:
 *
 *	the stamp that it has to find
 *	the stamp that it writes, plus 1; then plus 2, and plus 3
 *	1: every third page is zeroes at first; 2: it does not end
 *
 * It writes "D" to port 0xe9, or "W" if anything was wrong, and ends QEMU
 * (isa-debug-exit at port 0xf4) with status 33, or 35.
 */
#define FIRST_PAGE	0x100000
#define ROUNDS		3
#define HOLES		1
#define STAYS		2

#define FW_CFG		0x510
#define FW_CFG_UUID	2

	.code16
origin:
start:
	cli
	lgdtl	%cs:(gdt_pointer - origin)
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$8, $protected

	.code32
protected:
	movw	$16, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$0x8000, %esp
	call	find_end
	movw	$FW_CFG, %dx
	movw	$FW_CFG_UUID, %ax
	outw	%ax, %dx
	call	number
	pushl	%eax
	call	number
	movl	%eax, %esi
	call	number
	popl	%edx
	pushl	%eax			/* the flags, at (%esp) */

	testl	$HOLES, %eax
	setnz	%cl			/* are there holes? */
	call	check
	movl	%esi, %edx
	movl	$ROUNDS, %esi
	movb	$0, %cl
1:	incl	%edx
	call	write
	call	check
	decl	%esi
	jnz	1b

	movb	$'D', %al
	outb	%al, $0xe9
	testl	$STAYS, (%esp)
	jnz	stay
	movl	$16, %eax
	outl	%eax, $0xf4
stay:	hlt
	jmp	stay

wrong:
	movb	$'W', %al
	outb	%al, $0xe9
	movl	$17, %eax
	outl	%eax, $0xf4
	jmp	stay

/* Where memory ends, to %ebp: the CMOS knows how much there is above 16 MiB. */
find_end:
	xorl	%eax, %eax
	movb	$0x35, %al
	outb	%al, $0x70
	inb	$0x71, %al
	movb	%al, %ah
	movb	$0x34, %al
	outb	%al, $0x70
	inb	$0x71, %al
	shll	$16, %eax
	leal	0x1000000(%eax), %ebp
	ret

/* The next of the numbers, to %eax */
number:
	movw	$(FW_CFG + 1), %dx
	movl	$4, %ecx
1:	shll	$8, %eax
	inb	%dx, %al
	loop	1b
	ret

/* Is the stamp in all memory %edx?  With %cl, every third page is zeroes. */
check:
	movl	$FIRST_PAGE, %edi
	movl	$((FIRST_PAGE / 4096) % 3), %ebx
1:	cmpl	$2, %ebx
	jne	3f
	testb	%cl, %cl
	jz	3f
2:	cmpl	$0, (%edi)
	jne	wrong
	addl	$4, %edi
	testl	$4095, %edi
	jnz	2b
	jmp	5f
3:	movl	%edi, %eax
	shrl	$3, %eax
4:	incl	%eax
	cmpl	%eax, (%edi)
	jne	wrong
	cmpl	%edx, 4(%edi)
	jne	wrong
	addl	$8, %edi
	testl	$4095, %edi
	jnz	4b
5:	incl	%ebx
	cmpl	$3, %ebx
	jb	6f
	xorl	%ebx, %ebx
6:	cmpl	%ebp, %edi
	jb	1b
	ret

/* Write the stamp %edx to all memory. */
write:
	movl	$FIRST_PAGE, %edi
	movl	%edi, %eax
	shrl	$3, %eax
1:	incl	%eax
	movl	%eax, (%edi)
	movl	%edx, 4(%edi)
	addl	$8, %edi
	cmpl	%ebp, %edi
	jb	1b
	ret

/* Of 4 GiB each; marked as used already, as this is ROM. */
	.balign	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* 8: code */
	.quad	0x00cf93000000ffff	/* 16: data */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt

	/* Where a CPU begins. */
	.org	0xfff0, 0xff
	.code16
	ljmpw	$0xf000, $0
	.org	0x10000, 0xff
