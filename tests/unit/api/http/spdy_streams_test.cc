// exec, attach and port-forward over SPDY/3.1, by itself and in a WebSocket's messages, and port-forward by channels.
#include <catch2/catch.hpp>

#include <thread>

#include "crypto/base64.h"
#include "helpers/spdy_client.h"
#include "unit/api/http/stream_node.h"

using namespace minikube;
using namespace minikube::api;
using namespace minikube::api::testing;
using minikube::test::SpdyClient;

namespace {

constexpr const char* kPorts = "/api/v1/namespaces/d/pods/p/portforward";

// A client of SPDY on a connection of its own, or in a WebSocket's messages.
struct Peer {
  Peer(StreamFixture& f, const std::string& target, const std::string& protocol, bool tunnel = false)
      : client(f.Connect()), tunnelled(tunnel) {
    if (tunnel) {
      client.Send(StreamFixture::Upgrade(target, "SPDY/3.1+" + protocol));
    } else {
      client.Send("POST " + target +
                  " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                  "X-Stream-Protocol-Version: v7.nonsense\r\nX-Stream-Protocol-Version: " +
                  protocol + "\r\n\r\n");
    }
    head = client.ReadUntil("\r\n\r\n");
  }

  void Say(const std::string& bytes) { client.Send(tunnelled ? Frame(bytes) : bytes); }
  // Listens until `condition`; false if the connection ends first, or nothing comes.
  bool Until(const std::function<bool()>& condition) {
    while (!condition()) {
      std::string bytes = client.ReadSome();
      if (bytes.empty()) return false;
      if (tunnelled) bytes = Unwrap(bytes);
      heard += spdy.Hear(bytes);
    }
    return true;
  }
  bool Hears(const std::string& text) {
    return Until([&] { return heard.find(text) != std::string::npos; });
  }

  // What is in the messages of a server that does not mask.
  std::string Unwrap(const std::string& bytes) {
    rest += bytes;
    std::string out;
    while (rest.size() >= 2) {
      std::size_t at = 2;
      std::size_t size = static_cast<unsigned char>(rest[1]);
      const std::size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
      if (rest.size() < at + more) break;
      if (more > 0) size = 0;
      for (std::size_t i = 0; i < more; ++i) size = size << 8 | static_cast<unsigned char>(rest[at++]);
      if (rest.size() < at + size) break;
      if (rest[0] == '\x82') out += rest.substr(at, size);
      rest.erase(0, at + size);
    }
    return out;
  }

  TlsClient client;
  const bool tunnelled;
  std::string head;
  SpdyClient spdy;
  std::string heard;
  std::string rest;
};

std::string OpenPair(Peer& peer, std::uint32_t first, const std::string& request, const std::string& port = "80") {
  std::string out = peer.spdy.Open(first, {{"streamtype", "error"}, {"port", port}, {"requestid", request}}, kSpdyFin);
  return out += peer.spdy.Open(first + 2, {{"streamtype", "data"}, {"port", port}, {"requestid", request}});
}

}  // namespace

TEST_CASE("spdy exec: streams, both ways, and how it ended") {
  StreamFixture f;
  const std::string protocol =
      GENERATE("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io");
  CAPTURE(protocol);
  const bool status = protocol[1] == '4';
  Peer peer(f, kExec, protocol);
  CHECK(peer.head.starts_with("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"));
  CHECK(peer.head.find("X-Stream-Protocol-Version: " + protocol + "\r\n") != std::string::npos);

  // What comes before its stream has been opened waits.
  f.node->Output(OutputStream::kOut, "early");
  peer.Say(peer.spdy.OpenAll({{1, {{"streamtype", "error"}}},
                              {3, {{"streamtype", "stdin"}}},
                              {5, {{"streamtype", "stdout"}}},
                              {7, {{"streamtype", "stderr"}}}}));
  CHECK(peer.Hears("data 5 early\n"));
  peer.Say(SpdyClient::Data(3, "in") + SpdyClient::Data(3, "put"));
  CHECK(f.node->Until([&] { return f.node->input() == "input"; }));
  CHECK_FALSE(f.node->input_closed());
  peer.Say(SpdyClient::Data(3, "", kSpdyFin));
  CHECK(f.node->Until([&] { return f.node->input_closed(); }));
  f.node->Output(OutputStream::kErr, "err");
  CHECK(peer.Hears("data 7 err\n"));
  CHECK(f.node->Until([&] { return f.node->at(0).read_on == 2; }));

  SECTION("success") {
    f.node->End(0);
    CHECK(peer.Hears("goaway"));
    CHECK(peer.spdy.data[1] == (status ? R"({"metadata":{},"status":"Success"})" : ""));
  }
  SECTION("an exit code") {
    f.node->End(7);
    CHECK(peer.Hears("goaway"));
    const std::string text = "command terminated with non-zero exit code: exit status 7";
    CHECK(peer.spdy.data[1].find(text) != std::string::npos);
    CHECK((peer.spdy.data[1] == text) == !status);
    CHECK((peer.spdy.data[1].find(R"("reason":"NonZeroExitCode")") != std::string::npos) == status);
  }
  SECTION("a failure") {
    f.node->End(Status(Code::kBadRequest, "no such program"));
    CHECK(peer.Hears("goaway"));
    CHECK(peer.spdy.data[1].find("Internal error occurred: error executing command in container: no such program") !=
          std::string::npos);
  }
  for (const std::uint32_t stream : {1, 5, 7}) CHECK(peer.spdy.finished[stream]);
  CHECK(peer.client.Closed());
  CHECK(f.node->Until([&] { return f.node->open == 0; }));
}

TEST_CASE("spdy exec: a terminal's size, cut anywhere") {
  StreamFixture f;
  Peer peer(f, std::string(kExec) + "&tty=true", "v4.channel.k8s.io");
  peer.Say(peer.spdy.Open(1, {{"streamtype", "resize"}}));
  peer.Say(SpdyClient::Data(1, "{\"Width\":8") +
           SpdyClient::Data(1, "0,\"Height\":24}\n{\"Width\":81,\"Height\":25}\n") +
           SpdyClient::Data(1, std::string(5000, 'x') + "}") + SpdyClient::Data(1, "{\"Width\":82,\"Height\":26}"));
  CHECK(f.node->Until([&] { return f.node->sizes.size() >= 3; }));
  CHECK(f.node->sizes == std::vector<std::pair<int, int>>{{80, 24}, {81, 25}, {82, 26}});
}

TEST_CASE("spdy exec: when either side goes, or breaks the protocol, the process does too") {
  StreamFixture f;
  std::thread stopper;
  {
    Peer peer(f, kExec, "v4.channel.k8s.io");
    peer.Say(peer.spdy.OpenAll({{1, {{"streamtype", "error"}}}, {3, {{"streamtype", "nonsense"}}}}));
    CHECK(peer.Hears("reset 3 3\n"));
    SECTION("goes") {}
    SECTION("breaks the protocol") {
      peer.Say(std::string("\x80\x01\0\1\0\0\0\0", 8) + std::string(1 << 20, '\xff'));
      CHECK(peer.Until([&] { return peer.spdy.gone_away; }));
    }
    SECTION("the server stops") {
      stopper = std::thread([&] { f.server->Stop(); });
      CHECK(peer.client.Closed());
    }
  }
  if (stopper.joinable()) stopper.join();  // it waits for the client to go
  CHECK(f.node->Until([&] { return f.node->open == 0; }));
  CHECK(f.node->Until([&] { return f.server->stats().streams == 0; }));
}

TEST_CASE("spdy exec: either side that stalls stalls the other, and what is kept is bounded") {
  StreamFixture f;
  Peer peer(f, kExec, "v4.channel.k8s.io");
  peer.Say(peer.spdy.OpenAll({{1, {{"streamtype", "error"}}},
                              {3, {{"streamtype", "stdin"}}},
                              {5, {{"streamtype", "stdout"}}},
                              {7, {{"streamtype", "stderr"}}}}));
  SECTION("a process that takes no input") {
    constexpr std::size_t kAll = 2'000'000;
    std::thread writer([&] { peer.Say(SpdyClient::Data(3, std::string(kAll, 'x'))); });
    REQUIRE(f.node->Until([&] { return f.node->input().size() >= 256u << 10; }));
    // Output comes through all the same, after which nothing more has been read.
    f.node->Output(OutputStream::kOut, "meanwhile");
    CHECK(peer.Hears("data 5 meanwhile\n"));
    CHECK(f.node->input().size() <= (256u << 10) + (16u << 10));
    CHECK(f.node->Until([&] {
      const std::size_t size = f.node->input().size();
      f.node->at(0).holder->Post([told = f.node->at(0).told, size] { told->on_taken(size); });
      return size == kAll;
    }));
    writer.join();
  }
  SECTION("a client that does not read, with windows") {
    // The first update makes its windows count: 65,536 bytes and these ten.
    peer.Say(SpdyClient::Numbers(SpdyType::kWindowUpdate, {5, 10}) + SpdyClient::Numbers(SpdyType::kPing, {1}));
    REQUIRE(peer.Hears("ping 1\n"));
    for (int i = 1; i <= 2; ++i) {
      f.node->Output(OutputStream::kOut, std::string(32'768, 'y'));
      REQUIRE(f.node->Until([&] { return f.node->at(0).read_on == i; }));
    }
    f.node->Output(OutputStream::kOut, std::string(32'768, 'y'));
    CHECK(peer.Until([&] { return peer.spdy.data[5].size() == 65'546; }));
    CHECK(f.node->at(0).read_on == 2);
    peer.Say(SpdyClient::Numbers(SpdyType::kWindowUpdate, {5, 100'000}));
    CHECK(peer.Until([&] { return peer.spdy.data[5].size() == 3 * 32'768; }));
    CHECK(f.node->Until([&] { return f.node->at(0).read_on == 3; }));
  }
}

TEST_CASE("port-forward: many connections over one, each with its end") {
  StreamFixture f;
  const bool tunnel = GENERATE(false, true);
  CAPTURE(tunnel);
  Peer peer(f, kPorts, "portforward.k8s.io", tunnel);
  CHECK(peer.head.starts_with("HTTP/1.1 101 "));
  CHECK((peer.head.find("Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n") != std::string::npos) == tunnel);
  peer.Say(OpenPair(peer, 1, "0"));
  peer.Say(OpenPair(peer, 5, "1", "81"));
  peer.Say(SpdyClient::Data(3, "first") + SpdyClient::Data(7, "second") + SpdyClient::Data(3, "!"));
  CHECK(f.node->Until([&] { return f.node->all.size() == 2 && f.node->at(0).input == "first!"; }));
  CHECK(f.node->Until([&] { return f.node->at(1).input == "second"; }));
  CHECK(f.node->at(0).port == 80);
  CHECK(f.node->at(1).port == 81);
  f.node->Output(OutputStream::kOut, "one", 0);
  f.node->Output(OutputStream::kOut, "two", 1);
  CHECK(peer.Until([&] { return peer.spdy.data[3] == "one" && peer.spdy.data[7] == "two"; }));

  SECTION("the client says no more, then the pod does") {
    peer.Say(SpdyClient::Data(3, "", kSpdyFin));
    CHECK(f.node->Until([&] { return f.node->at(0).input_closed; }));
    f.node->Output(OutputStream::kOut, " last", 0);
    f.node->End(0, 0);
    CHECK(peer.Until([&] { return peer.spdy.finished[3] && peer.spdy.finished[1]; }));
    CHECK(peer.spdy.data[3] == "one last");
    CHECK(peer.spdy.data[1] == "");
    CHECK(f.node->Until([&] { return f.node->open == 1; }));
  }
  SECTION("it could not be made") {
    f.node->End(Status(Code::kUnavailable, "connection refused"), 1);
    CHECK(peer.Hears("reset 7 5\n"));
    CHECK(peer.spdy.data[5] == "error forwarding port 81 to pod p, uid u: connection refused");
    CHECK(peer.spdy.finished[5]);
    f.node->Output(OutputStream::kOut, "still here", 0);
    CHECK(peer.Hears("data 3 still here\n"));
  }
  SECTION("the client loses interest") {
    peer.Say(SpdyClient::Numbers(SpdyType::kRstStream, {3, 5}));
    CHECK(f.node->Until([&] { return f.node->open == 1; }));
    CHECK(f.node->at(0).gone);
  }
  SECTION("the client goes away when all is over") {
    peer.Say(SpdyClient::Numbers(SpdyType::kGoAway, {0, 0}));
    f.node->End(0, 0);
    f.node->End(0, 1);
    CHECK(peer.Until([&] { return peer.spdy.finished[3] && peer.spdy.finished[7]; }));
    if (!tunnel) CHECK(peer.client.Closed());
  }
}

TEST_CASE("port-forward: streams that are not as they should be are refused alone") {
  StreamFixture f;
  Peer peer(f, kPorts, "portforward.k8s.io");
  peer.Say(peer.spdy.OpenAll({{1, {{"streamtype", "data"}, {"port", "0"}, {"requestid", "a"}}},
                              {3, {{"streamtype", "data"}, {"port", "65536"}, {"requestid", "a"}}},
                              {5, {{"streamtype", "data"}, {"requestid", "a"}}},
                              {7, {{"streamtype", "other"}, {"port", "80"}, {"requestid", "a"}}},
                              {9, {{"streamtype", "data"}, {"port", "80"}, {"requestid", "a"}}},
                              {11, {{"streamtype", "data"}, {"port", "80"}, {"requestid", "a"}}}}));
  for (const int stream : {1, 3, 5, 7, 11}) CHECK(peer.Hears(fmt::format("reset {} 3\n", stream)));
  CHECK(peer.Hears("reply 9\n"));
  CHECK(f.node->all.size() == 1);
}

TEST_CASE("port-forward: clients of old name no request") {
  StreamFixture f;
  Peer peer(f, kPorts, "portforward.k8s.io");
  peer.Say(peer.spdy.OpenAll(
      {{1, {{"streamtype", "error"}, {"port", "80"}}}, {3, {{"streamtype", "data"}, {"port", "80"}}}}));
  CHECK(f.node->Until([&] { return f.node->all.size() == 1; }));
  f.node->End(Status(Code::kUnavailable, "no"), 0);
  CHECK(peer.Until([&] { return peer.spdy.finished[1]; }));
  CHECK(peer.spdy.data[1] == "error forwarding port 80 to pod p, uid u: no");
}

TEST_CASE("port-forward: a pod that takes nothing stalls the client, and what is kept is bounded") {
  StreamFixture f;
  Peer peer(f, kPorts, "portforward.k8s.io");
  peer.Say(OpenPair(peer, 1, "0"));
  peer.Say(OpenPair(peer, 5, "1"));
  constexpr std::size_t kAll = 8u << 20;
  std::thread writer([&] { peer.Say(SpdyClient::Data(3, std::string(kAll, 'x')) + SpdyClient::Data(7, "behind")); });
  REQUIRE(f.node->Until([&] { return f.node->all.size() == 2 && f.node->at(0).input.size() >= 1u << 20; }));
  f.node->Output(OutputStream::kOut, "the other way", 1);
  CHECK(peer.Hears("data 7 the other way\n"));
  CHECK(f.node->at(0).input.size() <= (1u << 20) + (16u << 10));
  // One that is given up makes room.
  f.node->End(Status(Code::kUnavailable, "given up"), 0);
  CHECK(f.node->Until([&] { return f.node->at(1).input == "behind"; }));
  writer.join();
  CHECK(f.node->at(0).input.size() < kAll);
}

TEST_CASE("port-forward: by channels") {
  StreamFixture f;
  const bool base64 = GENERATE(false, true);
  TlsClient client = f.Connect();
  f.Open(client, base64 ? "v4.base64.channel.k8s.io" : "v4.channel.k8s.io", std::string(kPorts) + "?ports=80,443");
  const auto served = [&](int channel, const std::string& data) {
    const std::string payload = base64 ? std::string(1, static_cast<char>('0' + channel)) + Base64(data)
                                       : std::string(1, static_cast<char>(channel)) + data;
    return std::string(1, base64 ? '\x81' : '\x82') + static_cast<char>(payload.size()) + payload;
  };
  // Each says its port first.
  for (const auto& [channel, port] : {std::pair(0, "\x50"), {1, "\x50"}, {2, "\xbb\x01"}, {3, "\xbb\x01"}}) {
    CHECK(client.ReadUntil(served(channel, std::string(port, 2))) != "");
  }
  client.Send(Frame(base64 ? "2" + Base64("hello") : std::string("\2hello"), base64 ? 1 : 2));
  CHECK(f.node->Until([&] { return f.node->at(1).input == "hello"; }));
  f.node->Output(OutputStream::kOut, "answer", 1);
  CHECK(client.ReadUntil(served(2, "answer")) != "");
  f.node->End(Status(Code::kUnavailable, "no"), 0);
  CHECK(client.ReadUntil(served(1, "error forwarding port 80 to pod p, uid u: no")) != "");
  f.node->End(0, 1);
  CHECK(client.ReadUntil(kClosedNormally) != "");
}

TEST_CASE("port-forward: refused") {
  StreamFixture f;
  TlsClient client = f.Connect();
  const auto ask = [&](const std::string& request) {
    client.Send(request);
    return client.Read().status;
  };
  CHECK(ask(StreamFixture::Upgrade(kPorts, "v4.channel.k8s.io")) == 400);  // without ports
  CHECK(ask(StreamFixture::Upgrade(std::string(kPorts) + "?ports=0", "v4.channel.k8s.io")) == 400);
  CHECK(ask(StreamFixture::Upgrade(std::string(kPorts) + "?ports=80", "v1.chat")) == 400);
  CHECK(ask("POST " + std::string(kPorts) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n") == 400);
  f.engine.pod_ports = [] { return Status(Code::kForbidden, "no"); };
  CHECK(ask(StreamFixture::Upgrade(kPorts, "SPDY/3.1+portforward.k8s.io")) == 403);
  CHECK(f.node->all.empty());
}

TEST_CASE("exec: the channel protocols of old, and in base64") {
  StreamFixture f;
  const auto [protocol, base64, status] =
      GENERATE(table<std::string, bool, bool>({{"channel.k8s.io", false, false},
                                               {"base64.channel.k8s.io", true, false},
                                               {"v4.base64.channel.k8s.io", true, true}}));
  CAPTURE(protocol);
  TlsClient client = f.Connect();
  f.Open(client, protocol);
  CHECK(client.ReadUntil(base64 ? "\x81\x01"
                                  "1"
                                : Served("\x01")) != "");
  client.Send(base64 ? Frame("0" + Base64("hi") + "", 1) + Frame("0*", 1) + Frame("0" + Base64("!"), 1)
                     : Frame(std::string("\0hi!", 4)));
  CHECK(f.node->Until([&] { return f.node->input() == "hi!"; }));
  f.node->End(7);
  const std::string end = client.ReadUntil(kClosedNormally);
  const std::string text = "command terminated with non-zero exit code: exit status 7";
  if (!base64) {
    CHECK(end.find("\x03" + text) != std::string::npos);
  } else if (!status) {
    CHECK(end.find("3" + Base64(text)) != std::string::npos);
  } else {
    CHECK(end.find("3" + Base64(R"({"metadata":{},"status":"Failure",)").substr(0, 40)) != std::string::npos);
  }
}

TEST_CASE("attach: goes to the node without a command") {
  StreamFixture f;
  TlsClient client = f.Connect();
  f.Open(client, "v5.channel.k8s.io", "/api/v1/namespaces/d/pods/p/attach?stdin=true&stdout=true&stderr=true");
  CHECK(f.node->asked.spec.command.empty());
  CHECK(client.ReadUntil(Served("\x01")) != "");
  f.node->End(Status(Code::kUnavailable, "gone"));
  CHECK(client.ReadUntil(kClosedNormally).find("error attaching to container: gone") != std::string::npos);
}
