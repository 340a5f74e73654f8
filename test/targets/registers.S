/* See registers.h. Frame: 0 out, 8 function, 16 spins, 24 kind, 32 mxcsr, 36 x87 control, 40 rdi. */
        .text
        .globl  hold_registers
        .type   hold_registers, @function
        .p2align 4
hold_registers:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        sub     $72, %rsp
        mov     %rsi, 0(%rsp)
        mov     %rdx, 8(%rsp)
        mov     %rcx, 16(%rsp)
        mov     %r8, 24(%rsp)
        stmxcsr 32(%rsp)
        fnstcw  36(%rsp)

        ldmxcsr 128(%rdi)
        fninit
        fldcw   132(%rdi)
        .irp    offset, 136, 144, 152, 160, 168, 176
        fldl    \offset(%rdi)
        .endr
        .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        mov     256 + 8 * \index(%rdi), %rax
        mov     %rax, -128 + 8 * \index(%rsp)
        .endr

        cmp     $1, %r8
        ja      .Lload_avx512
        je      .Lload_avx
        .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movups  384 + 64 * \index(%rdi), %xmm\index
        .endr
        jmp     .Lloaded
.Lload_avx:
        .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vmovups 384 + 64 * \index(%rdi), %ymm\index
        .endr
        jmp     .Lloaded
.Lload_avx512:
        .irp    index, 1, 2, 3, 4, 5, 6, 7
        kmovq   192 + 8 * \index(%rdi), %k\index
        .endr
        .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vmovups 384 + 64 * \index(%rdi), %zmm\index
        .endr
        .irp    index, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        vmovups 384 + 64 * \index(%rdi), %zmm\index
        .endr
.Lloaded:
        mov     0(%rdi), %rax
        mov     8(%rdi), %rbx
        mov     16(%rdi), %rcx
        mov     24(%rdi), %rdx
        mov     32(%rdi), %rsi
        mov     48(%rdi), %rbp
        mov     56(%rdi), %r8
        mov     64(%rdi), %r9
        mov     72(%rdi), %r10
        mov     80(%rdi), %r11
        mov     88(%rdi), %r12
        mov     96(%rdi), %r13
        mov     104(%rdi), %r14
        mov     112(%rdi), %r15
        mov     40(%rdi), %rdi

        cmpq    $0, 8(%rsp)
        je      .Lspin
        call    *8(%rsp)
        jmp     .Lstore
.Lspin:
        decq    16(%rsp)
        jnz     .Lspin
.Lstore:
        mov     %rdi, 40(%rsp)
        mov     0(%rsp), %rdi
        mov     %rax, 0(%rdi)
        mov     %rbx, 8(%rdi)
        mov     %rcx, 16(%rdi)
        mov     %rdx, 24(%rdi)
        mov     %rsi, 32(%rdi)
        mov     %rbp, 48(%rdi)
        mov     %r8, 56(%rdi)
        mov     %r9, 64(%rdi)
        mov     %r10, 72(%rdi)
        mov     %r11, 80(%rdi)
        mov     %r12, 88(%rdi)
        mov     %r13, 96(%rdi)
        mov     %r14, 104(%rdi)
        mov     %r15, 112(%rdi)
        mov     40(%rsp), %rax
        mov     %rax, 40(%rdi)

        .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        mov     -128 + 8 * \index(%rsp), %rax
        mov     %rax, 256 + 8 * \index(%rdi)
        .endr
        mov     24(%rsp), %r8
        cmp     $1, %r8
        ja      .Lstore_avx512
        je      .Lstore_avx
        .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movups  %xmm\index, 384 + 64 * \index(%rdi)
        .endr
        jmp     .Lstored
.Lstore_avx:
        .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vmovups %ymm\index, 384 + 64 * \index(%rdi)
        .endr
        vzeroupper
        jmp     .Lstored
.Lstore_avx512:
        .irp    index, 1, 2, 3, 4, 5, 6, 7
        kmovq   %k\index, 192 + 8 * \index(%rdi)
        .endr
        .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vmovups %zmm\index, 384 + 64 * \index(%rdi)
        .endr
        .irp    index, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        vmovups %zmm\index, 384 + 64 * \index(%rdi)
        .endr
        vzeroupper
.Lstored:
        stmxcsr 128(%rdi)
        fnstcw  132(%rdi)
        .irp    offset, 176, 168, 160, 152, 144, 136
        fstpl   \offset(%rdi)
        .endr
        fldcw   36(%rsp)
        ldmxcsr 32(%rsp)
        add     $72, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
        .size   hold_registers, . - hold_registers
        .section .note.GNU-stack, "", @progbits
