// SpdyConnection: the server's side of a SPDY/3.1 connection, without sockets: bytes in, events out, and bytes to be
// sent. What Kubernetes' older clients stream over: `kubectl exec`, `attach` and `port-forward` before 1.30, and
// port-forward in a WebSocket's messages since. Only the client opens streams.
//
// Back pressure: what is kept here is one incomplete control frame (16 KiB) and replies to control frames, of which a
// caller that reads on while output() is beyond a bound gets more. Data passes at once. Towards the client the windows
// of SPDY count only once it has shown that it opens them (by a WINDOW_UPDATE): Go's spdystream, which kubectl has,
// never does, and leaves it to TCP. Its own data it sends without a look at ours.
// Thread safety: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "http/spdy_frames.h"

namespace minikube {

class SpdyConnection {
 public:
  static constexpr std::size_t kMaxStreams = 1024;  // open at a time; more are refused

  // What is told while Receive runs; it may use the connection.
  class Handler {
   public:
    virtual ~Handler() = default;
    // A stream was opened; false refuses it.
    virtual bool OnStream(std::uint32_t stream, const SpdyHeaders& headers) = 0;
    virtual void OnData(std::uint32_t stream, std::string_view data) = 0;
    // The client sends no more on it.
    virtual void OnFinish(std::uint32_t stream) = 0;
    // It is gone, both ways.
    virtual void OnReset(std::uint32_t stream) = 0;
  };

  explicit SpdyConnection(Handler& handler) : handler_(handler) {}

  // False once the client has broken the protocol: what output() says is all that is to be sent yet.
  bool Receive(std::string_view bytes);
  // What is to be sent, in order; the caller takes it away.
  std::string& output() { return output_; }
  // The client has said goodbye: it opens no more streams.
  bool gone_away() const { return gone_away_; }
  std::size_t streams() const { return streams_.size(); }

  // Whether something may be sent on it, now or later.
  bool IsOpen(std::uint32_t stream) const;
  // How much may be sent on it now; 0 if it is not open in this direction.
  std::size_t Room(std::uint32_t stream) const;
  // Appends to output(); with `finish` it is the last. Nothing happens if the stream is not open in this direction.
  void Send(std::uint32_t stream, std::string_view data, bool finish);
  void Reset(std::uint32_t stream, SpdyReset why);
  // So many bytes of OnData's are done with: a client that looks at its windows may send as many again.
  void Consumed(std::uint32_t stream, std::size_t bytes);
  // No more streams are taken.
  void GoAway();

 private:
  struct Stream {
    bool remote_open = true;
    bool local_open = true;
    std::int64_t window = 0;   // that the client has left us
    std::size_t consumed = 0;  // and not told yet
  };

  bool TakeControl(const SpdyPiece& piece);
  bool TakeSynStream(const SpdyPiece& piece);
  bool TakeHeaders(const SpdyPiece& piece);
  bool TakeSettings(std::string_view body);
  bool TakeWindowUpdate(std::string_view body);
  void TakeData(const SpdyPiece& piece);
  void Finish(std::uint32_t stream);
  void AppendReset(std::uint32_t stream, SpdyReset why);
  void AppendWindowUpdate(std::uint32_t stream, std::size_t bytes);
  bool Broken();

  Handler& handler_;
  SpdyCutter cutter_;
  SpdyInflater inflater_;
  SpdyDeflater deflater_;
  std::string output_;
  std::map<std::uint32_t, Stream> streams_;
  std::uint32_t last_stream_ = 0;
  std::int64_t initial_window_ = 64 << 10;
  std::int64_t session_window_ = 64 << 10;  // of all streams together, that the client has left us
  std::size_t session_consumed_ = 0;
  bool windows_ = false;          // the client opens the windows of streams,
  bool session_windows_ = false;  // and that of the session
  bool gone_away_ = false;
  bool going_away_ = false;
  bool broken_ = false;
};

}  // namespace minikube
