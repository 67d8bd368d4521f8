#include "agent/checks/grpc_health.h"

#include <array>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace minikube::agent {
namespace {

enum Frame : std::uint8_t { kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kGoAway = 7, kContinuation = 9 };
constexpr std::uint8_t kEndStream = 1;
constexpr std::uint8_t kEndHeaders = 4;
constexpr std::uint8_t kPadded = 8;
constexpr std::uint8_t kPriority = 0x20;
constexpr std::size_t kFrameHead = 9;
constexpr std::size_t kMaxFrame = 16384;
constexpr std::uint32_t kStream = 1;  // the only one

// "grpc-status" in Huffman code (RFC 7541 appendix B), as gRPC servers send it.
constexpr std::string_view kCodedGrpcStatus("\x9a\xca\xc8\xb2\x12\x34\xda\x8f", 8);

void AppendFrame(std::string& out, Frame type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  const std::size_t size = payload.size();
  for (const int shift : {16, 8, 0}) out += static_cast<char>(size >> shift);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift);
  out += payload;
}

// An integer with a prefix of `bits` (RFC 7541 section 5.1), under the bits of `first`.
void AppendInteger(std::string& out, std::uint8_t first, int bits, std::size_t value) {
  const std::size_t most = (std::size_t{1} << bits) - 1;
  if (value < most) {
    out += static_cast<char>(first | value);
    return;
  }
  out += static_cast<char>(first | most);
  for (value -= most; value >= 128; value >>= 7) out += static_cast<char>((value & 127) | 128);
  out += static_cast<char>(value);
}
void AppendText(std::string& out, std::string_view text) {
  AppendInteger(out, 0, 7, text.size());
  out += text;
}
// A field that is not remembered: its name by its place in the static table, or as text.
void AppendField(std::string& out, std::size_t name, std::string_view value) {
  AppendInteger(out, 0, 4, name);
  AppendText(out, value);
}
void AppendField(std::string& out, std::string_view name, std::string_view value) {
  out += '\0';
  AppendText(out, name);
  AppendText(out, value);
}

// A walk through bytes that somebody else made.
class Reader {
 public:
  explicit Reader(std::string_view rest) : rest_(rest) {}
  bool empty() const { return rest_.empty(); }
  bool failed() const { return failed_; }
  std::uint8_t Byte() { return rest_.empty() ? Fail() : static_cast<std::uint8_t>(Take(1)[0]); }
  std::string_view Take(std::size_t size) {
    if (size > rest_.size()) {
      Fail();
      return {};
    }
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  std::size_t Integer(std::uint8_t first, int bits) {
    const std::size_t most = (std::size_t{1} << bits) - 1;
    std::size_t value = first & most;
    if (value < most) return value;
    for (int shift = 0; shift < 28; shift += 7) {
      const std::uint8_t byte = Byte();
      value += static_cast<std::size_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return Fail();
  }
  // As it is in the block; `coded` tells whether that is Huffman code.
  std::string_view Text(bool& coded) {
    const std::uint8_t first = Byte();
    coded = (first & 128) != 0;
    return Take(Integer(first, 7));
  }
  std::uint64_t Varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t byte = Byte();
      value |= static_cast<std::uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return Fail();
  }

 private:
  std::uint8_t Fail() {
    failed_ = true;
    rest_ = {};
    return 0;
  }
  std::string_view rest_;
  bool failed_ = false;
};

// The value of grpc-status in a block of fields, if it is there as text. Nothing else in it matters.
std::optional<int> GrpcStatusIn(std::string_view block) {
  Reader in(block);
  while (!in.empty()) {
    const std::uint8_t first = in.Byte();
    if ((first & 0x80) != 0) {  // a known field
      in.Integer(first, 7);
      continue;
    }
    if ((first & 0xe0) == 0x20) {  // the table's size
      in.Integer(first, 5);
      continue;
    }
    bool name_coded = false;
    bool value_coded = false;
    std::string_view name;
    if (in.Integer(first, (first & 0x40) != 0 ? 6 : 4) == 0) name = in.Text(name_coded);
    const std::string_view value = in.Text(value_coded);
    if (in.failed() || name != (name_coded ? kCodedGrpcStatus : "grpc-status")) continue;
    if (value_coded) return std::nullopt;
    int code = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), code);
    if (error == std::errc() && end == value.data() + value.size()) return code;
  }
  return std::nullopt;
}

Status Amiss(std::string text) { return {Code::kUnavailable, std::move(text)}; }
Status NotGrpc() { return Amiss("error: health rpc probe failed: the answer is not gRPC"); }

Status JudgeCode(std::optional<int> code) {
  static constexpr std::array<std::string_view, 17> kCodes = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  if (code == 12) {
    return Amiss("error: this server does not implement the grpc health protocol (grpc.health.v1.Health)");
  }
  if (!code || *code < 1 || static_cast<std::size_t>(*code) >= kCodes.size()) {
    return Amiss("error: health rpc probe failed: the server gave no answer");
  }
  return Amiss(
      fmt::format("error: health rpc probe failed: rpc error: code = {}", kCodes[static_cast<std::size_t>(*code)]));
}

// A HealthCheckResponse in the five bytes' frame of gRPC; nullopt if it is not whole.
std::optional<Status> JudgeMessage(std::string_view data) {
  if (data.size() < 5) return std::nullopt;
  std::size_t size = 0;
  for (const char c : data.substr(1, 4)) size = size << 8 | static_cast<std::uint8_t>(c);
  if (data[0] != 0 || size > kMaxFrame) return NotGrpc();
  if (data.size() < 5 + size) return std::nullopt;
  Reader in(data.substr(5, size));
  std::uint64_t status = 0;
  while (!in.empty()) {
    const std::uint64_t tag = in.Varint();
    if ((tag & 7) == 0) {
      const std::uint64_t value = in.Varint();
      if (tag == 8) status = value;
    } else if ((tag & 7) == 2) {
      in.Take(in.Varint());
    } else {
      return NotGrpc();
    }
  }
  if (in.failed()) return NotGrpc();
  if (status == 1) return Status();
  static constexpr std::array<std::string_view, 4> kNames = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  return Amiss(fmt::format("service unhealthy (responded with \"{}\")",
                           status < kNames.size() ? std::string(kNames[status]) : fmt::format("{}", status)));
}

// A frame's payload without padding and priority.
std::string_view Unpadded(std::uint8_t type, std::uint8_t flags, std::string_view payload) {
  Reader in(payload);
  const std::size_t padding = (flags & kPadded) != 0 ? in.Byte() : 0;
  std::size_t before = (flags & kPadded) != 0 ? 1 : 0;
  if (type == kHeaders && (flags & kPriority) != 0) before += 5;
  if (before + padding > payload.size()) return {};
  return payload.substr(before, payload.size() - before - padding);
}

}  // namespace

std::string GrpcHealthRequest(std::string_view authority, std::string_view service) {
  std::string out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  AppendFrame(out, kSettings, 0, 0, {});
  std::string fields;
  AppendInteger(fields, 0x80, 7, 3);  // :method POST
  AppendInteger(fields, 0x80, 7, 6);  // :scheme http
  AppendField(fields, 4, "/grpc.health.v1.Health/Check");
  AppendField(fields, 1, authority);
  AppendField(fields, 31, "application/grpc");
  AppendField(fields, "te", "trailers");
  AppendField(fields, 58, "kube-probe/1.36");
  AppendFrame(out, kHeaders, kEndHeaders, kStream, fields);
  std::string message;
  if (!service.empty()) {
    message += '\x0a';
    std::size_t size = service.size();
    for (; size >= 128; size >>= 7) message += static_cast<char>((size & 127) | 128);
    message += static_cast<char>(size);
    message += service;
  }
  std::string data(1, '\0');  // not compressed
  for (const int shift : {24, 16, 8, 0}) data += static_cast<char>(message.size() >> shift);
  data += message;
  AppendFrame(out, kData, kEndStream, kStream, data);
  return out;
}

std::optional<Status> JudgeGrpcAnswer(std::string_view came) {
  std::string data;
  std::string block;
  bool first = true;
  while (came.size() >= kFrameHead) {
    std::size_t size = 0;
    for (const char c : came.substr(0, 3)) size = size << 8 | static_cast<std::uint8_t>(c);
    const auto type = static_cast<std::uint8_t>(came[3]);
    const auto flags = static_cast<std::uint8_t>(came[4]);
    std::uint32_t stream = 0;
    for (const char c : came.substr(5, 4)) stream = stream << 8 | static_cast<std::uint8_t>(c);
    // Who speaks HTTP/2 begins with its settings.
    if (size > kMaxFrame || (std::exchange(first, false) && type != kSettings)) return NotGrpc();
    if (came.size() < kFrameHead + size) return std::nullopt;
    const std::string_view payload = Unpadded(type, flags, came.substr(kFrameHead, size));
    came.remove_prefix(kFrameHead + size);
    if (type == kGoAway) return Amiss("error: health rpc probe failed: the server closed the connection");
    if (stream != kStream) continue;
    if (type == kReset) return Amiss("error: health rpc probe failed: the server reset the call");
    if (type == kData) {
      data += payload;
      if (std::optional<Status> verdict = JudgeMessage(data)) return verdict;
    }
    if (type == kHeaders || type == kContinuation) {
      block += payload;
      if ((flags & kEndHeaders) != 0) {
        const std::optional<int> code = GrpcStatusIn(block);
        if ((code && *code != 0) || (type == kHeaders && (flags & kEndStream) != 0)) return JudgeCode(code);
        block.clear();
      }
    }
  }
  return std::nullopt;
}

}  // namespace minikube::agent
