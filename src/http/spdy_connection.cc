#include "http/spdy_connection.h"

#include <algorithm>

namespace minikube {
namespace {

constexpr std::uint32_t kIdMask = 0x7fffffff;
constexpr std::int64_t kMaxWindow = 0x7fffffff;
constexpr std::size_t kUnlimited = 1u << 20;      // what Room says where no window counts
constexpr std::size_t kTellConsumed = 32u << 10;  // half a window
constexpr std::uint32_t kInitialWindowSetting = 7;
constexpr std::uint32_t kGoAwayProtocolError = 1;

}  // namespace

bool SpdyConnection::Broken() {
  std::string body;
  AppendSpdy32(last_stream_, body);
  AppendSpdy32(kGoAwayProtocolError, body);
  AppendSpdyControl(SpdyType::kGoAway, 0, body, output_);
  broken_ = true;
  return false;
}

bool SpdyConnection::Receive(std::string_view bytes) {
  SpdyPiece piece;
  while (!broken_) {
    switch (cutter_.Next(bytes, piece)) {
      case SpdyCutter::Outcome::kNeedMore:
        return true;
      case SpdyCutter::Outcome::kBroken:
        return Broken();
      case SpdyCutter::Outcome::kPiece:
        if (!piece.control) {
          TakeData(piece);
        } else if (!TakeControl(piece)) {
          return Broken();
        }
    }
  }
  return false;
}

bool SpdyConnection::TakeControl(const SpdyPiece& piece) {
  switch (piece.type) {
    case SpdyType::kSynStream:
      return TakeSynStream(piece);
    case SpdyType::kSynReply:  // to no stream of ours: but what it does to the compression counts
    case SpdyType::kHeaders:
      return TakeHeaders(piece);
    case SpdyType::kRstStream: {
      if (piece.body.size() != 8) return false;
      const std::uint32_t stream = ReadSpdy32(piece.body, 0) & kIdMask;
      if (streams_.erase(stream) > 0) handler_.OnReset(stream);
      return true;
    }
    case SpdyType::kSettings:
      return TakeSettings(piece.body);
    case SpdyType::kPing:
      if (piece.body.size() != 4) return false;
      // Those of the client's have odd numbers; others answer what was never asked.
      if (ReadSpdy32(piece.body, 0) % 2 == 1) AppendSpdyControl(SpdyType::kPing, 0, piece.body, output_);
      return true;
    case SpdyType::kGoAway:
      if (piece.body.size() != 8) return false;
      gone_away_ = true;
      return true;
    case SpdyType::kWindowUpdate:
      return TakeWindowUpdate(piece.body);
  }
  return true;  // of a kind that is not known: to be ignored
}

bool SpdyConnection::TakeSynStream(const SpdyPiece& piece) {
  constexpr std::size_t kBeforeHeaders = 10;
  if (piece.body.size() < kBeforeHeaders) return false;
  const std::uint32_t stream = ReadSpdy32(piece.body, 0) & kIdMask;
  const auto headers = inflater_.Read(piece.body.substr(kBeforeHeaders));
  if (!headers) return false;
  if (stream % 2 == 0 || stream <= last_stream_) return false;
  last_stream_ = stream;
  if (going_away_) return true;  // it has been, or will be, told
  if (streams_.size() >= kMaxStreams) return AppendReset(stream, SpdyReset::kRefusedStream), true;
  Stream& opened = streams_[stream];
  opened.window = initial_window_;
  if (!handler_.OnStream(stream, *headers)) {
    streams_.erase(stream);
    AppendReset(stream, SpdyReset::kRefusedStream);
    return true;
  }
  std::string body;
  AppendSpdy32(stream, body);
  body += deflater_.Write({});
  AppendSpdyControl(SpdyType::kSynReply, 0, body, output_);
  if ((piece.flags & kSpdyFin) != 0) Finish(stream);
  return true;
}

bool SpdyConnection::TakeHeaders(const SpdyPiece& piece) {
  constexpr std::size_t kBeforeHeaders = 4;
  if (piece.body.size() < kBeforeHeaders) return false;
  if (!inflater_.Read(piece.body.substr(kBeforeHeaders))) return false;
  if ((piece.flags & kSpdyFin) != 0) Finish(ReadSpdy32(piece.body, 0) & kIdMask);
  return true;
}

bool SpdyConnection::TakeSettings(std::string_view body) {
  if (body.size() < 4 || (body.size() - 4) % 8 != 0 || (body.size() - 4) / 8 != ReadSpdy32(body, 0)) return false;
  for (std::size_t at = 4; at < body.size(); at += 8) {
    if ((ReadSpdy32(body, at) & 0xffffffU) != kInitialWindowSetting) continue;
    const auto size = static_cast<std::int64_t>(ReadSpdy32(body, at + 4));
    if (size > kMaxWindow) return false;
    for (auto& [id, stream] : streams_) stream.window += size - initial_window_;
    initial_window_ = size;
  }
  return true;
}

bool SpdyConnection::TakeWindowUpdate(std::string_view body) {
  if (body.size() != 8) return false;
  const std::uint32_t stream = ReadSpdy32(body, 0) & kIdMask;
  const auto more = static_cast<std::int64_t>(ReadSpdy32(body, 4) & kIdMask);
  if (stream == 0) {
    session_windows_ = true;
    session_window_ += more;
    return session_window_ <= kMaxWindow;
  }
  windows_ = true;
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return true;
  it->second.window += more;
  if (it->second.window <= kMaxWindow) return true;
  Reset(stream, SpdyReset::kFlowControlError);
  handler_.OnReset(stream);
  return true;
}

void SpdyConnection::TakeData(const SpdyPiece& piece) {
  const auto it = streams_.find(piece.stream);
  if (it == streams_.end() || !it->second.remote_open) {
    // On its way when the stream ended. It took room in the session's window all the same.
    Consumed(piece.stream, piece.body.size());
    return;
  }
  if (!piece.body.empty()) handler_.OnData(piece.stream, piece.body);
  if (piece.last && (piece.flags & kSpdyFin) != 0) Finish(piece.stream);
}

void SpdyConnection::Finish(std::uint32_t stream) {
  const auto it = streams_.find(stream);
  if (it == streams_.end() || !it->second.remote_open) return;
  it->second.remote_open = false;
  if (!it->second.local_open) streams_.erase(it);
  handler_.OnFinish(stream);
}

bool SpdyConnection::IsOpen(std::uint32_t stream) const {
  const auto it = streams_.find(stream);
  return it != streams_.end() && it->second.local_open;
}

std::size_t SpdyConnection::Room(std::uint32_t stream) const {
  const auto it = streams_.find(stream);
  if (it == streams_.end() || !it->second.local_open) return 0;
  auto room = static_cast<std::int64_t>(kUnlimited);
  if (windows_) room = std::min(room, it->second.window);
  if (session_windows_) room = std::min(room, session_window_);
  return room > 0 ? static_cast<std::size_t>(room) : 0;
}

void SpdyConnection::Send(std::uint32_t stream, std::string_view data, bool finish) {
  const auto it = streams_.find(stream);
  if (it == streams_.end() || !it->second.local_open) return;
  it->second.window -= static_cast<std::int64_t>(data.size());
  session_window_ -= static_cast<std::int64_t>(data.size());
  AppendSpdyData(stream, finish ? kSpdyFin : 0, data, output_);
  if (!finish) return;
  it->second.local_open = false;
  if (!it->second.remote_open) streams_.erase(it);
}

void SpdyConnection::AppendReset(std::uint32_t stream, SpdyReset why) {
  std::string body;
  AppendSpdy32(stream, body);
  AppendSpdy32(static_cast<std::uint32_t>(why), body);
  AppendSpdyControl(SpdyType::kRstStream, 0, body, output_);
}

void SpdyConnection::Reset(std::uint32_t stream, SpdyReset why) {
  if (streams_.erase(stream) > 0) AppendReset(stream, why);
}

void SpdyConnection::AppendWindowUpdate(std::uint32_t stream, std::size_t bytes) {
  std::string body;
  AppendSpdy32(stream, body);
  AppendSpdy32(static_cast<std::uint32_t>(bytes), body);
  AppendSpdyControl(SpdyType::kWindowUpdate, 0, body, output_);
}

void SpdyConnection::Consumed(std::uint32_t stream, std::size_t bytes) {
  session_consumed_ += bytes;
  if (session_consumed_ >= kTellConsumed) AppendWindowUpdate(0, std::exchange(session_consumed_, 0));
  const auto it = streams_.find(stream);
  if (it == streams_.end() || !it->second.remote_open) return;
  it->second.consumed += bytes;
  if (it->second.consumed >= kTellConsumed) AppendWindowUpdate(stream, std::exchange(it->second.consumed, 0));
}

void SpdyConnection::GoAway() {
  if (std::exchange(going_away_, true)) return;
  std::string body;
  AppendSpdy32(last_stream_, body);
  AppendSpdy32(0, body);
  AppendSpdyControl(SpdyType::kGoAway, 0, body, output_);
}

}  // namespace minikube
