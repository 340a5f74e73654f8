/**
 * Settings: `/etc/polus/settings.json`, over it `$XDG_CONFIG_HOME/polus/settings.json`
 * (default `~/.config`). Most machines have neither; the schema is loaded only
 * where a file is there.
 */
import { homedir } from "node:os";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import type { Settings } from "./schema.js";

export type { Settings } from "./schema.js";

type Environment = Readonly<Record<string, string | undefined>>;

export interface SettingsProblem {
  readonly path: string;
  readonly message: string;
}

export interface LoadedSettings {
  readonly settings: Settings;
  /** Files that could not be used; they count as absent. */
  readonly problems: readonly SettingsProblem[];
}

/** The folder that an XDG variable names; relative values are ignored, as the XDG specification says. */
export function xdgFolder(
  environment: Environment,
  variable: "XDG_CONFIG_HOME" | "XDG_STATE_HOME",
  underHome: readonly string[],
): string {
  const value = environment[variable];
  if (value !== undefined && value.startsWith("/")) return value;
  const home = environment["HOME"];
  return join(home !== undefined && home.startsWith("/") ? home : homedir(), ...underHome);
}

/** Files that are looked at, the weakest first. */
export function settingsPaths(environment: Environment): readonly string[] {
  return [
    "/etc/polus/settings.json",
    join(xdgFolder(environment, "XDG_CONFIG_HOME", [".config"]), "polus", "settings.json"),
  ];
}

/** Reads and validates the settings; what is wrong is told, never thrown. */
export async function loadSettings(
  environment: Environment,
  paths: readonly string[] = settingsPaths(environment),
): Promise<LoadedSettings> {
  let settings: Settings = {};
  const problems: SettingsProblem[] = [];
  for (const path of paths) {
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "ENOENT" && code !== "ENOTDIR") {
        problems.push({ path, message: `cannot be read (${String(code ?? error)})` });
      }
      continue;
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      problems.push({ path, message: `is not JSON: ${String(error)}` });
      continue;
    }
    const schema = await import("./schema.js");
    const validated = schema.validate(schema.Settings, value);
    if (validated.ok) settings = { ...settings, ...validated.value };
    else problems.push({ path, message: validated.problem });
  }
  return { settings, problems };
}
