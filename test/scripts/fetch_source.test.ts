import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const projectRoot = resolve(import.meta.dirname, "../../..");
const names = ["vsftpd_3.0.5.orig.tar.gz", "vsftpd_3.0.5-0.2.debian.tar.xz"] as const;

/** A checkout of its own whose checksums fit `contents`, without network and apt-get. */
class Checkout {
  readonly folder = mkdtempSync(join(tmpdir(), "polus-fetch-"));
  readonly root = join(this.folder, "checkout");

  constructor() {
    mkdirSync(join(this.root, "scripts"), { recursive: true });
    mkdirSync(join(this.folder, "bin"));
    for (const tool of ["bash", "dirname", "awk", "sha256sum", "cut"]) {
      symlinkSync(`/usr/bin/${tool}`, join(this.folder, "bin", tool));
    }
    copyFileSync(
      join(projectRoot, "scripts/fetch-source"),
      join(this.root, "scripts/fetch-source"),
    );
    const sums = names.map(
      (name) => `${createHash("sha256").update(name).digest("hex")}  ${name}\n`,
    );
    writeFileSync(join(this.root, "scripts/sources.sha256"), sums.join(""));
  }

  /** Tarballs whose content is their name, as the checksums say. */
  fill(folder: string, content: (name: string) => string = (name) => name): string {
    const path = join(this.folder, folder);
    mkdirSync(path, { recursive: true });
    for (const name of names) writeFileSync(join(path, name), content(name));
    return path;
  }

  run(environment: Record<string, string> = {}): {
    status: number | null;
    stdout: string;
    stderr: string;
  } {
    return spawnSync(join(this.root, "scripts/fetch-source"), ["vsftpd"], {
      encoding: "utf8",
      env: { PATH: join(this.folder, "bin"), HOME: join(this.folder, "home"), ...environment },
    });
  }
}

function withCheckout(use: (checkout: Checkout) => void): void {
  const checkout = new Checkout();
  try {
    use(checkout);
  } finally {
    rmSync(checkout.folder, { recursive: true, force: true });
  }
}

test("the folder that POLUS_SOURCES names comes first", () => {
  withCheckout((checkout) => {
    checkout.fill("shared/sources");
    const mine = checkout.fill("mine");
    const { status, stdout } = checkout.run({ POLUS_SOURCES: mine });
    assert.equal([status, stdout], [0, `${mine}\n`]);
  });
});

test("then a folder of tarballs beside the repository, then the cache", () => {
  withCheckout((checkout) => {
    const cached = checkout.fill("home/.cache/polus/sources");
    assert.is(checkout.run().stdout, `${cached}\n`);
    const beside = checkout.fill("shared/sources");
    assert.is(checkout.run().stdout, `${beside}\n`);
    assert.is(checkout.run({ POLUS_SOURCES: join(checkout.folder, "none") }).stdout, `${beside}\n`);
  });
});

test("a file with another checksum is never used", () => {
  withCheckout((checkout) => {
    const forged = checkout.fill("forged", (name) => `${name}!`);
    const { status, stdout, stderr } = checkout.run({ POLUS_SOURCES: forged });
    assert.equal([status, stdout], [3, ""]);
    assert.match(stderr, /the sources of vsftpd 3\.0\.5-0\.2 are neither in the folder/);
    const cached = checkout.fill("home/.cache/polus/sources");
    assert.is(checkout.run({ POLUS_SOURCES: forged }).stdout, `${cached}\n`);
  });
});

test.run();
