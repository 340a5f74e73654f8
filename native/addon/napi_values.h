#ifndef POLUS_NAPI_VALUES_H
#define POLUS_NAPI_VALUES_H

#include <napi.h>

#include <cstdint>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "failure.h"

namespace polus {

/** Makes the JavaScript `Error` with property `code` that stands for a `Failure`. */
inline Napi::Error MakeError(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

/** Throws INVALID_ARGUMENT, in JavaScript's terms a TypeError of the caller. */
[[noreturn]] inline void ThrowArgument(Napi::Env env, const std::string& message) {
  Napi::TypeError error = Napi::TypeError::New(env, message);
  error.Set("code", Napi::String::New(env, "INVALID_ARGUMENT"));
  throw error;
}

inline Napi::BigInt ToBigInt(Napi::Env env, uint64_t value) { return Napi::BigInt::New(env, value); }

inline Napi::BigInt ToBigInt(Napi::Env env, int64_t value) { return Napi::BigInt::New(env, value); }

/** Sizes and counts that fit a double exactly. */
inline Napi::Number ToNumber(Napi::Env env, uint64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

/** A string, or null for an empty one. */
inline Napi::Value TextOrNull(Napi::Env env, std::string_view text) {
  if (text.empty()) return env.Null();
  return Napi::String::New(env, text.data(), text.size());
}

/** Reads a bigint of 0 … 2^64-1; anything else is INVALID_ARGUMENT naming `what`. */
inline uint64_t ToAddress(const Napi::Value& value, const char* what) {
  if (value.IsBigInt()) {
    bool lossless = false;
    const uint64_t address = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (lossless) return address;
  }
  ThrowArgument(value.Env(), std::string(what) + " must be a bigint from 0 to 2^64-1");
}

/** Reads a non-negative integral number up to `most`; anything else is INVALID_ARGUMENT. */
inline uint64_t ToCount(const Napi::Value& value, const char* what, uint64_t most) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (number >= 0 && number <= static_cast<double>(most) &&
        number == static_cast<double>(static_cast<uint64_t>(number))) {
      return static_cast<uint64_t>(number);
    }
  }
  ThrowArgument(value.Env(), std::string(what) + " must be an integer from 0 to " + std::to_string(most));
}

inline std::string ToText(const Napi::Value& value, const char* what) {
  if (!value.IsString()) ThrowArgument(value.Env(), std::string(what) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

inline Napi::Object ToObject(const Napi::Value& value, const char* what) {
  if (!value.IsObject()) ThrowArgument(value.Env(), std::string(what) + " must be an object");
  return value.As<Napi::Object>();
}

inline Napi::Uint8Array ToBytes(const Napi::Value& value, const char* what) {
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    ThrowArgument(value.Env(), std::string(what) + " must be a Uint8Array");
  }
  return value.As<Napi::Uint8Array>();
}

/**
 * Wraps a function of the addon so that no C++ exception but Napi::Error
 * crosses into JavaScript: a `Failure` keeps its code, running out of memory is
 * OUT_OF_MEMORY, anything else INTERNAL.
 */
template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
Napi::Value Guarded(const Napi::CallbackInfo& info) {
  try {
    return Function(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (const Failure& failure) {
    throw MakeError(info.Env(), failure.code(), failure.what());
  } catch (const std::bad_alloc&) {
    throw MakeError(info.Env(), "OUT_OF_MEMORY", "there is not enough memory for this");
  } catch (const std::exception& exception) {
    throw MakeError(info.Env(), "INTERNAL", exception.what());
  }
}

/** Registers `Function` as `exports[name]`, guarded. */
template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
void Export(Napi::Env env, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New(env, Guarded<Function>, name));
}

}  // namespace polus

#endif
