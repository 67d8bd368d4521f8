// SPDY frames as bytes, some of them written down by another implementation.
#include <catch2/catch.hpp>

#include "http/spdy_frames.h"

using namespace minikube;

namespace {

std::string FromHex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return out;
}

// What was cut, one frame or piece a line.
std::string Cut(std::string_view bytes, std::size_t step) {
  SpdyCutter cutter;
  std::string log;
  while (true) {
    std::string_view some = bytes.substr(0, step);
    bytes.remove_prefix(some.size());
    SpdyPiece piece;
    SpdyCutter::Outcome outcome;
    while ((outcome = cutter.Next(some, piece)) == SpdyCutter::Outcome::kPiece) {
      if (piece.control) {
        log += "control " + std::to_string(static_cast<int>(piece.type)) + " " + std::to_string(piece.flags) + " " +
               std::to_string(piece.body.size()) + "\n";
      } else {
        log += std::string(piece.body);
        if (piece.last) log += "|" + std::to_string(piece.stream) + " " + std::to_string(piece.flags) + "\n";
      }
    }
    if (outcome == SpdyCutter::Outcome::kBroken) return log + "broken";
    if (bytes.empty()) return log;
  }
}

}  // namespace

TEST_CASE("spdy frames: cut out of a stream, wherever it is cut") {
  std::string bytes;
  AppendSpdyControl(SpdyType::kPing, 0, FromHex("00000007"), bytes);
  AppendSpdyData(3, 0, "hello", bytes);
  AppendSpdyData(5, kSpdyFin, "", bytes);
  AppendSpdyControl(SpdyType::kSettings, 1, "", bytes);
  AppendSpdyData(3, kSpdyFin, "world", bytes);
  CHECK(bytes.substr(0, 12) == FromHex("800300060000000400000007"));
  CHECK(bytes.substr(12, 8) == FromHex("0000000300000005"));
  for (const std::size_t step : {1u, 2u, 3u, 7u, 8u, 9u, 100u}) {
    CAPTURE(step);
    CHECK(Cut(bytes, step) == "control 6 0 4\nhello|3 0\n|5 1\ncontrol 4 1 0\nworld|3 1\n");
  }
}

TEST_CASE("spdy frames: what is no frame") {
  CHECK(Cut(FromHex("8002000600000004"), 8) == "broken");  // another version
  CHECK(Cut("GET / HTTP/1.1\r\n", 100) == "TP/1.1\r\n");   // data of a stream, as far as can be told: more is to come
  std::string long_control;
  AppendSpdyControl(SpdyType::kHeaders, 0, std::string(kSpdyMaxControl, 'x'), long_control);
  CHECK(Cut(long_control, 4096) == "control 8 0 16384\n");
  std::string too_long;
  AppendSpdyControl(SpdyType::kHeaders, 0, std::string(kSpdyMaxControl + 1, 'x'), too_long);
  CHECK(Cut(too_long, 8) == "broken");
}

TEST_CASE("spdy frames: headers, block after block in one state") {
  SpdyDeflater deflater;
  SpdyInflater inflater;
  for (const SpdyHeaders& headers :
       {SpdyHeaders{{"streamtype", "error"}, {"port", "80"}, {"requestid", "0"}}, SpdyHeaders{},
        SpdyHeaders{{"streamtype", "data"}, {"port", "80"}, {"requestid", "0"}},
        SpdyHeaders{{"x", std::string(5000, 'y')}, {"status", "200 OK"}}, SpdyHeaders{{"a", ""}}}) {
    const std::string block = deflater.Write(headers);
    CHECK(inflater.Read(block) == headers);
  }
  CHECK(FindSpdyHeader({{"a", "1"}, {"b", "2"}, {"b", "3"}}, "b") == "2");
  CHECK(FindSpdyHeader({{"a", "1"}}, "c") == "");
}

TEST_CASE("spdy frames: headers as Go's implementation writes them") {
  // Two SYN_STREAM bodies of one connection, from the header block on: streamtype=error, streamtype=data with a port.
  SpdyInflater inflater;
  CHECK(inflater.Read(FromHex("78f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff")) ==
        SpdyHeaders{{"streamtype", "error"}});
  CHECK(inflater.Read(FromHex("c22a052a651201000000ffff")) == SpdyHeaders{{"streamtype", "data"}});
}

TEST_CASE("spdy frames: headers that are none, or too many") {
  const auto read = [](const SpdyHeaders& headers, auto spoil) {
    SpdyDeflater deflater;
    SpdyInflater inflater;
    std::string block = deflater.Write(headers);
    spoil(block);
    const auto first = inflater.Read(block);
    // Whatever comes after something broken is lost too.
    if (!first) CHECK_FALSE(inflater.Read(SpdyDeflater().Write({})));
    return first.has_value();
  };
  const auto as_it_is = [](std::string&) {};
  CHECK(read({{"a", "b"}}, as_it_is));
  CHECK_FALSE(read({{"", "b"}}, as_it_is));
  CHECK_FALSE(read({{"a", "b"}}, [](std::string& block) { block.resize(block.size() / 2); }));
  CHECK_FALSE(read({{"a", "b"}}, [](std::string& block) { block[0] = 'x'; }));
  CHECK_FALSE(read({{"a", "b"}}, [](std::string& block) { block.clear(); }));
  CHECK_FALSE(read(SpdyHeaders(257, {"a", "b"}), as_it_is));
  // A bomb: 1 MB of the same byte is 1 KB.
  CHECK_FALSE(read({{"a", std::string(1 << 20, 'x')}}, as_it_is));
}
