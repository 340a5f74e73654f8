/** Takes away what says nothing any more once items are gone. */

interface Group {
  /** Lines of the directives and what is between them. */
  readonly parts: Part[];
}

type Part = string | Group;

const opens = /^[ \t]*#[ \t]*if/;
const divides = /^[ \t]*#[ \t]*(?:else|elif)/;
const closes = /^[ \t]*#[ \t]*endif/;

/** Removes conditionals without anything between them, and repeated empty lines. */
export function tidy(text: string): string {
  const root: Group = { parts: [] };
  const stack: Group[] = [root];
  let inComment = false;
  for (const line of text.split("\n")) {
    const top = stack.at(-1) ?? root;
    if (!inComment && opens.test(line)) {
      const group: Group = { parts: [line] };
      top.parts.push(group);
      stack.push(group);
    } else {
      top.parts.push(line);
      if (!inComment && closes.test(line) && stack.length > 1) stack.pop();
    }
    inComment = endsInComment(line, inComment);
  }
  return root.parts
    .flatMap(linesOf)
    .join("\n")
    .replace(/[ \t]+$/gm, "")
    .replace(/\n{3,}/g, "\n\n");
}

function endsInComment(line: string, before: boolean): boolean {
  let inside = before;
  const words = line.matchAll(/"(?:\\.|[^"\\])*"|\/\/|\/\*|\*\//g);
  for (const [word] of words) {
    if (inside) inside = word !== "*/";
    else if (word === "//") return false;
    else if (word === "/*") inside = true;
  }
  return inside;
}

function linesOf(part: Part): readonly string[] {
  if (typeof part === "string") return [part];
  const lines = part.parts.flatMap(linesOf);
  const isEmpty = lines.every(
    (line, at) =>
      line.trim() === "" ||
      at === 0 ||
      divides.test(line) ||
      (at === lines.length - 1 && closes.test(line)),
  );
  return isEmpty ? [] : lines;
}
