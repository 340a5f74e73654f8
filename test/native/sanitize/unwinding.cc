#include "unwinding.h"

#include <climits>
#include <cstdlib>
#include <stdexcept>

#include "failure.h"
#include "memory/target.h"
#include "symbols/module.h"
#include "unwind/unwind_session.h"

namespace sanitize {

struct Unwinding::State {
  std::shared_ptr<polus::Module> module;
  std::unique_ptr<polus::UnwindSession> session;
};

Unwinding::Unwinding(pid_t pid, const std::string &program) : state_(std::make_unique<State>()) {
  char path[PATH_MAX];
  if (realpath(program.c_str(), path) == nullptr) throw std::runtime_error(program + " is not there");
  std::vector<std::shared_ptr<polus::Module>> modules;
  std::string last;
  for (const polus::Mapping &mapping : polus::ReadMaps(pid)) {
    if (mapping.path.empty() || mapping.path[0] != '/' || mapping.path == last) continue;
    last = mapping.path;
    try {
      auto module = std::make_shared<polus::Module>(polus::LinkedFile::Open(mapping.path, "").file, mapping.start);
      if (mapping.path == path) state_->module = module;
      modules.push_back(std::move(module));
    } catch (const polus::Failure &) {
      // Mapped, but no program or library.
    }
  }
  if (state_->module == nullptr) throw std::runtime_error(program + " is not mapped");
  state_->session = std::make_unique<polus::UnwindSession>(pid, modules);
}

Unwinding::~Unwinding() = default;

uint64_t Unwinding::AddressOf(const std::string &function) const {
  const polus::SymbolTable &symbols = state_->module->Linked().Symbols();
  for (uint32_t index : symbols.Named(function)) {
    if (symbols.All()[index].IsFunction()) return state_->module->AddressOf(symbols.All()[index]);
  }
  throw std::runtime_error("the target has no " + function);
}

void Unwinding::Unwind(pid_t tid, const user_regs_struct &registers, uint64_t stack_start,
                       const std::vector<uint8_t> &stack) {
  polus::ThreadState thread;
  thread.tid = tid;
  thread.registers = registers;
  thread.stack_start = stack_start;
  thread.stack = {stack.data(), stack.size()};
  if (state_->session->Unwind(thread, 64).frames.empty()) throw std::runtime_error("a thread has no frame");
}

}  // namespace sanitize
