// Where our own helper programs are.
#pragma once

#include <string>

namespace polus {

// Path of a program that stands beside the addon's file. Throws TRACER if that is unknown.
std::string BesideAddon(const char *name);

}  // namespace polus
