#include "api/wire/proto_wire.h"

namespace minikube::api {
namespace {

constexpr std::string_view kMagic{"k8s\0", 4};

// Walks over the fields of one message.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  // False at the end or at an error; then ok() tells which.
  bool Next() {
    if (rest_.empty()) return false;
    std::uint64_t tag = 0;
    if (!ReadVarint(tag) || tag >> 3 == 0 || tag >> 32 != 0) return Fail();
    number_ = static_cast<int>(tag >> 3);
    wire_ = static_cast<int>(tag & 7);
    std::uint64_t size = 0;
    switch (wire_) {
      case 0:
        return ReadVarint(value_) || Fail();
      case 1:
        size = 8;
        break;
      case 2:
        if (!ReadVarint(size)) return Fail();
        break;
      case 5:
        size = 4;
        break;
      default:
        return Fail();
    }
    if (size > rest_.size()) return Fail();
    bytes_ = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(static_cast<std::size_t>(size));
    return true;
  }
  bool Is(int number, int wire) const { return number_ == number && wire_ == wire; }
  std::uint64_t value() const { return value_; }
  std::string_view bytes() const { return bytes_; }
  bool ok() const { return ok_; }

 private:
  bool Fail() {
    ok_ = false;
    return false;
  }
  bool ReadVarint(std::uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 70 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      if (shift < 64) value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  std::string_view rest_;
  int number_ = 0;
  int wire_ = 0;
  std::uint64_t value_ = 0;
  std::string_view bytes_;
  bool ok_ = true;
};

Status Malformed() { return {Code::kBadRequest, "malformed protobuf"}; }

}  // namespace

void PutVarint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::size_t VarintSize(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

void PutInt(int number, std::uint64_t value, std::string& out) {
  PutVarint(static_cast<std::uint64_t>(number) << 3, out);
  PutVarint(value, out);
}

void PutBytes(int number, std::string_view bytes, std::string& out) {
  PutVarint((static_cast<std::uint64_t>(number) << 3) | 2, out);
  PutVarint(bytes.size(), out);
  out += bytes;
}

void PutText(int number, std::string_view text, std::string& out) {
  if (!text.empty()) PutBytes(number, text, out);
}

void PutEnvelopeHead(std::string_view api_version, std::string_view kind, std::size_t raw_size, std::string& out) {
  out += kMagic;
  std::string type_meta;
  PutText(1, api_version, type_meta);
  PutText(2, kind, type_meta);
  PutBytes(1, type_meta, out);
  PutVarint((2 << 3) | 2, out);
  PutVarint(raw_size, out);
}

Result<std::string_view> OpenEnvelope(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return Status(Code::kBadRequest, "the body is not in the protobuf envelope");
  WireReader reader(bytes.substr(kMagic.size()));
  std::string_view raw;
  while (reader.Next()) {
    if (reader.Is(2, 2)) raw = reader.bytes();
  }
  if (!reader.ok()) return Malformed();
  return raw;
}

Status ReadDeleteOptionsMessage(std::string_view bytes, meta::v1::DeleteOptions& options) {
  WireReader reader(bytes);
  while (reader.Next()) {
    if (reader.Is(1, 0)) {
      options.gracePeriodSeconds = static_cast<std::int64_t>(reader.value());
    } else if (reader.Is(2, 2)) {
      meta::v1::Preconditions& preconditions = options.preconditions.Mutable();
      WireReader inner(reader.bytes());
      while (inner.Next()) {
        if (inner.Is(1, 2)) preconditions.uid = Str(inner.bytes());
        if (inner.Is(2, 2)) preconditions.resourceVersion = Str(inner.bytes());
      }
      if (!inner.ok()) return Malformed();
    } else if (reader.Is(3, 0)) {
      options.orphanDependents = reader.value() != 0;
    } else if (reader.Is(4, 2)) {
      options.propagationPolicy = Str(reader.bytes());
    } else if (reader.Is(5, 2)) {
      options.dryRun.push_back(Str(reader.bytes()));
    }
  }
  return reader.ok() ? Status() : Malformed();
}

}  // namespace minikube::api
