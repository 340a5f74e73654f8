/*
 * Functions that begin with every kind of instruction whose meaning depends on where it stands, and
 * with plain ones. long f(long x): entry_harness.c runs the function, and then its relocated copy
 * with the original's first bytes overwritten, and compares.
 */
        .macro  begin name
        .p2align 4
        .globl  \name
        .type   \name, @function
\name:
        .endm
        .macro  finish name
        .size   \name, . - \name
        .endm

        .data
        .p2align 5
number: .quad   1000, 2000, 3000, 4000
scratch:
        .quad   0
leaf_pointer:
        .quad   leaf

        .text
leaf:   lea     7(%rdi), %rax
        ret

begin form_rip_load
        mov     number(%rip), %rax
        add     %rdi, %rax
        ret
finish form_rip_load

/* An immediate operand after the displacement. */
begin form_rip_store_immediate
        movl    $1234567, scratch(%rip)
        mov     scratch(%rip), %eax
        add     %rdi, %rax
        ret
finish form_rip_store_immediate

begin form_rip_compare_byte
        cmpb    $0, number+1(%rip)
        setne   %al
        movzbl  %al, %eax
        add     %rdi, %rax
        ret
finish form_rip_compare_byte

begin form_rip_segment
        .byte   0x3e
        mov     number+8(%rip), %eax
        add     %rdi, %rax
        ret
finish form_rip_segment

begin form_call_direct
        call    leaf
        add     %rdi, %rax
        ret
finish form_call_direct

begin form_call_after_frame
        push    %rbx
        mov     %rdi, %rbx
        call    leaf
        add     %rbx, %rax
        pop     %rbx
        ret
finish form_call_after_frame

begin form_call_memory
        call    *leaf_pointer(%rip)
        inc     %rax
        ret
finish form_call_memory

/* As in the general-dynamic TLS sequence. */
begin form_call_data16
        .byte   0x66, 0x66, 0x48
        call    leaf
        inc     %rax
        ret
finish form_call_data16

/* The address of the next instruction itself, wherever the copy runs. */
begin form_call_next
        call    1f
1:      pop     %rax
        lea     1b(%rip), %rcx
        sub     %rcx, %rax
        add     %rdi, %rax
        ret
finish form_call_next

begin form_jcc_short
        test    %rdi, %rdi
        je      1f
        lea     1(%rdi), %rax
        ret
1:      mov     $-5, %rax
        ret
finish form_jcc_short

begin form_jcc_near
        test    %rdi, %rdi
        {disp32} jns 1f
        mov     $-7, %rax
        ret
1:      lea     2(%rdi), %rax
        ret
finish form_jcc_near

/* Branches among the first instructions, forwards and backwards. */
begin form_jump_inside
        xor     %eax, %eax
        jmp     1f
        .byte   0x90
1:      add     %rdi, %rax
        ret
finish form_jump_inside

begin form_jcc_inside
        mov     %edi, %eax
        test    %eax, %eax
        js      1f
        inc     %eax
1:      add     $3, %eax
        cltq
        ret
finish form_jcc_inside

begin form_loop_inside
        mov     $9, %ecx
        mov     %rdi, %rax
1:      inc     %rax
        dec     %ecx
        jnz     1b
        ret
finish form_loop_inside

begin form_count_inside
        mov     $9, %ecx
        mov     %rdi, %rax
1:      add     $2, %rax
        loop    1b
        ret
finish form_count_inside

begin form_loop_to_entry
        add     $3, %rdi
        cmp     $100, %rdi
        jl      form_loop_to_entry
        mov     %rdi, %rax
        ret
finish form_loop_to_entry

begin form_count
        mov     %edi, %ecx
        jrcxz   1f
        lea     4(%rdi), %rax
        ret
1:      mov     $-9, %rax
        ret
finish form_count

begin form_count_short
        mov     %edi, %ecx
        jecxz   1f
        lea     5(%rdi), %rax
        ret
1:      mov     $-11, %rax
        ret
finish form_count_short

begin form_loop_out
        push    $2
        pop     %rcx
        loop    1f
        ud2
1:      lea     6(%rdi), %rax
        ret
finish form_loop_out

begin form_loopne_out
        push    $5
        pop     %rcx
        loopne  1f
        mov     %rcx, %rax
        ret
1:      lea     (%rcx, %rdi), %rax
        ret
finish form_loopne_out

begin form_endbr
        endbr64
        push    %rbp
        mov     %rsp, %rbp
        lea     8(%rdi), %rax
        pop     %rbp
        ret
finish form_endbr

begin form_frame
        push    %rbp
        mov     %rsp, %rbp
        sub     $0x40, %rsp
        mov     %rdi, -8(%rbp)
        mov     -8(%rbp), %rax
        leave
        ret
finish form_frame

begin form_sub
        sub     $0x128, %rsp
        mov     %rdi, (%rsp)
        mov     (%rsp), %rax
        add     $0x128, %rsp
        ret
finish form_sub

/* Its own address, and the address of other data. */
begin form_lea_self
        lea     form_lea_self(%rip), %rax
        lea     leaf(%rip), %rcx
        sub     %rcx, %rax
        add     %rdi, %rax
        ret
finish form_lea_self

begin form_jmp_near
        {disp32} jmp leaf
finish form_jmp_near

begin form_jmp_short
        jmp     1f
        .p2align 4
1:      lea     11(%rdi), %rax
        ret
finish form_jmp_short

begin form_jmp_memory
        jmp     *leaf_pointer(%rip)
finish form_jmp_memory

begin form_jmp_register
        lea     leaf(%rip), %rax
        notrack jmp *%rax
finish form_jmp_register

begin form_jmp_bound
        bnd jmp leaf
finish form_jmp_bound

begin form_ret_padded
        mov     %rdi, %rax
        ret
finish form_ret_padded
        .p2align 4

begin static_ret_alone
        ret
finish static_ret_alone
        .p2align 4, 0xcc

begin form_rep_ret
        mov     %edi, %eax
        rep ret
finish form_rep_ret
        .p2align 4

begin form_movabs
        movabs  $0x1122334455667788, %rax
        add     %rdi, %rax
        ret
finish form_movabs

begin form_thread_pointer
        mov     %fs:0, %rax
        sub     %fs:0, %rax
        add     %rdi, %rax
        ret
finish form_thread_pointer

begin form_string
        cld
        mov     $8, %ecx
        lea     scratch(%rip), %rdx
        push    %rdi
        mov     %rdx, %rdi
        mov     $0x5a, %al
        rep stosb
        pop     %rdi
        mov     scratch(%rip), %rax
        ret
finish form_string

begin form_string_first
        push    %rcx
        xor     %ecx, %ecx
        rep movsb
        pop     %rcx
        mov     %rdi, %rax
        ret
finish form_string_first

begin form_nops
        .byte   0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
        lea     12(%rdi), %rax
        ret
finish form_nops

begin form_nop_with_address
        nopl    number(%rip)
        lea     13(%rdi), %rax
        ret
finish form_nop_with_address

begin form_locked
        lock incl scratch(%rip)
        mov     %rdi, %rax
        ret
finish form_locked

begin form_sse
        movdqu  number(%rip), %xmm0
        movq    %xmm0, %rax
        add     %rdi, %rax
        ret
finish form_sse

begin form_sse_immediate
        pshufd  $0x4e, number(%rip), %xmm0
        movq    %xmm0, %rax
        add     %rdi, %rax
        ret
finish form_sse_immediate

/* Calls itself: the inner call is a new call, and so goes to the entry. */
begin form_recursive
        dec     %rdi
        js      1f
        push    %rdi
        call    form_recursive
        pop     %rdi
        add     %rdi, %rax
        ret
1:      xor     %eax, %eax
        ret
finish form_recursive

begin avx_vex
        vmovdqu number(%rip), %ymm1
        vextracti128 $1, %ymm1, %xmm1
        vmovq   %xmm1, %rax
        vzeroupper
        add     %rdi, %rax
        ret
finish avx_vex

begin avx_vex_immediate
        vpermq  $0x1b, number(%rip), %ymm1
        vmovq   %xmm1, %rax
        vzeroupper
        add     %rdi, %rax
        ret
finish avx_vex_immediate

begin avx512_evex
        vmovdqu64 number(%rip), %xmm17
        vmovdqa64 %xmm17, %xmm1
        vmovq   %xmm1, %rax
        add     %rdi, %rax
        ret
finish avx512_evex

/* Never run, only moved. */
begin static_transaction
        xbegin  1f
        mov     %rdi, %rax
1:      ret
finish static_transaction

begin static_trap
        ud2
finish static_trap
        .p2align 4

begin static_halt
        hlt
finish static_halt
        .p2align 4

/* What must be refused. */
begin refused_short
        mov     %rdi, %rax
        ret
finish refused_short
        .globl  after_refused_short
        .type   after_refused_short, @function
after_refused_short:
        ret
        .size   after_refused_short, 1

begin refused_no_padding
        ret
finish refused_no_padding
        mov     %rdi, %rax
        ret

begin refused_low_pointer
        .byte   0x67
        mov     number(%rip), %rax
        ret
finish refused_low_pointer

begin refused_into_instruction
        xor     %eax, %eax
        js      1f+1
1:      mov     $0, %edi
        ret
finish refused_into_instruction

begin refused_lea_inside
        lea     1f(%rip), %rax
1:      ret
finish refused_lea_inside

begin refused_word_branch
        .byte   0x66
        jmp     leaf
finish refused_word_branch

begin refused_undecodable
        .byte   0x06, 0x06, 0x06, 0x06, 0x06, 0x06
finish refused_undecodable

        .section .note.GNU-stack, "", @progbits
