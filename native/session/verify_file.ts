/** Verifies an update against an executable on disk, without a process. */
import { addon } from "../addon/addon.js";
import { EngineError, type FileVerification, type UpdateRequest } from "../engine.js";
import { chooseForm } from "../hooks/entries.js";
import { checkKeptRegisters } from "../hooks/kept_registers.js";
import { definedAt, readPatch } from "../image/layout.js";
import { messageOf, type LoadedModule } from "../process/modules.js";
import { findFunction, type FoundFunction } from "../resolve/functions.js";
import { ImportResolver, parseLabel } from "../resolve/imports.js";
import { replacementName } from "./update_plan.js";

/** Address at which a file is imagined to be loaded; any page-aligned one will do. */
const imaginedStart = 0x5500_0000_0000n;

function openFile(exe: string): LoadedModule {
  try {
    const first = addon.openModule(exe, { loadAddress: 0n });
    const info = addon.moduleInfo(first);
    const handle =
      info.type === "dyn"
        ? addon.openModule(exe, { loadAddress: imaginedStart })
        : addon.openModule(exe, { loadAddress: info.start - info.bias });
    return { handle, info: addon.moduleInfo(handle), path: exe, isExecutable: true };
  } catch (error) {
    throw new EngineError(
      "WRONG_ARCHITECTURE",
      "refused",
      `${exe} cannot be read as a program: ${messageOf(error)}`,
      { subject: exe },
    );
  }
}

/** Problems are collected, not thrown, except for a file that is no program at all. */
export function verifyFile(exe: string, update: UpdateRequest): FileVerification {
  const module = openFile(exe);
  const problems: EngineError[] = [];
  const deferred = new Set<string>();
  const functions: FoundFunction[] = [];
  let imports = 0;
  const collect = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      problems.push(error);
    }
  };
  collect(() => {
    if (
      update.buildId !== undefined &&
      !(module.info.buildId ?? "").startsWith(update.buildId.toLowerCase())
    ) {
      throw new EngineError(
        "BUILD_ID_MISMATCH",
        "refused",
        `${exe} has build-id ${module.info.buildId ?? "(none)"}, the script is for ${update.buildId}`,
        { subject: update.buildId },
      );
    }
  });
  for (const patch of update.patches) {
    collect(() => {
      const object = readPatch(patch);
      for (const replacement of patch.replacements) {
        collect(() => {
          const name = replacementName(object, replacement.function, replacement.with);
          if (definedAt(object, name, 0n) === null) {
            throw new EngineError(
              "PATCH_LACKS_FUNCTION",
              "invalid",
              `${patch.path} defines no ${name}`,
              { subject: replacement.with ?? replacement.function },
            );
          }
          if (replacement.scope?.kind === "library") {
            deferred.add(`${replacement.function} in "${replacement.scope.name}"`);
            return;
          }
          const found = findFunction([module], replacement);
          chooseForm(found, () => false);
          // Without its libraries fewer callers are found than in a process.
          checkKeptRegisters([{ found, object, bytes: patch.bytes, name }], [module]);
          functions.push(found);
        });
      }
      for (const symbol of ImportResolver.needed(object)) {
        imports += 1;
        const { name, file } = parseLabel(symbol.name);
        const own = addon.findSymbols(module.handle, name).length > 0;
        if (own) continue;
        if (file === null) deferred.add(symbol.name);
        else
          problems.push(
            new EngineError(
              "UNRESOLVED_IMPORT",
              "refused",
              `the patch needs ${symbol.name}, which ${exe} does not have`,
              { subject: symbol.name },
            ),
          );
      }
    });
  }
  return { functions: functions.length, imports, deferred: [...deferred], problems };
}
