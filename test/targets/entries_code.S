/*
 * Functions whose first bytes are hard to redirect. Unless said otherwise each
 * takes x in rdi and returns x + 10.
 */
        .macro  begin name
        .globl  \name
        .type   \name, @function
\name:
        .endm
        .macro  finish name
        .size   \name, . - \name
        .endm

        .text
/* Four bytes, and the next function follows at once. Returns x. */
        .p2align 4
begin short_unpadded
        mov     %rdi, %rax
        ret
finish short_unpadded
begin after_short
        lea     10(%rdi), %rax
        ret
finish after_short

/* Four bytes and room, filled as compilers fill it. Return x. */
        .p2align 4
begin short_padded
        mov     %rdi, %rax
        ret
finish short_padded
        .p2align 4
begin short_int3
        mov     %rdi, %rax
        ret
finish short_int3
        .skip   12, 0xcc

/* Four bytes (returns x), and what follows looks like room but is the body of the next but one. */
        .p2align 4
begin false_padding
        mov     %rdi, %rax
        ret
finish false_padding
.Lbody_without_name:
        lea     10(%rdi), %rax
        ret
        .p2align 4
begin false_padding_user
        jmp     .Lbody_without_name
finish false_padding_user

/* A loop whose head is the third byte: adds 1 ten times. */
        .p2align 4
begin loop_back
        xor     %ecx, %ecx
.Lloop_back:
        inc     %ecx
        add     $1, %rdi
        cmp     $10, %ecx
        jne     .Lloop_back
        mov     %rdi, %rax
        ret
finish loop_back

/* A far branch, from behind the return, into the fourth byte. */
        .p2align 4
begin branch_from_behind
        mov     %rdi, %rax
.Lfourth_byte:
        add     $5, %rax
        cmp     %rdi, %rax
        jg      .Lmaybe_once_more
        ret
        .skip   200, 0x90
.Lmaybe_once_more:
        sub     $5, %rax
        cmp     %rdi, %rax
        lea     10(%rax), %rax
        je      .Ldone_behind
        jmp     .Lfourth_byte
.Ldone_behind:
        ret
finish branch_from_behind

/* Another function ends by jumping to the fourth byte of this one. */
        .p2align 4
begin shared_tail
        mov     %rdi, %rax
.Lshared_tail:
        add     $10, %rax
        ret
finish shared_tail
        .p2align 4
begin shared_tail_user
        lea     5(%rdi), %rax
        sub     $5, %rax
        jmp     .Lshared_tail
finish shared_tail_user

/* A jump table one of whose entries is the fourth byte. */
        .p2align 4
begin jump_table
        mov     %rdi, %rax
.Lcase_zero:
        add     $2, %rax
        mov     %rax, %rcx
        sub     %rdi, %rcx
        cmp     $10, %rcx
        ja      .Lcase_end
        lea     .Ljump_table(%rip), %rdx
        shr     $1, %rcx
        movslq  (%rdx, %rcx, 4), %rcx
        add     %rdx, %rcx
        jmp     *%rcx
.Lcase_end:
        sub     $2, %rax
.Lcase_last:
        ret
finish jump_table
        .section .rodata
        .p2align 2
.Ljump_table:
        .long   .Lcase_zero - .Ljump_table
        .long   .Lcase_zero - .Ljump_table
        .long   .Lcase_zero - .Ljump_table
        .long   .Lcase_zero - .Ljump_table
        .long   .Lcase_zero - .Ljump_table
        .long   .Lcase_last - .Ljump_table
        .text

/* Loops to its own first byte: x counts up in r11, as a tail call of itself would. */
        .p2align 4
begin loop_to_start
        add     $1, %rdi
        inc     %esi
        cmp     $10, %esi
        jb      loop_to_start
        mov     %rdi, %rax
        ret
finish loop_to_start

/* The first instruction's operand, target or effect depends on where it stands. */
        .p2align 4
begin rip_relative
        mov     .Lten(%rip), %rax
        add     %rdi, %rax
        ret
finish rip_relative
        .p2align 4
begin rip_relative_compare
        cmpl    $10, .Lten(%rip)
        jne     1f
        lea     10(%rdi), %rax
        ret
1:      xor     %eax, %eax
        ret
finish rip_relative_compare
        .section .data
        .p2align 3
.Lten:  .quad   10
        .text
        .p2align 4
begin call_first
        call    .Ladd_five
        add     $5, %rax
        ret
.Ladd_five:
        lea     5(%rdi), %rax
        ret
finish call_first
        .p2align 4
begin get_pc
        call    1f
1:      pop     %rax
        lea     1b(%rip), %rdx
        sub     %rdx, %rax
        lea     10(%rax, %rdi), %rax
        ret
finish get_pc
        .p2align 4
begin branch_first
        test    %rdi, %rdi
        js      1f
        lea     10(%rdi), %rax
        ret
1:      lea     10(%rdi), %rax
        ret
finish branch_first
        .p2align 4
begin jrcxz_first
        mov     %edi, %ecx
        jrcxz   1f
        lea     10(%rdi), %rax
        ret
1:      lea     10(%rdi), %rax
        ret
finish jrcxz_first
        .p2align 4
begin jump_first
        jmp     .Lfar
finish jump_first
        .skip   300, 0x90
.Lfar:  lea     10(%rdi), %rax
        ret
        .p2align 4
        .p2align 4
begin short_jump_first
        jmp     .Lnear
finish short_jump_first
        .skip   20, 0x90
.Lnear: lea     10(%rdi), %rax
        ret
        .p2align 4
begin endbr_first
        endbr64
        lea     10(%rdi), %rax
        ret
finish endbr_first
/* The callee's address is compared with what is on the stack. */
        .p2align 4
begin stack_first
        push    %rdi
        pop     %rax
        add     $10, %rax
        ret
finish stack_first

/* Entries that cross a cache line and a page, after one, three and four bytes. */
        .p2align 6
        .skip   62, 0xcc
begin line_crossing
        lea     10(%rdi), %rax
        ret
finish line_crossing
        .p2align 12, 0xcc
        .skip   4095, 0xcc
begin page_crossing_one
        lea     10(%rdi), %rax
        ret
finish page_crossing_one
        .p2align 12, 0xcc
        .skip   4093, 0xcc
begin page_crossing_three
        mov     %rdi, %rax
        add     $10, %rax
        ret
finish page_crossing_three
        .p2align 12, 0xcc
        .skip   4092, 0xcc
begin page_crossing_four
        lea     10(%rdi), %rax
        ret
finish page_crossing_four

/* Starts with an instruction that may stay, up to the page's end. */
        .p2align 12, 0xcc
        .skip   4092, 0xcc
begin page_crossing_endbr
        endbr64
        mov     %rdi, %rax
        add     $10, %rax
        ret
finish page_crossing_endbr
        .p2align 12, 0xcc
        .skip   4095, 0xcc
begin page_crossing_push
        push    %rbp
        mov     %rsp, %rbp
        lea     10(%rdi), %rax
        pop     %rbp
        ret
finish page_crossing_push
        .p2align 12, 0xcc
        .skip   4092, 0xcc
begin page_crossing_pushes
        push    %rbx
        push    %r12
        push    %rdi
        mov     (%rsp), %rax
        add     $10, %rax
        add     $8, %rsp
        pop     %r12
        pop     %rbx
        ret
finish page_crossing_pushes
/* The same, but a loop comes back to the place behind it. */
        .p2align 12, 0xcc
        .skip   4095, 0xcc
begin page_crossing_loop
        push    %rdi
.Lpage_crossing_loop:
        add     $1, %rdi
        lea     -10(%rdi), %rax
        cmp     (%rsp), %rax
        jne     .Lpage_crossing_loop
        mov     %rdi, %rax
        add     $8, %rsp
        ret
finish page_crossing_loop
/* Two bytes before the page's end, but no room that a short jump reaches. */
        .p2align 12, 0xcc
        .skip   3900, 0xcc
begin before_crowded
        .skip   189, 0x90
        lea     10(%rdi), %rax
        ret
finish before_crowded
begin page_crossing_crowded
        mov     %rdi, %rax
        add     $10, %rax
        ret
finish page_crossing_crowded
begin after_crowded
        .skip   189, 0x90
        lea     10(%rdi), %rax
        ret
finish after_crowded
/* As fill below, with a page's end behind the first instruction. */
        .p2align 12, 0xcc
        .skip   4095, 0xcc
begin fill_crossing
        push    %rbx
        mov     %rdx, %rax
        rep stosb
        pop     %rbx
        ret
finish fill_crossing

/* long fill(char *to, long unused, long byte, long count): threads stand at the fourth byte for long. */
        .p2align 4
begin fill
        mov     %rdx, %rax
        rep stosb
        ret
finish fill

/* long enter(long a, long b, long c, long number): threads are blocked behind the fourth byte. */
        .p2align 4
begin enter
        mov     %ecx, %eax
        syscall
        ret
finish enter
        .section .note.GNU-stack, "", @progbits
