// What the parts of the driver share: random numbers from a seed that is printed, and a clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "failure.h"

namespace sanitize {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  // 0 … below-1; 0 for 0.
  uint64_t Below(uint64_t below) { return below == 0 ? 0 : engine_() % below; }
  uint64_t Word() { return engine_(); }
  bool Chance(unsigned percent) { return Below(100) < percent; }

 private:
  std::mt19937_64 engine_;
};

class TimeSlice {
 public:
  explicit TimeSlice(double seconds)
      : end_(std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                    std::chrono::duration<double>(seconds))) {}
  bool Over() const { return std::chrono::steady_clock::now() >= end_; }

 private:
  std::chrono::steady_clock::time_point end_;
};

// Bytes with a few changes, as a file is damaged or forged.
void Mutate(std::vector<uint8_t> &bytes, Random &random);

// Each works until its time is over, at least one round; returns the number of rounds.
size_t ReadFiles(const std::vector<std::string> &corpus, Random &random, const TimeSlice &slice);
size_t MoveEntries(const std::vector<std::string> &corpus, Random &random, const TimeSlice &slice);
size_t DecodeStores(const std::vector<std::string> &corpus, Random &random, const TimeSlice &slice);
size_t RunFilters(Random &random, const TimeSlice &slice);
size_t WorkOnTarget(const std::string &program, const TimeSlice &slice);

}  // namespace sanitize
