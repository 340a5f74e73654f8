/** Sessions of Debian's ssh client: a command that runs on, and files that are read by SFTP. */
import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";

const timeLimitMs = 20_000;

/** The two ends of an ssh process, and what it has to say when it ends. */
class Channel {
  private received: Buffer = Buffer.alloc(0);
  private words = "";
  private ended = false;
  private awaken: () => void = () => undefined;
  readonly input: Writable;

  constructor(private readonly child: ChildProcess) {
    const { stdin, stdout, stderr } = child;
    if (stdin === null || stdout === null || stderr === null) throw new Error("ssh has no pipes");
    this.input = stdin;
    stdin.on("error", () => undefined);
    const output: Readable = stdout;
    output.on("data", (part: Buffer) => {
      this.received = this.received.length === 0 ? part : Buffer.concat([this.received, part]);
      this.awaken();
    });
    stderr.on("data", (part: Buffer) => (this.words += part.toString("utf8")));
    child.once("close", () => {
      this.ended = true;
      this.awaken();
    });
  }

  /** Exactly so many bytes. */
  async read(length: number): Promise<Buffer> {
    while (this.received.length < length) {
      if (this.ended) throw new Error(`ssh has ended: ${this.words.trim()}`);
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve, reject) => {
        this.awaken = resolve;
        timer = setTimeout(() => reject(new Error("the session says nothing")), timeLimitMs);
      });
      clearTimeout(timer);
    }
    const taken = this.received.subarray(0, length);
    this.received = this.received.subarray(length);
    return taken;
  }

  close(): void {
    this.child.kill("SIGKILL");
  }
}

/** A command that gives back what it is given: `cat`. */
export class CommandSession {
  private readonly channel: Channel;
  private turn = 0;

  constructor(child: ChildProcess) {
    this.channel = new Channel(child);
  }

  /** Resolves when the command has said a line that it says first. */
  async hear(line: string): Promise<void> {
    const said = (await this.channel.read(line.length)).toString("utf8");
    if (said !== line) throw new Error(`the command began with ${JSON.stringify(said)}`);
  }

  async check(): Promise<void> {
    const line = `turn ${this.turn++}\n`;
    this.channel.input.write(line);
    const back = (await this.channel.read(line.length)).toString("utf8");
    if (back !== line) throw new Error(`the command answered ${JSON.stringify(back)}`);
  }

  close(): void {
    this.channel.close();
  }
}

/** Messages of SFTP version 3 (draft-ietf-secsh-filexfer-02). */
const message = {
  init: 1,
  version: 2,
  open: 3,
  read: 5,
  stat: 17,
  handle: 102,
  data: 103,
  attrs: 105,
};

/** A text with its length before it. */
function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}

/** An SFTP session over `ssh -s sftp`; one request at a time. */
export class SftpSession {
  private readonly channel: Channel;
  private id = 0;

  constructor(child: ChildProcess) {
    this.channel = new Channel(child);
  }

  async begin(): Promise<void> {
    await this.exchange(message.init, numbers(3), message.version);
  }

  /** Sends a message, and takes what the answer holds behind its number. */
  private async exchange(kind: number, body: Buffer, wanted: number): Promise<Buffer> {
    this.channel.input.write(text(Buffer.concat([Buffer.from([kind]), body])));
    const length = (await this.channel.read(4)).readUInt32BE(0);
    const answer = await this.channel.read(length);
    if (answer[0] !== wanted) throw new Error(`SFTP answered message ${answer[0]} to ${kind}`);
    return answer.subarray(1);
  }

  /** The same for all but the first: with a number that the answer repeats. */
  private async request(kind: number, body: Buffer, wanted: number): Promise<Buffer> {
    const id = this.id++ >>> 0;
    const answer = await this.exchange(kind, Buffer.concat([numbers(id), body]), wanted);
    if (answer.readUInt32BE(0) !== id) throw new Error("SFTP answered another request");
    return answer.subarray(4);
  }

  /** The size of a file, bytes; below 4 GiB. */
  async size(path: string): Promise<number> {
    const attributes = await this.request(message.stat, text(path), message.attrs);
    return attributes.readUInt32BE(8);
  }

  /** Opens a file for reading; what names it from then on. */
  async open(path: string): Promise<Buffer> {
    const handle = await this.request(
      message.open,
      Buffer.concat([text(path), numbers(1, 0)]),
      message.handle,
    );
    return handle.subarray(4);
  }

  /** Part of an open file. `length` at most 32 KiB. */
  async read(handle: Buffer, offset: number, length: number): Promise<Buffer> {
    const place = numbers(0, offset, length);
    const data = await this.request(
      message.read,
      Buffer.concat([text(handle), place]),
      message.data,
    );
    return data.subarray(4);
  }

  close(): void {
    this.channel.close();
  }
}
