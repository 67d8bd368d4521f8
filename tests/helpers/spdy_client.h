// A SPDY/3.1 client without sockets, for tests: what it wants to say is bytes, what it is told becomes text.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "http/spdy_frames.h"

namespace minikube::test {

class SpdyClient {
 public:
  // Frames, as bytes.
  std::string Open(std::uint32_t stream, const SpdyHeaders& headers, std::uint8_t flags = 0) {
    std::string body;
    AppendSpdy32(stream, body);
    AppendSpdy32(0, body);
    body += std::string(2, '\0');
    body += deflater_.Write(headers);
    return Control(SpdyType::kSynStream, body, flags);
  }
  // In this order: the headers of one change how those of the next are written, so an expression of several calls of
  // Open, which may be evaluated in any order, would not do.
  std::string OpenAll(std::initializer_list<std::pair<std::uint32_t, SpdyHeaders>> streams, std::uint8_t flags = 0) {
    std::string out;
    for (const auto& [stream, headers] : streams) out += Open(stream, headers, flags);
    return out;
  }
  static std::string Data(std::uint32_t stream, std::string_view data, std::uint8_t flags = 0) {
    std::string out;
    AppendSpdyData(stream, flags, data, out);
    return out;
  }
  static std::string Numbers(SpdyType type, std::initializer_list<std::uint32_t> numbers) {
    std::string body;
    for (const std::uint32_t number : numbers) AppendSpdy32(number, body);
    return Control(type, body);
  }
  static std::string Control(SpdyType type, std::string_view body, std::uint8_t flags = 0) {
    std::string out;
    AppendSpdyControl(type, flags, body, out);
    return out;
  }

  // What the server says: "reply 1", "data 1 hello", "fin 1", "reset 1 3", "ping 7", "goaway 1 0", "window 1 32768".
  // The data of each stream is joined too.
  std::string Hear(std::string_view bytes) {
    std::string log;
    SpdyPiece piece;
    while (cutter_.Next(bytes, piece) == SpdyCutter::Outcome::kPiece) log += Tell(piece);
    return log;
  }
  std::map<std::uint32_t, std::string> data;
  std::map<std::uint32_t, bool> finished;
  bool gone_away = false;

 private:
  std::string Tell(const SpdyPiece& piece) {
    if (!piece.control) {
      data[piece.stream] += piece.body;
      const bool fin = piece.last && (piece.flags & kSpdyFin) != 0;
      if (fin) finished[piece.stream] = true;
      return (piece.body.empty() ? "" : fmt::format("data {} {}\n", piece.stream, piece.body)) +
             (fin ? fmt::format("fin {}\n", piece.stream) : "");
    }
    const auto number = [&](std::size_t at) { return piece.body.size() >= at + 4 ? ReadSpdy32(piece.body, at) : 0; };
    switch (piece.type) {
      case SpdyType::kSynReply:
        return fmt::format("reply {}{}\n", number(0), inflater_.Read(piece.body.substr(4)) ? "" : " (broken headers)");
      case SpdyType::kRstStream:
        finished[number(0)] = true;
        return fmt::format("reset {} {}\n", number(0), number(4));
      case SpdyType::kPing:
        return fmt::format("ping {}\n", number(0));
      case SpdyType::kGoAway:
        gone_away = true;
        return fmt::format("goaway {} {}\n", number(0), number(4));
      case SpdyType::kWindowUpdate:
        return fmt::format("window {} {}\n", number(0), number(4));
      default:
        return "something else\n";
    }
  }

  SpdyDeflater deflater_;
  SpdyInflater inflater_;
  SpdyCutter cutter_;
};

}  // namespace minikube::test
