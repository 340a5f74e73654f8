/** The few instructions that POLUS itself writes (Intel SDM volume 2), at a fixed place. */

export class Encoder {
  private readonly parts: number[] = [];

  constructor(
    /** Address of the first byte in the target. */
    private readonly origin: bigint,
  ) {}

  get here(): bigint {
    return this.origin + BigInt(this.parts.length);
  }

  bytes(): Buffer {
    return Buffer.from(this.parts);
  }

  /** True if `jmp rel32` placed here, `ahead` bytes on, reaches. */
  reaches(target: bigint, instructionLength = 6): boolean {
    const distance = target - (this.here + BigInt(instructionLength));
    return distance >= -(1n << 31n) && distance < 1n << 31n;
  }

  /** `jmp rel32`; 5 bytes. */
  jump(target: bigint): void {
    this.parts.push(0xe9);
    this.relative(target, 4);
  }

  /** `jmp rel8`; 2 bytes. */
  shortJump(target: bigint): void {
    this.parts.push(0xeb, this.near(target));
  }

  /** `je rel8` or `jne rel8`; 2 bytes. */
  shortJumpIf(condition: "equal" | "not equal", target: bigint): void {
    this.parts.push(condition === "equal" ? 0x74 : 0x75, this.near(target));
  }

  /** Moves the stack pointer; leaves flags and all else alone. 5 or 8 bytes. */
  moveStack(bytes: number): void {
    const isShort = bytes >= -128 && bytes <= 127;
    this.parts.push(0x48, 0x8d, isShort ? 0x64 : 0xa4, 0x24); // lea bytes(%rsp),%rsp
    const displacement = Buffer.alloc(4);
    displacement.writeInt32LE(bytes);
    this.parts.push(...displacement.subarray(0, isShort ? 1 : 4));
  }

  /** `call *slot(%rip)`; 6 bytes. */
  callThrough(slot: bigint): void {
    this.parts.push(0xff, 0x15);
    this.relative(slot, 4);
  }

  /** `jmp *offset(%rsp)`; 4 bytes. */
  jumpThroughStack(offset: number): void {
    if (offset < -128 || offset > 127) throw new RangeError("a disp8 does not hold that");
    this.parts.push(0xff, 0x64, 0x24, offset & 0xff);
  }

  /** Code that was made for this very place. */
  copied(code: Uint8Array): void {
    this.parts.push(...code);
  }

  /** `jmp *slot(%rip)`; 6 bytes. */
  jumpThrough(slot: bigint): void {
    this.parts.push(0xff, 0x25);
    this.relative(slot, 4);
  }

  /** `jae target`, however far; 6 or 16 bytes. */
  jumpIfNotBelow(target: bigint): void {
    if (this.reaches(target)) {
      this.parts.push(0x0f, 0x83);
      this.relative(target, 4);
      return;
    }
    this.parts.push(0x72, 0x0e); // jb over the 14 bytes that follow
    this.parts.push(0xff, 0x25, 0, 0, 0, 0); // jmp *0(%rip)
    this.word(target);
  }

  /** Compares the byte at `place` with `value`; changes flags only. 7 or 13 bytes. */
  compareByte(place: bigint, value: number): void {
    if (this.reaches(place, 7)) {
      this.parts.push(0x80, 0x3d);
      this.relative(place, 5);
      this.parts.push(value);
      return;
    }
    // Too far for rip: through al, which is put back. At a function's entry nothing
    // below the stack pointer is in use (the red zone is the callee's, System V ABI 3.2.2).
    this.parts.push(0x50, 0xa0); // push %rax; movabs place,%al
    this.word(place);
    this.parts.push(0x3c, value, 0x58); // cmp $value,%al; pop %rax
  }

  /** `cmpw $value,place(%rip)`; 8 bytes. */
  compareWord(place: bigint, value: number): void {
    this.parts.push(0x66, 0x83, 0x3d);
    this.relative(place, 5);
    this.parts.push(value & 0xff);
  }

  /** `test %rsi,%rsi`: whether the second argument (System V ABI 3.2.3) is zero; 3 bytes. */
  testArgument(): void {
    this.parts.push(0x48, 0x85, 0xf6);
  }

  /** `testl $bits,(%rsi)`; 6 bytes. */
  testArgumentBits(bits: number): void {
    this.parts.push(0xf7, 0x06);
    this.four(bits);
  }

  /** Displacement of a jump of two bytes that stands here. */
  private near(target: bigint): number {
    const distance = target - (this.here + 2n);
    if (distance < -128n || distance > 127n) throw new RangeError("a rel8 does not reach");
    return Number(distance) & 0xff;
  }

  private relative(target: bigint, bytesToEnd: number): void {
    const distance = target - (this.here + BigInt(bytesToEnd));
    if (distance < -(1n << 31n) || distance >= 1n << 31n)
      throw new RangeError("a rel32 does not reach");
    this.four(Number(distance));
  }

  private four(value: number): void {
    const four = Buffer.alloc(4);
    four.writeInt32LE(value);
    this.parts.push(...four);
  }

  private word(value: bigint): void {
    const eight = Buffer.alloc(8);
    eight.writeBigUInt64LE(value);
    this.parts.push(...eight);
  }
}
