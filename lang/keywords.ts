/** Words with which a statement begins; the tokens of the same names are in `tokens.ts`. */
export const statementKeywords: ReadonlySet<string> = new Set([
  ...["set", "let", "print", "assert", "if", "while", "for", "break", "continue", "sleep", "wait"],
  ...["call", "return", "apply", "rollback", "fail", "warn"],
]);
