/** Verifies an update against an executable on disk, without a process. */
import { addon, type PatchObject } from "../addon/addon.js";
import { ItemPlanner } from "../data/items.js";
import { importsRuntime, runtimeFile, runtimeRecord } from "../data/runtime_file.js";
import {
  EngineError,
  type FileVerification,
  type PatchRequest,
  type UpdateRequest,
} from "../engine.js";
import { chooseForm } from "../hooks/entries.js";
import { checkKeptRegisters } from "../hooks/kept_registers.js";
import { definedAt, readPatch } from "../image/layout.js";
import { messageOf, type LoadedModule } from "../process/modules.js";
import { emptyRecord } from "../record/record.js";
import { findFunction, type FoundFunction } from "../resolve/functions.js";
import { ImportResolver, parseLabel, parsePrevious } from "../resolve/imports.js";
import { replacementName } from "./read_update.js";

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

/** Data items, as far as a file alone tells; that each object can change is seen in the process. */
function checkData(module: LoadedModule, patch: PatchRequest, object: PatchObject): void {
  const place = { modules: [module], handle: null, indirect: null, maps: null };
  new ItemPlanner(place, emptyRecord).plan(patch, object, 0n);
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
      collect(() => checkData(module, patch, object));
      const provided = importsRuntime(object) ? runtimeRecord(runtimeFile(), 0n).symbols : [];
      for (const symbol of ImportResolver.needed(object)) {
        imports += 1;
        if (provided.some((ours) => ours.name === symbol.name)) continue;
        const previous = parsePrevious(symbol.name);
        if (previous !== null) {
          if (previous.scope?.kind === "library") deferred.add(symbol.name);
          else collect(() => void findFunction([module], previous));
          continue;
        }
        const { name, file } = parseLabel(symbol.name);
        const own = addon.findSymbols(module.handle, name).length > 0;
        if (own) continue;
        // Statics of a library that the patch is for, too, are seen in the process only.
        const forLibrary = patch.replacements.some(({ scope }) => scope?.kind === "library");
        if (file === null || (file !== "" && forLibrary)) deferred.add(symbol.name);
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
