/**
 * What the compiler makes of units, for all passes of a construction: each unit of each version is
 * preprocessed, compiled and linked at most once, when somebody asks first.
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { PlainTokens } from "../extract/plain_tokens.js";
import type { Token } from "../extract/tokens.js";
import type { UnitSymbols } from "../model.js";
import { CompilerPool } from "./compiler.js";
import { readDebugFacts, type DebugFacts } from "./debug_facts.js";
import * as build from "./unit_build.js";
import type { PlacedUnit, UnitBuild } from "./unit_build.js";
import { unitSymbols } from "./unit_symbols.js";

export interface Preprocessed {
  /** Of the text and the options by which it is compiled. */
  readonly hash: string;
  /** File of the text, with markers that tell files and lines. */
  readonly path: string;
}

/** Files of assembly, as `UnitAssembly` has it. */
interface AssemblyFiles {
  readonly meaning: string | null;
  readonly binary: string;
}

export class Compilations {
  readonly #preprocessed = new Map<string, Promise<Preprocessed>>();
  readonly #assembly = new Map<string, Promise<AssemblyFiles>>();
  readonly #builds = new Map<string, Promise<UnitBuild>>();
  readonly #linked = new Map<string, Promise<string>>();
  readonly #symbols = new Map<string, Promise<UnitSymbols>>();
  readonly #tokens = new PlainTokens();
  #files = 0;

  private constructor(
    private readonly pool: CompilerPool,
    private readonly folder: string,
  ) {}

  /** Calls `use`; what was made is gone afterwards. */
  static async within<T>(
    cancel: AbortSignal,
    use: (compilations: Compilations) => Promise<T>,
  ): Promise<T> {
    const folder = await mkdtemp(join(tmpdir(), "polus-units-"));
    try {
      return await use(new Compilations(new CompilerPool(cancel), folder));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  get cancel(): AbortSignal {
    return this.pool.cancel;
  }

  /** @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE */
  preprocessed(placed: PlacedUnit): Promise<Preprocessed> {
    return once(this.#preprocessed, placed, async () => {
      const text = await build.preprocess(this.pool, placed);
      const path = this.#newFile(placed, ".i");
      await writeFile(path, text, "latin1");
      return { hash: build.hashOf(placed, text), path };
    });
  }

  /** The unit's text after the preprocessor, with markers that tell files and lines. */
  async text(placed: PlacedUnit): Promise<string> {
    return readFileSync((await this.preprocessed(placed)).path, "latin1");
  }

  /** The text's tokens; `nameOf` tells what they call the unit's own file. */
  async tokens(placed: PlacedUnit): Promise<readonly Token[]> {
    return this.#tokens.read(await this.text(placed), build.nameOf(placed));
  }

  /** @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE, UNSUPPORTED_ASSEMBLY */
  build(placed: PlacedUnit): Promise<UnitBuild> {
    return once(this.#builds, placed, async () => {
      const { meaning, binary } = await this.#compiled(placed);
      return build.readUnit(placed, {
        meaning: meaning === null ? null : readFileSync(meaning, "latin1"),
        binary: readFileSync(binary, "latin1"),
      });
    });
  }

  #compiled(placed: PlacedUnit): Promise<AssemblyFiles> {
    return once(this.#assembly, placed, async () => {
      const { path } = await this.preprocessed(placed);
      const { meaning, binary } = await build.compileUnit(this.pool, placed, path);
      return {
        meaning: meaning === null ? null : await this.#write(placed, meaning),
        binary: await this.#write(placed, binary + build.somethingToLoad),
      };
    });
  }

  /** A file in which the unit's debug information can be read. */
  linked(placed: PlacedUnit): Promise<string> {
    return once(this.#linked, placed, async () => {
      const { binary } = await this.#compiled(placed);
      return this.#link(placed, binary);
    });
  }

  /** Keeps only these of what was read of a unit: all else would be read again if it were asked for. */
  keepSymbols(placed: PlacedUnit, symbols: UnitSymbols): void {
    this.#symbols.set(key(placed), Promise.resolve(symbols));
    this.#builds.delete(key(placed));
  }

  async facts(placed: PlacedUnit): Promise<DebugFacts> {
    return readDebugFacts(await this.linked(placed));
  }

  /** What the unit defines, by its build and its debug information. */
  symbols(placed: PlacedUnit): Promise<UnitSymbols> {
    return once(this.#symbols, placed, async () => {
      const { meaning, binary } = await this.build(placed);
      return unitSymbols(meaning, binary, await this.facts(placed));
    });
  }

  /** The assembly at the build's own flags and `options`, without debug information. */
  async code(placed: PlacedUnit, options: readonly string[]): Promise<string> {
    const { path } = await this.preprocessed(placed);
    return build.compileCode(this.pool, placed, path, options);
  }

  /** A file as `linked` gives, compiled with the numbers of lines as the program itself was. */
  async asBuilt(placed: PlacedUnit): Promise<string> {
    const text = await build.compileAsBuilt(this.pool, placed);
    return this.#link(placed, await this.#write(placed, text + build.somethingToLoad));
  }

  async #link(placed: PlacedUnit, assembly: string): Promise<string> {
    const linked = this.#newFile(placed, ".elf");
    await build.link(this.pool, placed, assembly, linked);
    return linked;
  }

  async #write(placed: PlacedUnit, assembly: string): Promise<string> {
    const path = this.#newFile(placed, ".s");
    await writeFile(path, assembly, "latin1");
    return path;
  }

  #newFile({ unit }: PlacedUnit, ending: string): string {
    this.#files++;
    return join(this.folder, `${this.#files}-${basename(unit.source).replace(/\.[^.]*$/, ending)}`);
  }
}

function key({ root, unit }: PlacedUnit): string {
  return `${root}\0${unit.source}`;
}

function once<T>(
  known: Map<string, Promise<T>>,
  placed: PlacedUnit,
  make: () => Promise<T>,
): Promise<T> {
  const before = known.get(key(placed));
  if (before !== undefined) return before;
  const made = make();
  known.set(key(placed), made);
  return made;
}
