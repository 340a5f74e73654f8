#include "transfers/plain_fields.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "transfers/byte_reader.h"

namespace polus {

namespace {

using Target = std::map<int64_t, TargetByte>;

/** The field that bytes stored together are, if they are one as a whole. */
std::optional<PlainField> WholeField(const std::vector<ByteOrigin>& bytes, uint32_t to) {
  const auto size = static_cast<uint32_t>(bytes.size());
  if (bytes[0].kind != ByteOrigin::Kind::kSource) return std::nullopt;
  const uint32_t from = bytes[0].offset;
  uint32_t copied = 1;
  while (copied < size && bytes[copied].kind == ByteOrigin::Kind::kSource &&
         bytes[copied].offset == from + copied) {
    ++copied;
  }
  if (copied == size) return PlainField{from, size, to, size, false};
  const bool is_word = (size == 2 || size == 4 || size == 8) && (copied == 1 || copied == 2 || copied == 4);
  if (!is_word) return std::nullopt;
  const auto rest = bytes.begin() + copied;
  const uint32_t last = from + copied - 1;
  if (std::all_of(rest, bytes.end(), [](const ByteOrigin& one) { return one.IsZero(); })) {
    return PlainField{from, copied, to, size, false};
  }
  const auto is_sign = [last](const ByteOrigin& one) {
    return one.kind == ByteOrigin::Kind::kSign && one.offset == last;
  };
  if (std::all_of(rest, bytes.end(), is_sign)) return PlainField{from, copied, to, size, true};
  return std::nullopt;
}

/** Fields in bytes that one instruction stored: all of them, or those of its halves. */
void FieldsOf(const std::vector<ByteOrigin>& bytes, uint32_t to, std::vector<PlainField>* fields) {
  if (const auto whole = WholeField(bytes, to)) {
    fields->push_back(*whole);
  } else if (bytes.size() > 1 && bytes.size() % 2 == 0) {
    const auto middle = bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2);
    FieldsOf({bytes.begin(), middle}, to, fields);
    FieldsOf({middle, bytes.end()}, to + static_cast<uint32_t>(bytes.size() / 2), fields);
  }
}

std::vector<PlainField> FieldsOf(const Target& target) {
  std::vector<PlainField> fields;
  for (auto at = target.begin(); at != target.end();) {
    std::vector<ByteOrigin> bytes;
    auto end = at;
    while (end != target.end() && end->second.store == at->second.store &&
           end->first == at->first + static_cast<int64_t>(bytes.size())) {
      bytes.push_back(end->second.origin);
      ++end;
    }
    FieldsOf(bytes, static_cast<uint32_t>(at->first), &fields);
    at = end;
  }
  return fields;
}

/** Whether the source's bytes decide no other byte of the target than the field's. */
bool DecidesNothingElse(const PlainField& field, const Target& target) {
  return std::all_of(target.begin(), target.end(), [&field](const auto& entry) {
    const auto& [at, byte] = entry;
    const bool of_field = byte.origin.OfSource() && byte.origin.offset >= field.from &&
                          byte.origin.offset - field.from < field.from_size;
    return !of_field || (at >= field.to && at < int64_t{field.to} + field.to_size);
  });
}

bool IsOpaque(const PlainField& field, const std::unordered_set<uint32_t>& opaque) {
  for (uint32_t at = field.from; at < field.from + field.from_size; ++at) {
    if (opaque.count(at) > 0) return true;
  }
  return false;
}

bool IsBefore(const PlainField& one, const PlainField& other) {
  return std::pair(one.from, one.from_size) < std::pair(other.from, other.from_size);
}

/** Copies of the lower part of a word whose upper part decides nothing, as fields that become narrower. */
std::vector<PlainField> Narrowed(const std::vector<PlainField>& fields,
                                 const std::unordered_set<uint32_t>& used) {
  std::vector<PlainField> narrowed;
  for (const PlainField& field : fields) {
    const uint32_t size = field.from_size;
    if (field.to_size != size || (size != 1 && size != 2 && size != 4)) continue;
    for (uint32_t wide = 2 * size; wide <= 8 && field.from % wide == 0; wide *= 2) {
      bool is_free = true;
      for (uint32_t at = size; at < wide; ++at) is_free = is_free && used.count(field.from + at) == 0;
      if (is_free) narrowed.push_back({field.from, wide, field.to, size, false});
    }
  }
  return narrowed;
}

/** Copies side by side that lie side by side over there too. */
std::vector<PlainField> Joined(std::vector<PlainField> fields) {
  std::sort(fields.begin(), fields.end(), IsBefore);
  std::vector<PlainField> joined;
  for (const PlainField& field : fields) {
    PlainField* last = joined.empty() ? nullptr : &joined.back();
    const bool copies = last != nullptr && field.from_size == field.to_size &&
                        last->from_size == last->to_size;
    if (copies && last->from + last->from_size == field.from && last->to + last->to_size == field.to) {
      last->from_size += field.from_size;
      last->to_size += field.to_size;
    } else {
      joined.push_back(field);
    }
  }
  return joined;
}

}  // namespace

std::vector<PlainField> PlainFields(const ElfFile& file, const TransferCode& code) {
  ByteReader reader(file, code);
  if (!reader.Follow() || reader.Ends().empty()) return {};
  std::vector<std::vector<PlainField>> ends;
  std::unordered_set<uint32_t> used = reader.Opaque();
  for (const Target& end : reader.Ends()) {
    ends.push_back(FieldsOf(end));
    for (const auto& [at, byte] : end) {
      if (byte.origin.OfSource()) used.insert(byte.origin.offset);
    }
  }
  std::vector<PlainField> fields;
  for (const PlainField& field : ends.front()) {
    const auto has_it = [&field](const std::vector<PlainField>& end) {
      return std::find(end.begin(), end.end(), field) != end.end();
    };
    const auto nothing_else = [&field](const Target& end) { return DecidesNothingElse(field, end); };
    if (!IsOpaque(field, reader.Opaque()) && std::all_of(ends.begin(), ends.end(), has_it) &&
        std::all_of(reader.Ends().begin(), reader.Ends().end(), nothing_else)) {
      fields.push_back(field);
    }
  }
  std::vector<PlainField> narrowed = Narrowed(fields, used);
  fields = Joined(std::move(fields));
  fields.insert(fields.end(), narrowed.begin(), narrowed.end());
  std::sort(fields.begin(), fields.end(), IsBefore);
  return fields;
}

}  // namespace polus
