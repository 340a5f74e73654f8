/* Storing instructions, each followed by a jump back: what execute_check runs twice. */
#include "execute_check.h"

.macro form flags:req, text:vararg
  .pushsection .rodata
name\@: .asciz "\text"
  .popsection
  .pushsection .data.forms, "aw"
  .quad name\@, code\@, \flags
  .popsection
code\@: \text
  jmp *machine_back(%rip)
.endm

  .section .note.GNU-stack, "", @progbits
  .pushsection .data.forms, "aw"
  .globl forms
  .balign 8
forms:
  .popsection
  .text

/* Integers: every operation, every size, every kind of operand. */
.irp op, add, or, adc, sbb, and, sub, xor, mov, xchg
  form 0, \op %al, (%rdi)
  form 0, \op %bh, 1(%rdi)
  form 0, \op %dx, -8(%rdi)
  form 0, \op %ebp, 0x123(%rdi)
  form 0, \op %r13, (%rdi,%rsi,8)
.endr
.irp op, add, or, adc, sbb, and, sub, xor
  form 0, \op\()b $0x85, (%rdi)
  form 0, \op\()w $0x1234, (%rdi)
  form 0, \op\()w $-5, (%rdi)
  form 0, \op\()l $0x12345678, (%rdi)
  form 0, \op\()l $7, page+256(%rip)
  form 0, \op\()q $-0x12345678, (%rdi,%rsi,2)
  form 0, lock \op %rax, (%rdi)
  form 0, lock \op\()w $0x4321, 3(%rdi)
.endr
.irp op, inc, dec, neg, not
  form 0, \op\()b (%rdi)
  form 0, \op\()w (%rdi)
  form 0, \op\()l (%rdi)
  form 0, \op\()q (%rdi)
  form 0, lock \op\()l 5(%rdi)
.endr
.irp op, rol, ror, rcl, rcr, shl, shr, sar
  form 0, \op\()b (%rdi)
  form 0, \op\()w $5, (%rdi)
  form 0, \op\()l %cl, (%rdi)
  form 0, \op\()q $61, (%rdi)
  form 0, \op\()q %cl, page+300(%rip)
.endr
  form 0, movb $0x5a, (%rdi)
  form 0, movw $0x5aa5, (%rdi)
  form 0, movl $0x12345678, page+512(%rip)
  form 0, movq $-2, 0x7f(%rdi)
  form 0, mov %rsp, (%rdi)
  form 0, xchg %rsp, (%rdi)
  form 0, xadd %rsp, (%rdi)
  form 0, mov %ds, (%rdi)
  form 0, xchg %r12, (%r15)
  form 0, mov %rdi, (%rdi)
  form 0, xadd %al, (%rdi)
  form 0, lock xadd %cx, (%rdi)
  form 0, lock xadd %r9d, (%rdi)
  form 0, xadd %r10, (%rdi)
  form MATCH, cmpxchg %bl, (%rdi)
  form MATCH, lock cmpxchg %bx, (%rdi)
  form MATCH, lock cmpxchg %r8d, (%rdi)
  form MATCH, cmpxchg %rbx, (%rdi)
  form MATCH, lock cmpxchg %rsp, (%rdi)
  form MATCH, cmpxchg8b (%rdi)
  form MATCH, lock cmpxchg8b (%rdi)
  form MATCH | ALIGN, lock cmpxchg16b (%rdi)
.irp condition, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g
  form 0, set\condition (%rdi)
.endr
.irp op, bts, btr, btc
  form 0, \op\()w $9, (%rdi)
  form 0, \op\()l $30, (%rdi)
  form 0, lock \op\()q $63, (%rdi)
  form BIT, \op %cx, (%rdi)
  form BIT, \op %ecx, (%rdi)
  form BIT, lock \op %rcx, (%rdi)
.endr
.irp op, shld, shrd
  form 0, \op $3, %ax, (%rdi)
  form 0, \op %cl, %edx, (%rdi)
  form 0, \op %cl, %r11, (%rdi)
.endr
  form 0, movnti %eax, (%rdi)
  form 0, movnti %r14, (%rdi)
  form MOVBE, movbe %ax, (%rdi)
  form MOVBE, movbe %r8d, (%rdi)
  form MOVBE, movbe %rbp, (%rdi)
  form MOVDIRI, movdiri %eax, (%rdi)
  form MOVDIRI, movdiri %rax, (%rdi)
  form LOW, mov %eax, (%edi)
  form LOW, lock add %rax, 8(%edi)
  form LOW, movups %xmm3, (%edi)
  form FS, add %rdx, %fs:(%rdi)
  form FS, movq $17, %fs:8(%rdi)
  form FS | ALIGN, movaps %xmm7, %fs:(%rdi)
  form 0, .byte 0xf2, 0xf0, 0x87, 0x07
  form 0, .byte 0x66, 0x66, 0x2e, 0x3e, 0x01, 0x07
  form POP, pop (%rdi)
  form POP, popw 6(%rdi)
  form POP, pop 8(%rsp)
  form 0, movabs %al, page+601
  form 0, movabs %ax, page+602
  form 0, movabs %eax, page+604
  form 0, movabs %rax, page+608
.irp size, b, w, l, q
  form STRING, stos\size
  form STRING | MAYBE, rep stos\size
  form STRING, movs\size
  form STRING | MAYBE, rep movs\size
.endr

/* x87 and MMX. */
.irp op, fsts, fstps, fstl, fstpl, fstpt, fists, fistl, fistps, fistpl, fistpll, fisttps, fisttpl, fisttpll, fbstp, fnstcw, fnstsw
  form 0, \op (%rdi)
  form 0, \op page+333(%rip)
.endr
  form 0, movd %mm3, (%rdi)
  form 0, movq %mm5, (%rdi,%rsi)
  form 0, movntq %mm7, (%rdi)

/* SSE. */
.irp op, movups, movupd, movdqu, movss, movsd, movlps, movlpd, movhps, movhpd, movd, movq
  form 0, \op %xmm1, (%rdi)
  form 0, \op %xmm14, 24(%rdi,%rsi,4)
.endr
.irp op, movaps, movapd, movdqa, movntps, movntpd, movntdq
  form ALIGN, \op %xmm9, 64(%rdi)
.endr
  form 0, movq %xmm6, page+411(%rip)
  form 0, pextrb $11, %xmm2, (%rdi)
  form 0, pextrw $5, %xmm2, (%rdi)
  form 0, pextrd $2, %xmm12, (%rdi)
  form 0, pextrq $1, %xmm2, (%rdi)
  form 0, extractps $3, %xmm2, (%rdi)
  form 0, stmxcsr (%rdi)

/* AVX. */
.irp op, vmovups, vmovupd, vmovdqu
  form AVX, \op %xmm1, (%rdi)
  form AVX, \op %ymm13, (%r15,%rsi,2)
.endr
.irp op, vmovaps, vmovapd, vmovdqa, vmovntps, vmovntpd, vmovntdq
  form AVX | ALIGN, \op %xmm9, (%rdi)
  form AVX | ALIGN, \op %ymm2, (%r15)
.endr
.irp op, vmovss, vmovsd, vmovlps, vmovlpd, vmovhps, vmovhpd, vmovd, vmovq
  form AVX, \op %xmm10, (%rdi)
.endr
  form AVX, vpextrb $9, %xmm8, (%rdi)
  form AVX, vpextrw $2, %xmm8, (%rdi)
  form AVX, vpextrd $1, %xmm8, (%rdi)
  form AVX, vpextrq $0, %xmm8, (%r15)
  form AVX, vextractps $1, %xmm8, (%rdi)
  form AVX, vextractf128 $1, %ymm5, (%rdi)
  form AVX, vextracti128 $0, %ymm15, (%r15)
  form AVX, vcvtps2ph $4, %xmm5, (%rdi)
  form AVX, vcvtps2ph $1, %ymm5, (%r15)
  form AVX, vstmxcsr (%rdi)
.irp op, vmaskmovps, vmaskmovpd, vpmaskmovd, vpmaskmovq
  form AVX | MAYBE, \op %xmm1, %xmm2, (%rdi)
  form AVX | MAYBE, \op %ymm11, %ymm12, (%r15)
.endr

/* AVX-512. */
.irp op, kmovb, kmovw, kmovd, kmovq
  form AVX512, \op %k3, (%rdi)
.endr
.irp op, vmovups, vmovupd, vmovdqu8, vmovdqu16, vmovdqu32, vmovdqu64
  form AVX512, \op %xmm17, 16(%rdi)
  form AVX512, \op %ymm29, 64(%rdi,%rsi)
  form AVX512, \op %zmm3, 128(%r15)
  form AVX512 | MAYBE, \op %zmm31, (%rdi){%k2}
  form AVX512 | MAYBE, \op %ymm4, 32(%rdi){%k5}
.endr
.irp op, vmovaps, vmovapd, vmovdqa32, vmovdqa64
  form AVX512 | ALIGN, \op %zmm19, 64(%rdi)
  form AVX512 | ALIGN | MAYBE, \op %ymm19, (%rdi){%k1}
.endr
.irp op, vmovntps, vmovntpd, vmovntdq
  form AVX512 | ALIGN, \op %zmm20, 64(%rdi)
.endr
.irp op, vmovss, vmovsd
  form AVX512 | MAYBE, \op %xmm21, 8(%rdi){%k4}
.endr
.irp op, vmovlps, vmovhps, vmovlpd, vmovhpd, vmovd, vmovq
  form AVX512, \op %xmm22, 8(%rdi)
.endr
.irp op, vpmovwb, vpmovswb, vpmovuswb, vpmovdb, vpmovsdb, vpmovusdb, vpmovqb, vpmovsqb, vpmovusqb, vpmovdw, vpmovsdw, vpmovusdw, vpmovqw, vpmovsqw, vpmovusqw, vpmovqd, vpmovsqd, vpmovusqd
  form AVX512, \op %xmm18, (%rdi)
  form AVX512, \op %ymm7, 32(%rdi)
  form AVX512 | MAYBE, \op %zmm27, 32(%rdi){%k6}
.endr
.irp op, vcompressps, vcompresspd, vpcompressd, vpcompressq
  form AVX512 | MAYBE, \op %zmm16, 8(%rdi){%k1}
  form AVX512 | MAYBE, \op %xmm16, (%rdi){%k7}
.endr
.irp op, vpcompressb, vpcompressw
  form VBMI2 | MAYBE, \op %zmm16, 8(%rdi){%k1}
  form VBMI2 | MAYBE, \op %ymm3, (%rdi){%k3}
.endr
.irp op, vextractf32x4, vextractf64x2, vextracti32x4, vextracti64x2
  form AVX512, \op $3, %zmm16, 16(%rdi)
  form AVX512 | MAYBE, \op $1, %ymm16, 16(%rdi){%k2}
.endr
.irp op, vextractf32x8, vextractf64x4, vextracti32x8, vextracti64x4
  form AVX512 | MAYBE, \op $1, %zmm30, 32(%rdi){%k1}
.endr
  form AVX512, vpextrb $3, %xmm23, 5(%rdi)
  form AVX512, vpextrw $3, %xmm23, 4(%rdi)
  form AVX512, vpextrd $3, %xmm23, 4(%rdi)
  form AVX512, vpextrq $1, %xmm23, 8(%rdi)
  form AVX512, vextractps $2, %xmm23, 4(%rdi)
  form AVX512, vcvtps2ph $4, %zmm23, 32(%rdi)
  form AVX512 | MAYBE, vcvtps2ph $3, %ymm23, 16(%rdi){%k3}
  form FP16 | MAYBE, vmovsh %xmm3, 6(%rdi){%k1}
  form FP16, vmovw %xmm24, 6(%rdi)

  .pushsection .data.forms, "aw"
  .quad 0, 0, 0
  .popsection

/* The other machine: loads everything, runs the instruction, keeps everything. */
  .text
  .globl machine_run
machine_run:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, machine+136(%rip)
  mov machine_features(%rip), %eax
  xor %edx, %edx
  xrstor64 machine_before(%rip)
  pushq machine+128(%rip)
  popfq
  mov machine+0(%rip), %r8
  mov machine+8(%rip), %r9
  mov machine+16(%rip), %r10
  mov machine+24(%rip), %r11
  mov machine+32(%rip), %r12
  mov machine+40(%rip), %r13
  mov machine+48(%rip), %r14
  mov machine+56(%rip), %r15
  mov machine+64(%rip), %rdi
  mov machine+72(%rip), %rsi
  mov machine+80(%rip), %rbp
  mov machine+88(%rip), %rbx
  mov machine+96(%rip), %rdx
  mov machine+104(%rip), %rax
  mov machine+112(%rip), %rcx
  mov machine+120(%rip), %rsp
  jmp *machine+144(%rip)
machine_end:
  mov %r8, machine+0(%rip)
  mov %r9, machine+8(%rip)
  mov %r10, machine+16(%rip)
  mov %r11, machine+24(%rip)
  mov %r12, machine+32(%rip)
  mov %r13, machine+40(%rip)
  mov %r14, machine+48(%rip)
  mov %r15, machine+56(%rip)
  mov %rdi, machine+64(%rip)
  mov %rsi, machine+72(%rip)
  mov %rbp, machine+80(%rip)
  mov %rbx, machine+88(%rip)
  mov %rdx, machine+96(%rip)
  mov %rax, machine+104(%rip)
  mov %rcx, machine+112(%rip)
  mov %rsp, machine+120(%rip)
  mov machine+136(%rip), %rsp
  pushfq
  popq machine+128(%rip)
  cld
  mov machine_features(%rip), %eax
  xor %edx, %edx
  xsave64 machine_after(%rip)
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret

  .data
  .balign 8
machine_back: .quad machine_end
