/** C's own types as written with several words. */

const spellings: Readonly<Record<string, string>> = {
  void: "void",
  _Bool: "_Bool",
  char: "char",
  "char signed": "signed char",
  "char unsigned": "unsigned char",
  short: "short",
  "int short": "short",
  "short signed": "short",
  "int short signed": "short",
  "short unsigned": "unsigned short",
  "int short unsigned": "unsigned short",
  int: "int",
  signed: "int",
  "int signed": "int",
  unsigned: "unsigned int",
  "int unsigned": "unsigned int",
  long: "long",
  "int long": "long",
  "long signed": "long",
  "int long signed": "long",
  "long unsigned": "unsigned long",
  "int long unsigned": "unsigned long",
  "long long": "long long",
  "int long long": "long long",
  "long long signed": "long long",
  "int long long signed": "long long",
  "long long unsigned": "unsigned long long",
  "int long long unsigned": "unsigned long long",
  float: "float",
  double: "double",
  "double long": "long double",
};

/** The usual name of a type made of C's type words in any order; undefined if there is none. */
export function basicTypeName(words: readonly string[]): string | undefined {
  return spellings[[...words].sort().join(" ")];
}
