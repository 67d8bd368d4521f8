// The server's side of a SPDY connection, against a client that says whatever the test wants.
#include <catch2/catch.hpp>

#include <functional>
#include <vector>

#include "helpers/spdy_client.h"
#include "http/spdy_connection.h"

using namespace minikube;
using minikube::test::SpdyClient;

namespace {

// Takes all streams but those that say so, and writes down what it is told.
struct Server final : SpdyConnection::Handler {
  SpdyConnection connection{*this};
  std::string log;

  bool OnStream(std::uint32_t stream, const SpdyHeaders& headers) override {
    const std::string_view type = FindSpdyHeader(headers, "streamtype");
    log += fmt::format("open {} {}\n", stream, type);
    return type != "refuse me";
  }
  void OnData(std::uint32_t stream, std::string_view data) override {
    log += fmt::format("data {} {}\n", stream, data);
  }
  void OnFinish(std::uint32_t stream) override { log += fmt::format("finish {}\n", stream); }
  void OnReset(std::uint32_t stream) override { log += fmt::format("reset {}\n", stream); }

  // What the client is told after it has said that.
  std::string Say(SpdyClient& client, std::string_view bytes) {
    good = connection.Receive(bytes);
    return Heard(client);
  }
  std::string Heard(SpdyClient& client) { return client.Hear(std::exchange(connection.output(), {})); }
  bool good = true;
};

SpdyHeaders Type(const std::string& type) { return {{"streamtype", type}}; }

}  // namespace

TEST_CASE("spdy: streams are opened, used both ways, finished") {
  Server server;
  SpdyClient client;
  CHECK(server.Say(client, client.OpenAll({{1, Type("error")}, {3, Type("data")}})) == "reply 1\nreply 3\n");
  CHECK(server.Say(client, SpdyClient::Data(3, "hello") + SpdyClient::Data(3, "", kSpdyFin)) == "");
  CHECK(server.log == "open 1 error\nopen 3 data\ndata 3 hello\nfinish 3\n");
  server.connection.Send(3, "answer", false);
  server.connection.Send(3, "", true);
  server.connection.Send(3, "too late", false);
  CHECK(server.Heard(client) == "data 3 answer\nfin 3\n");
  CHECK(server.connection.streams() == 1);
  CHECK_FALSE(server.connection.IsOpen(3));
  CHECK(server.connection.IsOpen(1));
  SECTION("data that was on its way when a stream ended is dropped") {
    CHECK(server.Say(client, SpdyClient::Data(3, "late")) == "");
    CHECK(server.good);
    CHECK(server.log.find("late") == std::string::npos);
  }
  SECTION("reset by the client") {
    CHECK(server.Say(client, SpdyClient::Numbers(SpdyType::kRstStream, {1, 5})) == "");
    CHECK(server.log.ends_with("reset 1\n"));
    CHECK_FALSE(server.connection.IsOpen(1));
  }
  SECTION("reset by the server") {
    server.connection.Reset(1, SpdyReset::kCancel);
    server.connection.Reset(1, SpdyReset::kCancel);
    CHECK(server.Heard(client) == "reset 1 5\n");
  }
  SECTION("opened with nothing to say") {
    CHECK(server.Say(client, client.Open(5, Type("x"), kSpdyFin)) == "reply 5\n");
    CHECK(server.log.ends_with("open 5 x\nfinish 5\n"));
  }
}

TEST_CASE("spdy: pings are answered, settings and what is unknown are not") {
  Server server;
  SpdyClient client;
  CHECK(server.Say(client, SpdyClient::Numbers(SpdyType::kPing, {7})) == "ping 7\n");
  CHECK(server.Say(client, SpdyClient::Numbers(SpdyType::kPing, {8})) == "");  // an answer to nothing
  CHECK(server.Say(client, SpdyClient::Numbers(SpdyType::kSettings, {1, 4, 100})) == "");
  CHECK(server.Say(client, SpdyClient::Control(static_cast<SpdyType>(99), "whatever")) == "");
  CHECK(server.good);
}

TEST_CASE("spdy: refused streams") {
  Server server;
  SpdyClient client;
  CHECK(server.Say(client, client.Open(1, Type("refuse me"))) == "reset 1 3\n");
  std::string many;
  for (std::uint32_t i = 0; i < SpdyConnection::kMaxStreams; ++i) many += client.Open(3 + 2 * i, Type("x"));
  CHECK(server.Say(client, many).find("reset") == std::string::npos);
  const std::uint32_t next = 3 + 2 * static_cast<std::uint32_t>(SpdyConnection::kMaxStreams);
  CHECK(server.Say(client, client.Open(next, Type("x"))) == fmt::format("reset {} 3\n", next));
  CHECK(server.Say(client, SpdyClient::Numbers(SpdyType::kRstStream, {3, 5}) + client.Open(next + 2, Type("x"))) ==
        fmt::format("reply {}\n", next + 2));
}

TEST_CASE("spdy: a connection that says goodbye") {
  Server server;
  SpdyClient client;
  server.Say(client, client.Open(1, Type("x")));
  SECTION("the client") {
    server.Say(client, SpdyClient::Numbers(SpdyType::kGoAway, {0, 0}));
    CHECK(server.connection.gone_away());
  }
  SECTION("the server") {
    server.connection.GoAway();
    server.connection.GoAway();
    CHECK(server.Heard(client) == "goaway 1 0\n");
    CHECK(server.Say(client, client.Open(3, Type("x"))) == "");
    CHECK(server.log == "open 1 x\n");
  }
}

TEST_CASE("spdy: what breaks the protocol is told, and nothing more is listened to") {
  Server server;
  SpdyClient client;
  CHECK(server.Say(client, client.Open(3, Type("x"))) == "reply 3\n");
  const auto numbers = &SpdyClient::Numbers;
  const std::vector<std::function<std::string()>> breaks = {
      [&] { return client.Open(3, Type("again")); },
      [&] { return client.Open(1, Type("below")); },
      [&] { return client.Open(4, Type("ours")); },
      [&] { return SpdyClient::Control(SpdyType::kSynStream, std::string(11, 'x')); },
      [&] { return SpdyClient::Control(SpdyType::kSynStream, "x"); },
      [&] { return SpdyClient::Control(SpdyType::kHeaders, "x"); },
      [&] { return SpdyClient::Control(SpdyType::kPing, "x"); },
      [&] { return numbers(SpdyType::kRstStream, {3}); },
      [&] { return numbers(SpdyType::kGoAway, {3}); },
      [&] {
        return numbers(SpdyType::kSettings, {2, 7, 1});
      },
      [&] {
        return numbers(SpdyType::kSettings, {1, 7, 0x80000000});
      },
      [&] { return numbers(SpdyType::kWindowUpdate, {3}); },
      [&] {
        return numbers(SpdyType::kWindowUpdate, {0, 0x7fffffff});
      },
      [&] { return std::string("\x80\x02\0\x06\0\0\0\4\0\0\0\1", 12); }};
  const std::size_t which = GENERATE(range(std::size_t{0}, std::size_t{14}));
  CAPTURE(which);
  REQUIRE(breaks.size() == 14);
  const std::string broken = breaks[which]();
  const std::string told = server.Say(client, broken);
  CHECK_FALSE(server.good);
  CHECK(told.starts_with("goaway "));
  CHECK(told.ends_with(" 1\n"));
  const std::string before = server.log;
  CHECK(server.Say(client, SpdyClient::Data(3, "more")) == "");
  CHECK_FALSE(server.good);
  CHECK(server.log == before);
}

TEST_CASE("spdy: windows count once the client opens them") {
  Server server;
  SpdyClient client;
  server.Say(client, client.OpenAll({{1, Type("x")}, {3, Type("y")}}));
  server.connection.Send(1, std::string(60'000, 'a'), false);
  CHECK(server.connection.Room(1) == 1u << 20);
  SECTION("of a stream") {
    server.Say(client, SpdyClient::Numbers(SpdyType::kWindowUpdate, {1, 1000}));
    CHECK(server.connection.Room(1) == 65'536 - 60'000 + 1000);
    CHECK(server.connection.Room(3) == 65'536);
    server.connection.Send(1, std::string(6'536, 'a'), false);
    CHECK(server.connection.Room(1) == 0);
    CHECK(server.connection.IsOpen(1));
    // The initial window may be changed, for open streams too, to less than what has been sent.
    server.Say(client, SpdyClient::Numbers(SpdyType::kSettings, {1, 7, 1000}));
    CHECK(server.connection.Room(1) == 0);
    CHECK(server.connection.Room(3) == 1000);
    server.Say(client, SpdyClient::Numbers(SpdyType::kWindowUpdate, {1, 65'536}));
    CHECK(server.connection.Room(1) == 1000);
  }
  SECTION("of the session") {
    server.Say(client, SpdyClient::Numbers(SpdyType::kWindowUpdate, {0, 10}));
    CHECK(server.connection.Room(3) == 65'536 - 60'000 + 10);
  }
  SECTION("too wide") {
    CHECK(server.Say(client, SpdyClient::Numbers(SpdyType::kWindowUpdate, {1, 0x7fffffff})).ends_with("reset 1 7\n"));
    CHECK(server.log.ends_with("reset 1\n"));
  }
}

TEST_CASE("spdy: a client that looks at its windows is told what has been consumed") {
  Server server;
  SpdyClient client;
  server.Say(client, client.Open(1, Type("x")));
  server.connection.Consumed(1, 20'000);
  CHECK(server.Heard(client) == "");
  server.connection.Consumed(1, 20'000);
  CHECK(server.Heard(client) == "window 0 40000\nwindow 1 40000\n");
  // What nobody takes, as its stream has ended, counts for the session.
  server.Say(client, SpdyClient::Numbers(SpdyType::kRstStream, {1, 5}));
  CHECK(server.Say(client, SpdyClient::Data(1, std::string(40'000, 'x'))) == "window 0 40000\n");
}
