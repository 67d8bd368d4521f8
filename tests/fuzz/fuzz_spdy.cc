// Whatever a client sends after an upgrade to SPDY/3.1: streams are opened once and end once, what is sent in return
// can be read, and nothing piles up.
#include <set>

#include "fuzz.h"
#include "helpers/spdy_client.h"
#include "http/spdy_connection.h"

namespace minikube::fuzz {
namespace {

struct Server final : SpdyConnection::Handler {
  SpdyConnection connection{*this};
  std::set<std::uint32_t> open;
  std::set<std::uint32_t> finished;
  std::size_t data = 0;

  bool OnStream(std::uint32_t stream, const SpdyHeaders& headers) override {
    Check(stream % 2 == 1, "a client's streams have odd numbers");
    if (FindSpdyHeader(headers, "streamtype").empty()) return false;
    Check(open.insert(stream).second && !finished.contains(stream), "a stream is opened once");
    return true;
  }
  void OnData(std::uint32_t stream, std::string_view bytes) override {
    Check(open.contains(stream) && !finished.contains(stream), "data is of an open stream");
    Check(!bytes.empty(), "data is some");
    data += bytes.size();
    connection.Consumed(stream, bytes.size());
    if (bytes.front() == 'e') connection.Send(stream, bytes.substr(0, connection.Room(stream)), bytes.size() > 9);
    if (bytes.front() == 'r') connection.Reset(stream, SpdyReset::kCancel), open.erase(stream), finished.insert(stream);
  }
  void OnFinish(std::uint32_t stream) override {
    Check(open.contains(stream) && finished.insert(stream).second, "a stream is finished once");
  }
  void OnReset(std::uint32_t stream) override {
    Check(open.erase(stream) == 1, "an open stream is reset");
    finished.insert(stream);
  }
};

}  // namespace

std::vector<std::string> Seeds() {
  test::SpdyClient client;
  const std::string opened = client.OpenAll({{1, {{"streamtype", "error"}, {"port", "80"}, {"requestid", "0"}}},
                                             {3, {{"streamtype", "data"}, {"port", "80"}, {"requestid", "0"}}}});
  using test::SpdyClient;
  return {opened + SpdyClient::Data(1, "", kSpdyFin) + SpdyClient::Data(3, "echo") + SpdyClient::Data(3, "reset"),
          opened + SpdyClient::Data(3, "echo it and finish", kSpdyFin) +
              SpdyClient::Numbers(SpdyType::kRstStream, {3, 5}) + SpdyClient::Numbers(SpdyType::kGoAway, {0, 0}),
          opened + SpdyClient::Numbers(SpdyType::kWindowUpdate, {3, 100}) +
              SpdyClient::Numbers(SpdyType::kSettings, {1, 7, 10}) + SpdyClient::Data(3, "echo echo echo echo"),
          SpdyClient::Numbers(SpdyType::kPing, {1}) + SpdyClient::Control(SpdyType::kHeaders, "x")};
}

}  // namespace minikube::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minikube;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  fuzz::Server server;
  SpdyCutter cutter;
  const std::size_t step = size % 97 + 1;
  std::size_t sent = 0;
  while (!input.empty()) {
    const std::string_view piece = input.substr(0, step);
    input.remove_prefix(piece.size());
    const bool good = server.connection.Receive(piece);
    fuzz::Check(server.connection.streams() <= SpdyConnection::kMaxStreams, "there is a limit to streams");
    const std::string output = std::exchange(server.connection.output(), {});
    sent += output.size();
    std::string_view left = output;
    SpdyPiece frame;
    while (cutter.Next(left, frame) == SpdyCutter::Outcome::kPiece) {
    }
    fuzz::Check(left.empty(), "what is sent is frames");
    if (!good) break;
  }
  // Data may come back, in frames of its own for each byte at worst.
  fuzz::Check(server.data <= size && sent <= 10 * size + 64, "what is sent is bounded by what came");
  return 0;
}
