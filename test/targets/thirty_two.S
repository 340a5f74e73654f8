/* A 32-bit program, without any library: ends with its parent, says READY, waits for the end of input. */
        .text
        .globl  _start
_start:
        mov     $172, %eax              /* prctl(PR_SET_PDEATHSIG, SIGKILL) */
        mov     $1, %ebx
        mov     $9, %ecx
        int     $0x80
        mov     $4, %eax                /* write(1, "READY\n", 6) */
        mov     $1, %ebx
        mov     $ready, %ecx
        mov     $6, %edx
        int     $0x80
1:      mov     $3, %eax                /* read(0, buffer, 1) until it returns 0 */
        xor     %ebx, %ebx
        mov     $buffer, %ecx
        mov     $1, %edx
        int     $0x80
        test    %eax, %eax
        jg      1b
        mov     $1, %eax                /* exit(0) */
        xor     %ebx, %ebx
        int     $0x80
        .section .rodata
ready:  .ascii  "READY\n"
        .bss
buffer: .skip   4
        .section .note.GNU-stack, "", @progbits
