/** The reference page of the standard library, from the comments of its files. */
import type { RecipeDeclaration } from "../../lang/ast.js";
import { parse, type SourceFile } from "../../lang/index.js";
import { fileDoc, recipeDoc } from "../../lang/recipe_docs.js";
import { note } from "./page.js";

export interface Library {
  /** As a script imports it: `std/NAME`. */
  readonly name: string;
  readonly source: SourceFile;
}

function recipesOf({ source }: Library): readonly RecipeDeclaration[] {
  return (parse(source).script?.items ?? []).filter((item) => item.kind === "recipe");
}

function signatureOf({ name, parameters }: RecipeDeclaration): string {
  return `${name.text}(${parameters.map(({ text }) => text).join(", ")})`;
}

/** @throws Error for a recipe without a comment */
function recipeSection(recipe: RecipeDeclaration): string {
  const doc = recipeDoc(recipe);
  if (doc === null) throw new Error(`${recipe.name.text} has no comment`);
  const parameters = [...doc.parameters].map(([name, text]) => `- \`${name}\`: ${text}`);
  return [
    `### \`${signatureOf(recipe)}\``,
    doc.summary,
    ...doc.paragraphs,
    ...(parameters.length > 0 ? [parameters.join("\n")] : []),
    ...(doc.example === null ? [] : [`\`\`\`polus\n${doc.example}\`\`\``]),
  ].join("\n\n");
}

export function stdlibPage(libraries: readonly Library[]): string {
  const contents = libraries.map((library) => {
    const names = recipesOf(library).map(({ name }) => `\`${name.text}\``);
    return `- [\`${library.name}\`](#${library.name.replace("/", "")}): ${names.join(", ")}`;
  });
  const sections = libraries.map((library) =>
    [`## ${library.name}`, fileDoc(library.source), ...recipesOf(library).map(recipeSection)].join(
      "\n\n",
    ),
  );
  const head = 'Recipes for scripts: `import "std/NAME"` takes those of a file over.';
  return (
    [`# The standard library`, note, head, contents.join("\n"), ...sections, ""]
      .join("\n\n")
      .trimEnd() + "\n"
  );
}
