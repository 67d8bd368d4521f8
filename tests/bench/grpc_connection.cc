#include "bench/grpc_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace minikube::bench {
namespace {

Status Failed(std::string_view what) {
  return {Code::kUnavailable, fmt::format("grpc: {}: {}", what, strerror(errno))};
}

void AppendNumber(std::uint64_t value, int bytes, std::string& out) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
}

std::uint64_t ReadNumber(std::string_view in, int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(in[static_cast<std::size_t>(i)]);
  return value;
}

// Frame types and flags of RFC 9113, section 6.
enum FrameType : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kReset = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8
};
constexpr std::uint8_t kEndStream = 1, kAck = 1, kEndHeaders = 4;
constexpr std::size_t kFrameHeader = 9;
constexpr std::size_t kMaxFrame = 16384;
constexpr std::size_t kMessageHeader = 5;  // gRPC's: a flag and the length
constexpr std::uint32_t kHugeWindow = 1u << 30;

void AppendFrameHeader(std::size_t size, FrameType type, std::uint8_t flags, std::uint32_t stream, std::string& out) {
  AppendNumber(size, 3, out);
  AppendNumber(type, 1, out);
  AppendNumber(flags, 1, out);
  AppendNumber(stream, 4, out);
}

void AppendFrame(FrameType type, std::uint8_t flags, std::uint32_t stream, std::string_view payload, std::string& out) {
  AppendFrameHeader(payload.size(), type, flags, stream, out);
  out.append(payload);
}

void AppendWindowUpdate(std::uint32_t stream, std::uint32_t by, std::string& out) {
  AppendFrameHeader(4, kWindowUpdate, 0, stream, out);
  AppendNumber(by, 4, out);
}

// HPACK (RFC 7541) without dynamic table and Huffman codes.
std::string RequestHeaders(std::string_view method) {
  const auto text = [](std::string_view value) { return static_cast<char>(value.size()) + std::string(value); };
  std::string out = "\x83\x86";  // :method POST, :scheme http
  out += '\x04' + text(method);  // :path
  out += '\x01' + text("127.0.0.1");
  out += std::string("\x0f\x10", 2) + text("application/grpc");  // content-type
  out += '\0' + text("te") + text("trailers");
  return out;
}

}  // namespace

Result<std::unique_ptr<GrpcConnection>> GrpcConnection::Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed("socket");
  std::unique_ptr<GrpcConnection> connection(new GrpcConnection(fd));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return Failed("connect");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connection->out_ = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  std::string settings;
  AppendNumber(4, 2, settings);  // SETTINGS_INITIAL_WINDOW_SIZE
  AppendNumber(kHugeWindow, 4, settings);
  AppendFrame(kSettings, 0, 0, settings, connection->out_);
  AppendWindowUpdate(0, kHugeWindow, connection->out_);
  MINIKUBE_RETURN_IF_ERROR(connection->Flush());
  return connection;
}

GrpcConnection::GrpcConnection(int fd) : fd_(fd) {}
GrpcConnection::~GrpcConnection() { close(fd_); }

GrpcConnection::Stream GrpcConnection::Open(std::string_view method) {
  const Stream stream = std::exchange(next_, next_ + 2);
  AppendFrame(kHeaders, kEndHeaders, stream, RequestHeaders(method), out_);
  streams_.try_emplace(stream);
  return stream;
}

void GrpcConnection::Send(Stream stream, std::string_view message, bool last) {
  std::string body(1, '\0');  // not compressed
  AppendNumber(message.size(), 4, body);
  body += message;
  for (std::string_view rest = body; !rest.empty();) {
    const std::string_view frame = rest.substr(0, kMaxFrame);
    rest.remove_prefix(frame.size());
    AppendFrame(kData, last && rest.empty() ? kEndStream : 0, stream, frame, out_);
  }
}

Status GrpcConnection::Flush() {
  std::string_view bytes = out_;
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Failed("send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  out_.clear();
  return {};
}

void GrpcConnection::TakeData(Stream stream, std::string_view payload,
                              const std::function<void(Stream, std::string_view)>& on_message) {
  Incoming& incoming = streams_[stream];
  const auto size = static_cast<std::uint32_t>(payload.size());
  if ((received_ += size) > kHugeWindow / 2) AppendWindowUpdate(0, std::exchange(received_, 0), out_);
  if ((incoming.received += size) > kHugeWindow / 2) {
    AppendWindowUpdate(stream, std::exchange(incoming.received, 0), out_);
  }
  // Most messages come in one frame and are not copied.
  std::string_view bytes = payload;
  if (!incoming.bytes.empty()) {
    incoming.bytes.append(payload);
    bytes = incoming.bytes;
  }
  while (bytes.size() >= kMessageHeader) {
    const std::size_t length = ReadNumber(bytes.substr(1), 4);
    if (bytes.size() < kMessageHeader + length) break;
    incoming.answered = true;
    on_message(stream, bytes.substr(kMessageHeader, length));
    bytes.remove_prefix(kMessageHeader + length);
  }
  if (incoming.bytes.empty()) {
    incoming.bytes = bytes;
  } else {
    incoming.bytes.erase(0, incoming.bytes.size() - bytes.size());
  }
}

Status GrpcConnection::Receive(const std::function<void(Stream, std::string_view)>& on_message,
                               const std::function<void(Stream, const Status&)>& on_end) {
  char buffer[65536];
  const ssize_t n = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (n <= 0) return Failed("the connection ended");
  in_.append(buffer, static_cast<std::size_t>(n));
  std::size_t at = 0;
  while (in_.size() - at >= kFrameHeader) {
    const std::string_view frame = std::string_view(in_).substr(at);
    const std::size_t size = ReadNumber(frame, 3);
    if (frame.size() < kFrameHeader + size) break;
    at += kFrameHeader + size;
    const auto type = static_cast<std::uint8_t>(frame[3]);
    const auto flags = static_cast<std::uint8_t>(frame[4]);
    const auto stream = static_cast<Stream>(ReadNumber(frame.substr(5), 4));
    const std::string_view payload = frame.substr(kFrameHeader, size);
    switch (type) {
      case kData:
        TakeData(stream, payload, on_message);
        break;
      case kHeaders: {
        if ((flags & kEndStream) == 0) break;
        const bool answered = streams_[stream].answered;
        streams_.erase(stream);
        // An error of gRPC comes as trailers alone.
        on_end(stream, answered ? Status() : Status(Code::kUnavailable, "the server refused a request"));
        break;
      }
      case kSettings:
        if ((flags & kAck) == 0) AppendFrame(kSettings, kAck, 0, "", out_);
        break;
      case kPing:
        if ((flags & kAck) == 0) AppendFrame(kPing, kAck, 0, payload, out_);
        break;
      case kReset:
      case kGoAway:
        return {Code::kUnavailable, "the server ended a call"};
      default:
        break;
    }
  }
  in_.erase(0, at);
  return {};
}

}  // namespace minikube::bench
