/* What stands between functions: see the test of deadPadding. Only the first three leave room for use. */
        .macro  begin name
        .globl  \name
        .type   \name, @function
\name:
        .endm
        .macro  finish name
        .size   \name, . - \name
        .endm

        .text
        .p2align 4
begin returns
        lea     10(%rdi), %rax
        add     $5, %rax
        ret
finish returns
        .skip   8, 0x90
        .skip   8, 0xcc
begin calls_at_its_end
        lea     10(%rdi), %rax
        call    returns
finish calls_at_its_end
        .skip   16, 0xcc
begin tiny
        ret
finish tiny
        .skip   16, 0x90
begin falls_through
        lea     10(%rdi), %rax
        add     $5, %rax
finish falls_through
        .skip   16, 0x90
begin has_no_padding
        lea     10(%rdi), %rax
        ret
finish has_no_padding
begin is_followed_by_code
        lea     10(%rdi), %rax
        ret
finish is_followed_by_code
        .skip   8, 0x90
        mov     %rdi, %rax
        .skip   8, 0x90
begin is_branched_behind
        test    %rdi, %rdi
        je      .Lbehind
        lea     10(%rdi), %rax
        ret
finish is_branched_behind
        .skip   8, 0x90
.Lbehind:
        .skip   8, 0x90
begin is_followed_by_data
        lea     10(%rdi), %rax
        ret
finish is_followed_by_data
        .type   bytes, @object
        .globl  bytes
bytes:
        .skip   16, 0x90
        .size   bytes, . - bytes
begin last
        ret
finish last
        .section .note.GNU-stack, "", @progbits
