// Frames of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00 and its 3.1 revision) as bytes: cutting them out of a stream,
// writing them, and their headers, which are compressed with zlib and a dictionary. What they mean is SpdyConnection's
// business.
//
// Thread safety: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minikube {

enum class SpdyType : std::uint16_t {
  kSynStream = 1,
  kSynReply = 2,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kHeaders = 8,
  kWindowUpdate = 9
};

// Why a stream is reset.
enum class SpdyReset : std::uint32_t {
  kProtocolError = 1,
  kInvalidStream = 2,
  kRefusedStream = 3,
  kCancel = 5,
  kFlowControlError = 7
};

inline constexpr std::uint8_t kSpdyFin = 1;                    // the flag: the sender sends no more on this stream
inline constexpr std::size_t kSpdyMaxHeaderBytes = 16u << 10;  // of one block, decompressed
inline constexpr std::size_t kSpdyMaxControl = 16u << 10;      // the longest control frame that is taken

// Names in lower case, as SPDY wants them.
using SpdyHeaders = std::vector<std::pair<std::string, std::string>>;
// The first of that name, or "".
std::string_view FindSpdyHeader(const SpdyHeaders& headers, std::string_view name);

// One direction of a connection's headers: the blocks share a state, so each has to pass, in order.
class SpdyInflater {
 public:
  SpdyInflater();
  ~SpdyInflater();
  // nullopt: not a header block, or too large; then the connection is beyond repair.
  std::optional<SpdyHeaders> Read(std::string_view block);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

class SpdyDeflater {
 public:
  SpdyDeflater();
  ~SpdyDeflater();
  std::string Write(const SpdyHeaders& headers);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// What was cut out of a stream. Views are into what was given to Next, or into the cutter.
struct SpdyPiece {
  bool control = false;
  std::uint8_t flags = 0;
  SpdyType type{};         // of a control frame
  std::string_view body;   // of a control frame: all after its head; else some data
  std::uint32_t stream{};  // of data
  bool last = false;       // of data: its frame ends here, so its flags count
};

// Cuts frames. Control frames come whole, data as it comes: a frame of data may have 16 MiB, of which none is kept.
class SpdyCutter {
 public:
  enum class Outcome : std::uint8_t { kPiece, kNeedMore, kBroken };
  // Takes from the front of `bytes`. kBroken: another version, or a control frame of more than kSpdyMaxControl.
  Outcome Next(std::string_view& bytes, SpdyPiece& piece);

 private:
  bool Gather(std::string_view& bytes, std::size_t want);

  std::string held_;   // an incomplete head or control frame
  bool used_ = false;  // held_ was handed out, and is to be forgotten
  std::size_t data_left_ = 0;
  std::uint32_t data_stream_ = 0;
  std::uint8_t data_flags_ = 0;
  bool in_data_ = false;
};

std::uint32_t ReadSpdy32(std::string_view bytes, std::size_t at);
void AppendSpdy32(std::uint32_t value, std::string& out);
void AppendSpdyControl(SpdyType type, std::uint8_t flags, std::string_view body, std::string& out);
// At most 2^24-1 bytes.
void AppendSpdyData(std::uint32_t stream, std::uint8_t flags, std::string_view data, std::string& out);

}  // namespace minikube
