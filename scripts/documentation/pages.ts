/** All generated pages of a checkout. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { format } from "prettier";
import { SourceFile } from "../../lang/index.js";
import { languagePage } from "./language_page.js";
import { stdlibPage } from "./stdlib_page.js";

/** By path relative to the checkout; formatted. */
export async function makePages(root: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(root, "stdlib");
  const libraries = readdirSync(folder)
    .filter((name) => name.endsWith(".polus"))
    .sort()
    .map((name) => {
      const path = join(folder, name);
      const source = new SourceFile(path, readFileSync(path, "utf8"));
      return { name: `std/${name.slice(0, -".polus".length)}`, source };
    });
  const template = join(root, "scripts", "documentation", "language.template.md");
  const pages = {
    "docs/stdlib.md": stdlibPage(libraries),
    "docs/language.md": languagePage(readFileSync(template, "utf8")),
  };
  const formatted = await Promise.all(
    Object.entries(pages).map(async ([path, text]): Promise<[string, string]> => [
      path,
      await format(text, {
        parser: "markdown",
        printWidth: 100,
        embeddedLanguageFormatting: "off",
      }),
    ]),
  );
  return new Map(formatted);
}
