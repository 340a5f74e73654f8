/** The experiment's cases of sshd: Debian's security fixes, with logged-in sessions. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Built, LiveSession, ServerCase } from "../../scripts/experiment/case.js";
import type { Client } from "../../scripts/experiment/load.js";
import { handWritten } from "../../scripts/experiment/hand_written.js";
import { runBuild } from "../../scripts/experiment/processes.js";
import { offersStrictKex } from "./probe.js";
import { SshdServer, type Serving } from "./server.js";
import { CommandSession, SftpSession } from "./sessions.js";

const blockBytes = 32 * 1024;
const fileBytes = 32 * blockBytes;
/** So little that keys change many times in each phase. */
const rekey = ["-o", "RekeyLimit=512K"];

/** A session that reads a file again and again, and compares it; keys change meanwhile. */
class TransferSession implements LiveSession {
  private at = 0;

  private constructor(
    readonly what: string,
    private readonly session: SftpSession,
    private readonly handle: Buffer,
    private readonly contents: Buffer,
  ) {}

  static async open(server: SshdServer, what: string): Promise<TransferSession> {
    const path = join(server.folder, "file");
    const contents = randomBytes(fileBytes);
    writeFileSync(`${path}.${what.replaceAll(" ", "_")}`, contents);
    const session = new SftpSession(server.client([...rekey, "-s"], "sftp"));
    await session.begin();
    const handle = await session.open(`${path}.${what.replaceAll(" ", "_")}`);
    return new TransferSession(what, session, handle, contents);
  }

  async check(): Promise<void> {
    const expected = this.contents.subarray(this.at, this.at + blockBytes);
    const got = await this.session.read(this.handle, this.at, blockBytes);
    if (!got.equals(expected)) throw new Error(`the file is not what it is at ${this.at}`);
    this.at = (this.at + blockBytes) % fileBytes;
  }

  close(): void {
    this.session.close();
  }
}

/** A command on the other side that gives back what it gets. */
export async function openCommand(server: SshdServer, what: string): Promise<LiveSession> {
  const session = new CommandSession(server.client(rekey, "exec cat"));
  await session.check();
  return { what, check: () => session.check(), close: () => session.close() };
}

export function openTransfer(server: SshdServer, what: string): Promise<LiveSession> {
  return TransferSession.open(server, what);
}

export async function openSftpClient(server: SshdServer, name: string): Promise<Client> {
  const session = new SftpSession(server.client(["-s"], "sftp"));
  await session.begin();
  const path = join(server.folder, "user_key.pub");
  const size = await session.size(path);
  return {
    name,
    request: async () => {
      if ((await session.size(path)) !== size) throw new Error("a file has another size");
    },
    close: () => session.close(),
  };
}

const sources = [
  "update.polus",
  "update/kex.c",
  "update/packet.c",
  "update/compat.c",
  "update/log.c",
  "update/pubkey.c",
  "update/pubkeyfile.c",
  "update/hostbased.c",
].map((file) => `examples/openssh/${file}`);

/** Builds versions and update; or says why it cannot. */
export function prepareOpenssh(
  say: (text: string) => void,
): (Built & { readonly folder: string }) | { readonly missing: string } {
  if (process.getuid?.() !== 0) return { missing: "sshd separates privileges, which needs root" };
  say("openssh: getting the sources and building them (minutes, the first time)");
  const build = runBuild("examples/openssh/build");
  if ("missing" in build) return build;
  const { folder } = build;
  return {
    folder,
    oldVersion: join(folder, "old/sshd"),
    newVersion: join(folder, "new/sshd"),
    updates: [handWritten(sources, join(folder, "update.so"), join(folder, "old/sshd"))],
  };
}

/** Sessions and clients of all cases of sshd. */
export const whoIsThere: Pick<ServerCase<SshdServer>, "openSessions" | "openClients"> = {
  openSessions: async (server) => [
    await openCommand(server, "a running command"),
    await openTransfer(server, "a file transfer"),
  ],
  openClients: async (server) => [
    await openSftpClient(server, "sftp 1"),
    await openSftpClient(server, "sftp 2"),
  ],
};

function opensshCase(
  name: string,
  how: string,
  serving: Serving,
  applies: "run" | "watch",
): ServerCase<SshdServer> {
  return {
    name,
    title: `openssh 9.2p1, security fixes of Debian 12; ${how}`,
    applies,
    // Sessions that have agreed on strict key exchange must keep to it.
    rollbackTo: "strict_kex.understood",
    seen: { oldVersion: "not strict", newVersion: "strict" },
    prepare: ({ say }) => prepareOpenssh(say),
    start: (executable) => SshdServer.start(executable, serving),
    observe: (server) => offersStrictKex(server.port),
    ...whoIsThere,
  };
}

export const opensshForks = opensshCase("openssh", "sshd -r", "forks", "run");
export const opensshExecutes = opensshCase(
  "openssh-executes",
  "sshd executes itself for each connection, under polus watch",
  "executes",
  "watch",
);
