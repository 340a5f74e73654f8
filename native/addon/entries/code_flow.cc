#include "entries/code_flow.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "entries/branch_index.h"
#include "entries/known_functions.h"
#include "failure.h"
#include "symbols/linked_file.h"

namespace polus {

namespace {

using x86_64::RegisterSet;
using x86_64::RegisterUse;
using x86_64::RelativeBranch;

constexpr size_t kDeepest = 256;
constexpr size_t kMostRemembered = size_t{1} << 21;
constexpr size_t kPrologueInstructions = 48;
constexpr uint64_t kNearLoad = 64;
constexpr size_t kLongestTable = 4096;
constexpr uint64_t kSysExit = 60;
constexpr uint64_t kSysExitGroup = 231;

/** Stands for all returns of a function where a place is asked for. */
constexpr uint64_t kAnyReturn = ~uint64_t{0};

/** Stands for a function that cannot be, or is just being, looked into. */
const CallEffect kUnknown = {{}, {}, {}, {}, {}, true, false};

/** Places in State::set_at: rdi, rsi, rdx, rcx, r8, r9, rax, xmm0 to xmm7. */
constexpr size_t kGeneralArguments = 6;
constexpr size_t kRaxCarrier = 6;
constexpr size_t kVectorCarriers = 7;
constexpr size_t kVectorArguments = 8;
constexpr size_t kCarriers = kVectorCarriers + kVectorArguments;

RegisterSet Carrier(size_t place) {
  if (place < kGeneralArguments) return RegisterSet::GeneralArgument(place);
  if (place == kRaxCarrier) return RegisterSet::Rax();
  return RegisterSet::Vector(place - kVectorCarriers);
}

bool StoresAll(const RegisterUse& use, size_t argument) {
  return use.reads.Contains(RegisterSet::GeneralArgument(argument));
}

/** rax, rdx, xmm0, xmm1 */
constexpr size_t kResultCarriers[] = {kRaxCarrier, 2, kVectorCarriers, kVectorCarriers + 1};

}  // namespace

struct CodeFlow::Walk {
  CallEffect effect;
  bool stops_when_closed = false;
  /** Entry of the function whose results a return passes on; none while they are being found out. */
  std::optional<uint64_t> results_of;
  /** A variadic function stores all argument registers at its entry, whether they were set or not. */
  bool is_variadic = false;
  /** Asks only what is read for certain: nothing is concluded from what is set for a call. */
  bool is_plain = false;
  /** The one place that may read what is open without our seeing it; whether there are several. */
  std::optional<uint64_t> user;
  bool several_users = false;
  std::vector<std::pair<uint64_t, State>> ways;
  std::unordered_map<uint64_t, State> seen;

  void NoteUser(const State& state, uint64_t place) {
    if (state.open.IsEmpty()) return;
    if (user && *user != place) several_users = true;
    user = place;
  }

  /** @return false if nothing new comes of going on from there in that state */
  bool Enter(uint64_t address, const State& state) {
    auto [place, is_new] = seen.try_emplace(address, state);
    if (is_new) return true;
    State& known = place->second;
    if (known.open.Contains(state.open) && known.pending.Contains(state.pending)) return false;
    known.open |= state.open;
    known.pending |= state.pending;
    return true;
  }
};

CodeFlow::State CodeFlow::StartWith(const RegisterSet& open) {
  State state;
  state.open = open;
  return state;
}

CodeFlow::CodeFlow(LinkedFile& linked, Lookup elsewhere)
    : file_(linked.File()), linked_(&linked), elsewhere_(std::move(elsewhere)) {}

CodeFlow::CodeFlow(const ElfFile& file) : file_(file) {}

bool CodeFlow::Decode(uint64_t address, RegisterUse* use) const {
  const ByteView bytes = file_.BytesFrom(address);
  return bytes.size > 0 &&
         decoder_.Decode(bytes.data, std::min<size_t>(bytes.size, ZYDIS_MAX_INSTRUCTION_LENGTH), use);
}

const CallEffect& CodeFlow::EffectOf(uint64_t entry) {
  const auto known = effects_.find(entry);
  if (known != effects_.end()) return known->second;
  if (depth_ >= kDeepest) return kUnknown;
  CallEffect& effect = effects_.emplace(entry, kUnknown).first->second;
  ++depth_;
  Walk walk;
  walk.is_variadic = IsVariadic(entry);
  walk.ways.push_back({entry, StartWith(RegisterSet::All())});
  Follow(walk);
  --depth_;
  effect = walk.effect;
  effect.writes |= effect.own_writes;
  if (walk.is_variadic) effect.reads -= RegisterSet::Rax();
  return effect;
}

// Functions that call each other are found out one inside the other, so none of them knows all; here
// they are put together.
RegisterSet CodeFlow::WritesOf(uint64_t entry) {
  const auto known = writes_.find(entry);
  if (known != writes_.end()) return known->second;
  RegisterSet writes;
  std::unordered_set<uint64_t> seen = {entry};
  std::vector<uint64_t> queue = {entry};
  while (!queue.empty() && !(writes == RegisterSet::All())) {
    const CallEffect& effect = EffectOf(queue.back());
    queue.pop_back();
    writes |= effect.own_writes;
    for (uint64_t callee : effect.callees) {
      if (seen.insert(callee).second) queue.push_back(callee);
    }
  }
  writes_.emplace(entry, writes);
  return writes;
}

RegisterSet CodeFlow::ReadFrom(uint64_t address, RegisterSet open, uint64_t function) {
  Walk walk;
  walk.results_of = function;
  walk.stops_when_closed = true;
  walk.ways.push_back({address, StartWith(open)});
  Follow(walk);
  return walk.effect.reads;
}

void CodeFlow::Follow(Walk& walk) {
  const size_t remembered = remembered_;
  while (!walk.ways.empty()) {
    auto [address, state] = walk.ways.back();
    walk.ways.pop_back();
    RegisterUse use;
    while (walk.Enter(address, state)) {
      if (walk.stops_when_closed && state.open.IsEmpty()) break;
      remembered_ = remembered + walk.seen.size() + walk.ways.size();
      if (steps_left_ > 0) --steps_left_;
      if (steps_left_ == 0 || remembered_ > kMostRemembered) {
        throw Failure("TOO_COMPLEX", "too much code leads to or from a function");
      }
      if (!Decode(address, &use)) {
        walk.effect.complete = false;
        break;
      }
      if (!Step(walk, use, address, state)) break;
      address = use.instruction.Branch() == RelativeBranch::kJump
                    ? use.instruction.Target(address)
                    : address + use.instruction.Length();
    }
  }
  remembered_ = remembered;
}

bool CodeFlow::Step(Walk& walk, const RegisterUse& use, uint64_t address, State& state) {
  const x86_64::Instruction& instruction = use.instruction;
  RegisterSet reads = use.reads;
  if (walk.is_variadic && use.is_spill) {
    reads -= RegisterSet::Arguments();
  }
  // To move the stack pointer by 8 compilers push whatever register is at hand.
  if (!use.is_push) walk.effect.reads |= reads & state.open;
  state.pending -= use.reads.Whole();

  const uint64_t next = address + instruction.Length();
  switch (instruction.Branch()) {
    case RelativeBranch::kCall:
      if (instruction.Target(address) == next) return true;  // loads its own address
      return CallAt(walk, state, address, instruction.Target(address));
    case RelativeBranch::kJump:
      if (!IsOtherFunction(instruction.Target(address), address)) return true;
      // A call at the end, or the way into an outlined part, which passes on what there is.
      if (CallAt(walk, state, address, instruction.Target(address))) Return(walk, state);
      return false;
    case RelativeBranch::kConditional:
    case RelativeBranch::kTransaction:
      walk.ways.push_back({instruction.Target(address), state});
      return true;
    case RelativeBranch::kOther: return false;
    case RelativeBranch::kCounted:
    case RelativeBranch::kNone: break;
  }
  if (instruction.IsIndirectCall()) {
    return CallElsewhere(walk, state, address,
                         instruction.IsRipRelative() ? NameOfSlot(instruction.RipTarget(address)) : "");
  }
  if (instruction.IsIndirectJump()) {
    LeaveIndirectly(walk, use, address, state);
    return false;
  }
  if (instruction.EndsFlow()) {
    if ((instruction.raw.opcode & 0xf6) == 0xc2 && instruction.raw.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) {
      Return(walk, state);
    }
    return false;
  }
  if (instruction.raw.mnemonic == ZYDIS_MNEMONIC_INT3) return false;
  if (use.is_syscall) {
    if (state.eax == kSysExit || state.eax == kSysExitGroup) return false;
    if (LeastSystemCallArguments(state.eax) > 0) {
      walk.effect.reads |= RegisterSet::GeneralArgument(0) & state.open;
    }
    state.pending -= RegisterSet::Arguments();
  }
  walk.effect.own_writes |= use.writes;
  state.open -= use.writes;
  state.pending -= use.writes.Whole();
  state.pending |= use.sets.Whole();
  if (!use.sets.IsEmpty()) {
    for (size_t carrier = 0; carrier < kCarriers; ++carrier) {
      if (!(use.sets & Carrier(carrier)).IsEmpty()) state.set_at[carrier] = address;
    }
  }
  if (use.adds_registers) {
    state.sum = use.target;
  } else if (use.target == state.sum) {
    state.sum = ZYDIS_REGISTER_NONE;
  }
  if (use.sets_eax) {
    state.eax = use.constant;
  } else if (!(use.writes & RegisterSet::Rax()).IsEmpty()) {
    state.eax = ~uint64_t{0};
  }
  if (instruction.Branch() == RelativeBranch::kCounted) {
    walk.ways.push_back({instruction.Target(address), state});
  }
  return true;
}

bool CodeFlow::IsOtherFunction(uint64_t target, uint64_t address) const {
  if (linked_ == nullptr) return false;
  const std::vector<uint64_t>& starts = linked_->FunctionStarts();
  const auto found = std::lower_bound(starts.begin(), starts.end(), target);
  if (found == starts.end() || *found != target) return false;
  return address < target || (std::next(found) != starts.end() && address >= *std::next(found));
}

bool CodeFlow::CallAt(Walk& walk, State& state, uint64_t address, uint64_t target) {
  if (const std::optional<uint64_t> slot = StubSlot(target)) {
    return CallElsewhere(walk, state, address, NameOfSlot(*slot));
  }
  if (linked_ != nullptr) {
    const Symbol* symbol = linked_->SymbolAt(target);
    if (symbol != nullptr && symbol->address == target && NeverReturns(symbol->name)) {
      walk.effect.own_writes |= RegisterSet::All();
      return false;
    }
  }
  const CallEffect& effect = EffectOf(target);
  walk.effect.reads |= (effect.reads - RegisterSet::Rax()) & state.open;
  if (walk.is_plain && !(state.open & RegisterSet::Arguments()).IsEmpty()) {
    walk.NoteUser(state, address);
  }
  walk.effect.writes |= effect.writes;
  walk.effect.complete = walk.effect.complete && effect.complete;
  walk.effect.callees.push_back(target);
  const RegisterSet writes = (depth_ == 0 ? WritesOf(target) : effect.writes).Whole();
  state.open -= writes;
  state.pending -= writes | RegisterSet::Arguments();
  return effect.returns;
}

bool CodeFlow::CallElsewhere(Walk& walk, State& state, uint64_t address, std::string_view name) {
  bool returns = !NeverReturns(name);
  RegisterSet reads = ArgumentsOf(walk, state);
  if (const std::optional<size_t> arguments = KnownArguments(name)) {
    for (size_t index = 0; index < *arguments; ++index) reads |= RegisterSet::GeneralArgument(index);
  } else if (returns && !name.empty() && elsewhere_) {
    if (const std::optional<CallEffect> effect = elsewhere_(name)) {
      reads |= effect->reads & RegisterSet::Arguments();
      returns = effect->returns;
    }
  }
  if (returns) walk.effect.reads |= reads & state.open;
  if (walk.is_plain) walk.NoteUser(state, address);
  walk.effect.own_writes |= RegisterSet::All();
  state.open = {};
  state.pending = {};
  return returns;
}

// Arguments fill their registers in order, so whoever has set one of them for a call means those
// before it too.
RegisterSet CodeFlow::ArgumentsOf(Walk& walk, const State& state) {
  RegisterSet arguments;
  if (walk.is_plain || (state.open & RegisterSet::Arguments()).IsEmpty()) return arguments;
  bool wanted = false;
  for (size_t carrier = kCarriers; carrier-- > 0;) {
    if (carrier == kRaxCarrier) {
      wanted = false;
      continue;
    }
    if (wanted) {
      arguments |= Carrier(carrier);
    } else {
      wanted = IsSetFor(state, carrier);
    }
  }
  return arguments;
}

bool CodeFlow::IsSetFor(const State& state, size_t carrier) {
  const RegisterSet wanted = Carrier(carrier);
  if ((state.pending & wanted).IsEmpty()) return false;
  const uint64_t setter = state.set_at[carrier];
  const auto [known, is_new] = read_elsewhere_.try_emplace({carrier, setter}, true);
  if (!is_new) return !known->second;
  RegisterUse use;
  if (!Decode(setter, &use)) return false;
  Walk walk;
  walk.is_plain = true;
  walk.stops_when_closed = true;
  walk.ways.push_back({setter + use.instruction.Length(), StartWith(wanted)});
  Follow(walk);
  const bool is_read = !walk.effect.reads.IsEmpty() || walk.several_users;
  read_elsewhere_[{carrier, setter}] = is_read;
  return !is_read;
}

void CodeFlow::Return(Walk& walk, const State& state) {
  walk.effect.returns = true;
  if (walk.is_plain) {
    walk.NoteUser(state, kAnyReturn);
    return;
  }
  if (!walk.results_of) {
    for (size_t carrier : kResultCarriers) {
      const RegisterSet result = Carrier(carrier);
      if (!walk.effect.results.Contains(result) && IsSetFor(state, carrier)) {
        walk.effect.results |= result;
      }
    }
    return;
  }
  const RegisterSet kept = state.open & RegisterSet::Results();
  if (!kept.IsEmpty()) walk.effect.reads |= kept & EffectOf(*walk.results_of).results;
}

void CodeFlow::LeaveIndirectly(Walk& walk, const RegisterUse& use, uint64_t address, State& state) {
  if (use.instruction.IsRipRelative()) {
    if (CallElsewhere(walk, state, address, NameOfSlot(use.instruction.RipTarget(address)))) {
      Return(walk, state);
    }
    return;
  }
  const bool through_table =
      use.table_jump || (use.target != ZYDIS_REGISTER_NONE && use.target == state.sum);
  const std::vector<uint64_t> targets =
      through_table ? TableTargets(use, address) : std::vector<uint64_t>();
  if (!targets.empty()) {
    for (uint64_t target : targets) walk.ways.push_back({target, state});
    return;
  }
  walk.effect.complete = false;
  if (CallElsewhere(walk, state, address, "")) Return(walk, state);
}

// A variadic function looks at al, the number of vector registers in use, before anything else; or,
// if it takes integers only, stores r8 and r9 where they belong in the area that va_arg reads.
bool CodeFlow::IsVariadic(uint64_t entry) const {
  RegisterUse use;
  RegisterUse before;
  for (size_t count = 0; count < kPrologueInstructions && Decode(entry, &use); ++count) {
    if (use.tests_al) return true;
    const RelativeBranch branch = use.instruction.Branch();
    if (use.instruction.EndsFlow() || branch == RelativeBranch::kCall ||
        use.instruction.IsIndirectCall() || !(use.writes & RegisterSet::Rax()).IsEmpty()) {
      return false;
    }
    if (use.is_spill && before.is_spill && StoresAll(before, 4) && StoresAll(use, 5) &&
        use.displacement == before.displacement + 8) {
      return true;
    }
    if (use.is_spill) before = use;
    entry += use.instruction.Length();
  }
  return false;
}

std::optional<uint64_t> CodeFlow::StubSlot(uint64_t address) const {
  RegisterUse use;
  if (!Decode(address, &use)) return std::nullopt;
  if (use.instruction.raw.mnemonic == ZYDIS_MNEMONIC_ENDBR64) {
    address += use.instruction.Length();
    if (!Decode(address, &use)) return std::nullopt;
  }
  if (!use.instruction.IsIndirectJump() || !use.instruction.IsRipRelative()) return std::nullopt;
  return use.instruction.RipTarget(address);
}

std::string_view CodeFlow::NameOfSlot(uint64_t slot) {
  if (linked_ == nullptr) return {};
  if (!slots_) {
    slots_.emplace();
    const DynamicTables& tables = linked_->Dynamic();
    for (const DynamicRelocation& relocation : tables.relocations) {
      if (relocation.symbol != 0 && relocation.symbol < tables.symbols.size()) {
        slots_->emplace(relocation.address, tables.symbols[relocation.symbol].name);
      } else if (relocation.type == R_X86_64_IRELATIVE) {
        const uint64_t chooser = static_cast<uint64_t>(relocation.addend);
        const Symbol* symbol = linked_->Symbols().At(chooser, file_);
        if (symbol != nullptr) slots_->emplace(relocation.address, symbol->name);
      }
    }
  }
  const auto found = slots_->find(slot);
  return found == slots_->end() ? std::string_view{} : found->second;
}

std::vector<uint64_t> CodeFlow::TableTargets(const RegisterUse& use, uint64_t address) {
  std::vector<uint64_t> targets;
  if (linked_ == nullptr) return targets;
  const std::vector<uint64_t>& starts = linked_->FunctionStarts();
  const auto after = std::upper_bound(starts.begin(), starts.end(), address);
  const uint64_t start = after == starts.begin() ? address : *std::prev(after);
  const uint64_t end = linked_->NextFunctionStart(address);
  if (use.table_jump) {
    const uint64_t table = static_cast<uint64_t>(use.instruction.raw.raw.disp.value);
    const ByteView bytes = file_.BytesFrom(table);
    for (size_t index = 0; index < kLongestTable && (index + 1) * 8 <= bytes.size; ++index) {
      uint64_t target = 0;
      std::memcpy(&target, bytes.data + index * 8, sizeof target);
      if (target < start || target >= end) break;
      targets.push_back(target);
    }
    return targets;
  }
  // The table was most likely loaded just before; if not, it may be any of the function's.
  const std::vector<CodeReference> tables = linked_->Branches().TablesLoadedIn(start, end);
  uint64_t nearest = 0;
  for (const CodeReference& entry : tables) {
    if (entry.from < address && address - entry.from <= kNearLoad) nearest = entry.from;
  }
  for (const CodeReference& entry : tables) {
    if (nearest == 0 || entry.from == nearest) targets.push_back(entry.to);
  }
  return targets;
}

}  // namespace polus
