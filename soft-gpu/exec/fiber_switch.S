// SPDX-License-Identifier: Apache-2.0
// The two pieces of a fiber that C++ cannot say. Only what a called function must preserve is saved:
// a switch is an ordinary call to the compiler.

	.text

// void farlane_soft_switch(void** save_stack_pointer, void* stack_pointer)
	.globl	farlane_soft_switch
	.hidden	farlane_soft_switch
	.type	farlane_soft_switch, @function
farlane_soft_switch:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
	.size	farlane_soft_switch, . - farlane_soft_switch

// Where a new fiber begins: calls the function in r13 with the argument in r12, which never returns.
	.globl	farlane_soft_fiber_start
	.hidden	farlane_soft_fiber_start
	.type	farlane_soft_fiber_start, @function
farlane_soft_fiber_start:
	movq	%r12, %rdi
	call	*%r13
	ud2
	.size	farlane_soft_fiber_start, . - farlane_soft_fiber_start

	.section	.note.GNU-stack, "", @progbits
