/**
 * The parser library. Its package entry loads some 400 small files (a quarter of a
 * second); the same package ships one file with the same content (13 ms), which its
 * `exports` do not name, so it is found beside the entry.
 */
import type * as chevrotainTypes from "chevrotain";
import { createRequire } from "node:module";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

type Chevrotain = typeof chevrotainTypes;

async function load(): Promise<Chevrotain> {
  const entry = createRequire(import.meta.url).resolve("chevrotain");
  const bundle = join(dirname(entry), "..", "chevrotain.min.mjs");
  if (!existsSync(bundle)) return import("chevrotain");
  const bundled: Chevrotain = await import(pathToFileURL(bundle).href);
  return bundled;
}

const chevrotain = await load();

export const { createToken, EmbeddedActionsParser, Lexer, EOF, isRecognitionException } =
  chevrotain;
