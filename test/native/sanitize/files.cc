// Damaged ELF files and patch objects: everything that the addon asks of a file.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>

#include "entries/branch_index.h"
#include "entries/code_flow.h"
#include "entries/dead_padding.h"
#include "entries/live_across.h"
#include "objects/patch_object.h"
#include "rounds.h"
#include "symbols/dwarf_reader.h"
#include "symbols/module.h"
#include "transfers/plain_fields.h"
#include "types/type_reader.h"
#include "unwind/unwind_session.h"

namespace sanitize {

namespace {

using polus::Failure;
using polus::Module;

constexpr uint64_t kLoadAddress = 0x555500000000;
constexpr size_t kMostSymbols = 12;

// Runs a question; an answer or a Failure is right, anything else is a fault.
template <typename Question>
void Ask(const Question &question) {
  try {
    question();
  } catch (const Failure &) {
  } catch (const std::bad_alloc &) {
  }
}

void AskOfCode(polus::LinkedFile &linked, const std::vector<uint64_t> &functions) {
  Ask([&] { linked.Branches(); });
  for (const polus::AddressRange &range : linked.Text()) {
    if (range.start >= range.end) continue;
    Ask([&] { linked.Branches().Into(range.start, range.end); });
    Ask([&] { polus::FindDeadPadding(linked, range.start, range.end); });
  }
  Ask([&] {
    polus::KeeperSearch search(linked, {&linked});
    for (uint64_t function : functions) search.Of(function);
  });
}

// Every name and every type that can be reached, which must be finitely many and end.
void AskOfTypes(Module &module) {
  constexpr size_t kMostTypes = 4000;
  polus::TypeReader &types = module.Linked().Types();
  std::vector<polus::TypeNumber> queue;
  const auto any = [](polus::DebugKind) { return true; };
  for (const std::string &name : types.Index().Beginning(any, "", 500)) {
    for (const polus::DebugName *entry : types.Index().Named(name)) {
      queue.push_back(types.NumberOf(entry->die));
      queue.push_back(types.TypeOf(entry->die));
      polus::PlaceOf(entry->die);
      if (entry->kind == polus::DebugKind::kFunction) types.Index().StaticsOf(name, "calls");
    }
  }
  types.Index().SourcesBeginning("", 100);
  std::set<polus::TypeNumber> seen;
  while (!queue.empty() && seen.size() < kMostTypes) {
    const polus::TypeNumber number = queue.back();
    queue.pop_back();
    if (!seen.insert(number).second) continue;
    const polus::TypeDescription type = types.Describe(number);
    queue.push_back(type.target);
    for (const polus::TypeMember &member : type.members) queue.push_back(member.type);
  }
}

void AskOfStack(const std::shared_ptr<Module> &module) {
  polus::ThreadState thread;
  const std::vector<polus::AddressRange> text = module->Text();
  const uint64_t place = (text.empty() ? 0 : text.front().start) + 0x150;
  std::vector<uint64_t> stack(512);
  for (size_t index = 0; index < stack.size(); index += 2) stack[index] = place + 8 * index;
  thread.registers.rip = place;
  thread.registers.rsp = 0x1000;
  thread.registers.rbp = 0x1100;
  thread.stack_start = 0x1000;
  thread.stack = {reinterpret_cast<const uint8_t *>(stack.data()), stack.size() * 8};
  Ask([&] { polus::UnwindSession(0, {module}).Unwind(thread, 100); });
}

void AskOfModule(const std::string &path) {
  Ask([&] {
    const auto module =
        std::make_shared<Module>(polus::LinkedFile::Open(path, "").file, kLoadAddress);
    Ask([&] { module->File().BuildId(); });
    Ask([&] { module->Linked().Dynamic(); });
    std::vector<uint64_t> functions;
    for (const polus::Symbol &symbol : module->Linked().Symbols().All()) {
      if (functions.size() == kMostSymbols) break;
      if (!symbol.IsFunction()) continue;
      functions.push_back(symbol.address);
      const uint64_t address = module->AddressOf(symbol);
      Ask([&] { module->SymbolAt(address); });
      Ask([&] { module->NextFunctionStart(address); });
      Ask([&] { module->FileBytes(address, 16); });
      Ask([&] { module->Linked().Dwarf().SourceOf(address); });
    }
    AskOfCode(module->Linked(), functions);
    AskOfStack(module);
    Ask([&] { AskOfTypes(*module); });
  });
}

// The same file as if a loader had laid it out and somebody had then written over it.
void AskOfImage(const std::vector<uint8_t> &bytes) {
  Ask([&] {
    const auto read = [&](uint64_t offset, void *into, size_t size) {
      if (size > bytes.size() || offset > bytes.size() - size) {
        throw Failure("UNREADABLE", "nothing is mapped there");
      }
      std::copy_n(bytes.data() + offset, size, static_cast<uint8_t *>(into));
    };
    const auto linked = polus::LinkedFile::FromMemory("an image", bytes.size(), read);
    AskOfStack(std::make_shared<Module>(linked, kLoadAddress));
  });
}

void AskOfPatch(const std::vector<uint8_t> &bytes) {
  Ask([&] {
    const polus::PatchObject patch(polus::FileImage::Copy(bytes.data(), bytes.size()));
    if (!patch.File().IsX86_64()) return;
    polus::CodeFlow flow(patch.File());
    size_t looked_at = 0;
    for (const polus::PatchSymbol &symbol : patch.symbols) {
      if (!symbol.defined || ++looked_at > kMostSymbols) continue;
      Ask([&] { flow.EffectOf(symbol.address); });
      Ask([&] { flow.WritesOf(symbol.address); });
      Ask([&] { polus::PlainFields(patch.File(), {symbol.address, {}}); });
    }
  });
}

}  // namespace

size_t ReadFiles(const std::vector<std::string> &corpus, Random &random, const TimeSlice &slice) {
  std::vector<std::vector<uint8_t>> files;
  for (const std::string &path : corpus) {
    std::ifstream stream(path, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    if (files.back().empty()) throw Failure("CANNOT_READ", path + " cannot be read");
  }
  size_t rounds = 0;
  do {
    std::vector<uint8_t> bytes = files[rounds % files.size()];
    // The first time through as they are.
    if (rounds >= files.size()) Mutate(bytes, random);
    const int file = memfd_create("polus-sanitize", MFD_CLOEXEC);
    if (file < 0) throw Failure("CANNOT_READ", "no memory for a file");
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t put = write(file, bytes.data() + done, bytes.size() - done);
      if (put <= 0) throw Failure("CANNOT_READ", "no memory for a file");
      done += static_cast<size_t>(put);
    }
    AskOfModule("/proc/self/fd/" + std::to_string(file));
    close(file);
    AskOfImage(bytes);
    AskOfPatch(bytes);
    ++rounds;
  } while (!slice.Over() || rounds <= files.size());
  return rounds;
}

}  // namespace sanitize
