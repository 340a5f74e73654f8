/** A small FTP client: one control connection, passive data connections, one command at a time. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface, type Interface } from "node:readline";

/** What a server said to one command. */
export interface Reply {
  readonly code: number;
  readonly text: string;
}

/** What a transfer brought: the last reply, and the data if there were any. */
export interface Transfer {
  readonly reply: Reply;
  readonly data: string;
}

const timeLimitMs = 10_000;

/** From now on the socket breaks when nothing comes for too long; `setTimeout(0)` ends that. */
function limited(socket: Socket): Socket {
  return socket.setTimeout(timeLimitMs);
}

function open(port: number): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("timeout", () =>
    socket.destroy(new Error(`the FTP server said nothing for ${timeLimitMs / 1000} s`)),
  );
  return limited(socket);
}

/** One session. Every method rejects when the connection breaks or the server is silent for 10 s. */
export class FtpSession {
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  #failure: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#reader = createInterface(socket);
    this.#lines = this.#reader[Symbol.asyncIterator]();
    socket.on("error", (error) => (this.#failure = error));
  }

  /** Connects to 127.0.0.1 and logs in anonymously. */
  static async open(port: number): Promise<FtpSession> {
    const session = new FtpSession(open(port));
    try {
      session.#need(await session.#reply(), 220);
      session.#need(await session.command("USER anonymous"), 230, 331);
      session.#need(await session.command("TYPE I"), 200);
      return session;
    } catch (error) {
      session.destroy();
      throw error;
    }
  }

  #need(reply: Reply, ...codes: readonly number[]): void {
    if (!codes.includes(reply.code))
      throw new Error(`the FTP server said ${reply.code} ${reply.text}`);
  }

  async #reply(): Promise<Reply> {
    const match = /^(\d{3}) (.*)$/.exec((await this.#all()).at(-1) ?? "");
    return { code: Number(match?.[1]), text: match?.[2] ?? "" };
  }

  /** Replies of several lines end with a line that has a blank after the code. */
  async #all(): Promise<string[]> {
    // A session that asks nothing may be silent for as long as it likes.
    limited(this.#socket);
    const lines: string[] = [];
    try {
      for (;;) {
        const { value, done } = await this.#lines.next();
        if (done === true) throw this.#failure ?? new Error("the FTP server closed the session");
        lines.push(value);
        if (/^\d{3} /.test(value)) return lines;
      }
    } finally {
      this.#socket.setTimeout(0);
    }
  }

  async command(line: string): Promise<Reply> {
    this.#socket.write(`${line}\r\n`);
    return this.#reply();
  }

  /** A command that sends data to us: LIST, NLST, RETR. */
  async receive(line: string): Promise<Transfer> {
    const passive = await this.command("PASV");
    const numbers = /\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)/.exec(passive.text);
    if (passive.code !== 227 || !numbers) {
      throw new Error(`the FTP server said ${passive.code} ${passive.text} to PASV`);
    }
    const port = Number(numbers[5]) * 256 + Number(numbers[6]);
    const socket = open(port);
    let data = "";
    socket.setEncoding("latin1").on("data", (text: string) => (data += text));
    const closed = new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("close", () => resolve());
    });
    try {
      await once(socket, "connect");
      const started = await this.command(line);
      if (started.code !== 125 && started.code !== 150) return { reply: started, data: "" };
      const [, reply] = await Promise.all([closed, this.#reply()]);
      return { reply, data };
    } finally {
      closed.catch(() => undefined);
      socket.destroy();
    }
  }

  /** The names that `NLST pattern` gives, sorted. */
  async names(pattern: string): Promise<string[]> {
    const { reply, data } = await this.receive(`NLST ${pattern}`);
    this.#need(reply, 226);
    return data.split("\r\n").filter(Boolean).sort();
  }

  /** All lines of a reply that has several, up to its last one. */
  async lines(line: string): Promise<string[]> {
    this.#socket.write(`${line}\r\n`);
    return this.#all();
  }

  async quit(): Promise<void> {
    this.#need(await this.command("QUIT"), 221);
    this.destroy();
  }

  destroy(): void {
    this.#reader.close();
    this.#socket.destroy();
  }
}
