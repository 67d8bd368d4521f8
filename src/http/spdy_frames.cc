#include "http/spdy_frames.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

namespace minikube {
namespace {

constexpr std::size_t kHead = 8;
constexpr std::uint16_t kVersion = 3;
constexpr std::size_t kMaxPairs = 256;

// The dictionary of section 2.6.10.1: these words, each after its length in four bytes, then the rest as it is.
constexpr const char* kWords[] = {"options",
                                  "head",
                                  "post",
                                  "put",
                                  "delete",
                                  "trace",
                                  "accept",
                                  "accept-charset",
                                  "accept-encoding",
                                  "accept-language",
                                  "accept-ranges",
                                  "age",
                                  "allow",
                                  "authorization",
                                  "cache-control",
                                  "connection",
                                  "content-base",
                                  "content-encoding",
                                  "content-language",
                                  "content-length",
                                  "content-location",
                                  "content-md5",
                                  "content-range",
                                  "content-type",
                                  "date",
                                  "etag",
                                  "expect",
                                  "expires",
                                  "from",
                                  "host",
                                  "if-match",
                                  "if-modified-since",
                                  "if-none-match",
                                  "if-range",
                                  "if-unmodified-since",
                                  "last-modified",
                                  "location",
                                  "max-forwards",
                                  "pragma",
                                  "proxy-authenticate",
                                  "proxy-authorization",
                                  "range",
                                  "referer",
                                  "retry-after",
                                  "server",
                                  "te",
                                  "trailer",
                                  "transfer-encoding",
                                  "upgrade",
                                  "user-agent",
                                  "vary",
                                  "via",
                                  "warning",
                                  "www-authenticate",
                                  "method",
                                  "get",
                                  "status",
                                  "200 OK",
                                  "version",
                                  "HTTP/1.1",
                                  "url",
                                  "public",
                                  "set-cookie",
                                  "keep-alive",
                                  "origin"};
constexpr std::string_view kRest =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

const std::string& Dictionary() {
  static const std::string dictionary = [] {
    std::string out;
    for (const std::string_view word : kWords) {
      AppendSpdy32(static_cast<std::uint32_t>(word.size()), out);
      out += word;
    }
    out += kRest;
    return out;
  }();
  return dictionary;
}

const Bytef* BytesOf(std::string_view text) { return reinterpret_cast<const Bytef*>(text.data()); }

// Takes a value with its length before it from the front of `block`.
bool TakeText(std::string_view& block, std::string& out) {
  if (block.size() < 4) return false;
  const std::uint32_t size = ReadSpdy32(block, 0);
  block.remove_prefix(4);
  if (size > block.size()) return false;
  out = block.substr(0, size);
  block.remove_prefix(size);
  return true;
}

std::optional<SpdyHeaders> ParseBlock(std::string_view block) {
  if (block.size() < 4) return std::nullopt;
  const std::uint32_t pairs = ReadSpdy32(block, 0);
  block.remove_prefix(4);
  if (pairs > kMaxPairs) return std::nullopt;
  SpdyHeaders headers(pairs);
  for (auto& [name, value] : headers) {
    if (!TakeText(block, name) || name.empty() || !TakeText(block, value)) return std::nullopt;
  }
  return headers;
}

}  // namespace

std::string_view FindSpdyHeader(const SpdyHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::uint32_t ReadSpdy32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

void AppendSpdy32(std::uint32_t value, std::string& out) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}

void AppendSpdyControl(SpdyType type, std::uint8_t flags, std::string_view body, std::string& out) {
  AppendSpdy32(0x80000000U | kVersion << 16 | static_cast<std::uint32_t>(type), out);
  AppendSpdy32(static_cast<std::uint32_t>(flags) << 24 | static_cast<std::uint32_t>(body.size()), out);
  out += body;
}

void AppendSpdyData(std::uint32_t stream, std::uint8_t flags, std::string_view data, std::string& out) {
  AppendSpdy32(stream, out);
  AppendSpdy32(static_cast<std::uint32_t>(flags) << 24 | static_cast<std::uint32_t>(data.size()), out);
  out += data;
}

// --- Headers --------------------------------------------------------------------------------------------------------

struct SpdyInflater::Impl {
  z_stream zlib{};
  bool good = false;
};

SpdyInflater::SpdyInflater() : impl_(std::make_unique<Impl>()) { impl_->good = inflateInit(&impl_->zlib) == Z_OK; }

SpdyInflater::~SpdyInflater() { inflateEnd(&impl_->zlib); }

std::optional<SpdyHeaders> SpdyInflater::Read(std::string_view block) {
  if (!impl_->good) return std::nullopt;
  z_stream& zlib = impl_->zlib;
  zlib.next_in = const_cast<Bytef*>(BytesOf(block));
  zlib.avail_in = static_cast<uInt>(block.size());
  std::string plain;
  impl_->good = false;
  while (true) {
    const std::size_t before = plain.size();
    if (before > kSpdyMaxHeaderBytes) return std::nullopt;
    plain.resize(before + 4096);
    zlib.next_out = reinterpret_cast<Bytef*>(plain.data() + before);
    zlib.avail_out = static_cast<uInt>(plain.size() - before);
    int result = inflate(&zlib, Z_SYNC_FLUSH);
    if (result == Z_NEED_DICT) {
      const std::string& dictionary = Dictionary();
      result = inflateSetDictionary(&zlib, BytesOf(dictionary), static_cast<uInt>(dictionary.size()));
    }
    plain.resize(plain.size() - zlib.avail_out);
    if (result != Z_OK && result != Z_BUF_ERROR) return std::nullopt;
    if (zlib.avail_in == 0 && zlib.avail_out > 0) break;
    if (result == Z_BUF_ERROR) return std::nullopt;  // no way on, though there is input and room
  }
  std::optional<SpdyHeaders> headers = ParseBlock(plain);
  impl_->good = headers.has_value();
  return headers;
}

struct SpdyDeflater::Impl {
  z_stream zlib{};
};

SpdyDeflater::SpdyDeflater() : impl_(std::make_unique<Impl>()) {
  // A small window and little memory: the headers of replies have some 50 bytes, a connection's buffers 270 KB else.
  if (deflateInit2(&impl_->zlib, Z_BEST_SPEED, Z_DEFLATED, 11, 1, Z_DEFAULT_STRATEGY) != Z_OK) return;
  const std::string& dictionary = Dictionary();
  deflateSetDictionary(&impl_->zlib, BytesOf(dictionary), static_cast<uInt>(dictionary.size()));
}

SpdyDeflater::~SpdyDeflater() { deflateEnd(&impl_->zlib); }

std::string SpdyDeflater::Write(const SpdyHeaders& headers) {
  std::string plain;
  AppendSpdy32(static_cast<std::uint32_t>(headers.size()), plain);
  for (const auto& [name, value] : headers) {
    for (const std::string& text : {name, value}) {
      AppendSpdy32(static_cast<std::uint32_t>(text.size()), plain);
      plain += text;
    }
  }
  z_stream& zlib = impl_->zlib;
  zlib.next_in = reinterpret_cast<Bytef*>(plain.data());
  zlib.avail_in = static_cast<uInt>(plain.size());
  std::string out;
  do {
    const std::size_t before = out.size();
    out.resize(before + 256);
    zlib.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    zlib.avail_out = 256;
    if (deflate(&zlib, Z_SYNC_FLUSH) == Z_STREAM_ERROR) return {};
    out.resize(out.size() - zlib.avail_out);
  } while (zlib.avail_out == 0);
  return out;
}

// --- Frames ---------------------------------------------------------------------------------------------------------

// Whether held_ has `want` bytes now, after taking what it can.
bool SpdyCutter::Gather(std::string_view& bytes, std::size_t want) {
  if (held_.size() < want) {
    const std::string_view some = bytes.substr(0, want - held_.size());
    held_ += some;
    bytes.remove_prefix(some.size());
  }
  return held_.size() >= want;
}

SpdyCutter::Outcome SpdyCutter::Next(std::string_view& bytes, SpdyPiece& piece) {
  if (std::exchange(used_, false)) held_.clear();
  piece = SpdyPiece();
  if (!in_data_) {
    if (!Gather(bytes, kHead)) return Outcome::kNeedMore;
    const std::uint32_t first = ReadSpdy32(held_, 0);
    const std::uint32_t second = ReadSpdy32(held_, 4);
    const auto flags = static_cast<std::uint8_t>(second >> 24);
    const std::size_t length = second & 0xffffffU;
    if ((first & 0x80000000U) != 0) {
      if ((first >> 16 & 0x7fffU) != kVersion || length > kSpdyMaxControl) return Outcome::kBroken;
      if (!Gather(bytes, kHead + length)) return Outcome::kNeedMore;
      piece.control = true;
      piece.flags = flags;
      piece.type = static_cast<SpdyType>(first & 0xffffU);
      piece.body = std::string_view(held_).substr(kHead);
      used_ = true;
      return Outcome::kPiece;
    }
    held_.clear();
    in_data_ = true;
    data_stream_ = first;
    data_flags_ = flags;
    data_left_ = length;
  }
  if (bytes.empty() && data_left_ > 0) return Outcome::kNeedMore;
  piece.stream = data_stream_;
  piece.flags = data_flags_;
  piece.body = bytes.substr(0, data_left_);
  bytes.remove_prefix(piece.body.size());
  data_left_ -= piece.body.size();
  piece.last = data_left_ == 0;
  in_data_ = !piece.last;
  return Outcome::kPiece;
}

}  // namespace minikube
