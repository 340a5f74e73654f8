/* Shared by execute_check.c and execute_forms.S: what a form needs, of the machine and of its operands. */
#define ALIGN 1     /* operand aligned to 64 bytes */
#define LOW 2       /* 32-bit address: the upper half of rdi is anything */
#define FS 4        /* rdi is relative to the fs base */
#define MATCH 8     /* compares: half of the time with what is there */
#define STRING 16   /* rdi, rsi, rcx and the direction */
#define MAYBE 32    /* may store nothing */
#define BIT 64      /* rcx is a bit offset */
#define POP 128     /* rsp leads to memory */
#define AVX 0x100   /* AVX2 and F16C */
#define AVX512 0x200 /* F, BW, DQ, VL */
#define VBMI2 0x400
#define FP16 0x800
#define MOVDIRI 0x1000
#define MOVBE 0x2000
