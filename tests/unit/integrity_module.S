# SPDX-License-Identifier: GPL-2.0-or-later
# What a module's file is made of, for test_integrity_text.c: every relocation and
# every patch section.  The linker lays it out a second time, as memory.

	.section .note.gnu.build-id, "a", @note
	.long 4, 20, 3
	.ascii "GNU\0"
	.fill 20, 1, 0xab

	.section .modinfo, "a"
	.asciz "license=GPL"
	.asciz "depends=irqbypass,test-helper"
	.asciz "name=test"

# struct alt_instr of 6.3 and later; 6.1's has no flags: -DOLD
.macro alternative at, length, replacement, replacement_length, flags=0
	.pushsection .altinstructions, "a"
	.long \at - .
	.long \replacement - .
	.word 17
#ifndef OLD
	.word \flags
#endif
	.byte \length, \replacement_length
	.popsection
.endm

.macro listed section, at
	.pushsection \section, "a"
	.long \at - .
	.popsection
.endm

	.text
	.globl code
code:
fentry:	call __fentry__
	.pushsection __mcount_loc, "a"
	.quad fentry
	.popsection
plain:
	movq $datum, %rax
	movl $small_value, %edi
	movabsq $datum, %rbx
	leaq datum + 4(%rip), %rcx
outside: call exported_function
	jmp elsewhere
helped:	call helper_function

alt:	.fill 9, 1, 0x90
	alternative alt, 9, alt_new, (alt_new_end - alt_new)
	alternative alt, 9, alt_other, (alt_other_end - alt_other)
alt_next:
	movl $0x12345678, %eax
alt_empty: .byte 0x0f, 0x01, 0xcb	# stac
	alternative alt_empty, 3, alt_none, 0
alt_jump: jmp elsewhere
	alternative alt_jump, 5, alt_near, 5
direct:	.byte 0xff, 0x15
	.long pv_ops - . - 4
	alternative direct, 6, direct_new, 5, 2

retpoline: call __x86_indirect_thunk_r11
	listed .retpoline_sites, retpoline
retpoline_jump: .byte 0x2e
	jmp __x86_indirect_thunk_rax
	listed .retpoline_sites, retpoline_jump
retpoline_condition: .byte 0x0f, 0x84
	.long __x86_indirect_thunk_rdx - . - 4
	listed .retpoline_sites, retpoline_condition
return:	jmp __x86_return_thunk
	listed .return_sites, return
endbr:	endbr64
	listed .ibt_endbr_seal, endbr
locked:	lock incl (%rax)
	listed .smp_locks, locked

label:	.byte 0x0f, 0x1f, 0x44, 0x00, 0x00
	.pushsection __jump_table, "aw"
	.long label - ., label_target - .
	.quad key - .
	.popsection
label_short: .byte 0x66, 0x90
	.pushsection __jump_table, "aw"
	.long label_short - ., label_target - .
	.quad key - .
	.popsection
label_target:
	nop
static_call: call __SCT__here
	.pushsection .static_call_sites, "aw"
	.long static_call - ., key - .
	.popsection
static_tail: jmp __SCT__here
	.pushsection .static_call_sites, "aw"
	.long static_tail - ., key + 1 - .
	.popsection
static_warning: call __SCT__WARN_trap
	.pushsection .static_call_sites, "aw"
	.long static_warning - ., key - .
	.popsection
paravirt: .byte 0xff, 0x15
	.long pv_ops - . - 4
	.pushsection .parainstructions, "a"
	.balign 8
	.quad paravirt
	.byte 3, 6
	.short 0
	.balign 8
	.popsection
elsewhere:
	xorl %eax, %eax
	jmp __x86_return_thunk
	int3
	.fill 4, 1, 0x90
end:	.byte 0x0f, 0x0b

	.section .altinstr_replacement, "ax"
alt_new: call exported_function
alt_new_end:
alt_other: .byte 0x0f, 0xae, 0xe8
	jmp __x86_return_thunk
alt_other_end:
	listed .return_sites, alt_other + 3
alt_none:
alt_near: jmp label_target
direct_new: call exported_function

	.section .static_call.text, "ax"
	.globl __SCT__here
__SCT__here: jmp exported_function
	.byte 0x0f, 0xb9, 0xcc

	.section .rodata, "a"
table:	.quad code, elsewhere
	.long code - .

	.data
datum:	.quad 0, 0
key:	.quad 0
far:	.quad datum - .

	.section .init.text, "ax"
	.fill 16, 1, 0xcc
