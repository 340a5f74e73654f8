#ifndef POLUS_ENTRIES_BRANCH_INDEX_H
#define POLUS_ENTRIES_BRANCH_INDEX_H

namespace polus {

class Module;

class BranchIndex {
 public:
  explicit BranchIndex(Module&) {}
};

}  // namespace polus

#endif
