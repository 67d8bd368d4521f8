// Commands in containers over WebSocket: the HTTPS server and the frontend as they are, a node that does what the test
// wants, and a client that sends bytes.
#include <catch2/catch.hpp>

#include <future>

#include "unit/api/http/stream_node.h"

using namespace minikube;
using namespace minikube::api;
using namespace minikube::api::testing;

TEST_CASE("exec: streams, both ways, and the exit code") {
  StreamFixture f;
  const std::string protocols = GENERATE("v5.channel.k8s.io,v4.channel.k8s.io", "v4.channel.k8s.io,nonsense");
  TlsClient client = f.Connect();
  f.Open(client, protocols);
  CHECK(f.node->asked.spec.command == std::vector<std::string>{"sh", "-c"});
  CHECK(f.node->asked.spec.in);
  CHECK_FALSE(f.node->asked.spec.tty);
  CHECK(client.ReadUntil(Served("\x01")) != "");  // it may begin

  client.Send(Frame(std::string("\0hello", 6)));
  // In pieces, with a ping between them.
  client.Send(Frame(std::string("\0 w", 3), 2, false) + Frame("are you there", 9) + Frame("orld", 0));
  CHECK(f.node->Until([&] { return f.node->input() == "hello world"; }));
  CHECK(client.ReadUntil("are you there") != "");

  f.node->Output(OutputStream::kOut, "out");
  CHECK(client.ReadUntil(Served("\x01out")) != "");
  f.node->Output(OutputStream::kErr, "err");
  CHECK(client.ReadUntil(Served("\x02"
                                "err")) != "");
  CHECK(f.node->Until([&] { return f.node->at(0).read_on == 2; }));

  SECTION("success") {
    f.node->End(0);
    CHECK(client.ReadUntil(kClosedNormally).find("\x03{\"metadata\":{},\"status\":\"Success\"}") != std::string::npos);
  }
  SECTION("an exit code") {
    f.node->End(7);
    const std::string end = client.ReadUntil(kClosedNormally);
    CHECK(end.find(R"("reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}})") !=
          std::string::npos);
  }
  SECTION("a failure") {
    f.node->End(Status(Code::kBadRequest, "exec: \"x\": executable file not found in $PATH"));
    const std::string end = client.ReadUntil(kClosedNormally);
    CHECK(end.find(R"("reason":"InternalError")") != std::string::npos);
    CHECK(end.find("executable file not found") != std::string::npos);
  }
  client.Send(Frame("\x03\xe8", 8));
  CHECK(client.Closed());
  CHECK(f.node->Until([&] { return f.node->open == 0; }));
}

TEST_CASE("exec: the end of input is a message of v5 alone") {
  StreamFixture f;
  const bool v5 = GENERATE(true, false);
  TlsClient client = f.Connect();
  f.Open(client, v5 ? "v5.channel.k8s.io" : "v4.channel.k8s.io");
  client.Send(Frame(std::string("\xff\x01", 2)));  // of another stream
  client.Send(Frame(std::string("\xff\x00", 2)) + Frame(std::string("\0x", 2)) + Frame("\x07?") + Frame(""));
  if (v5) {
    CHECK(f.node->Until([&] { return f.node->input_closed(); }));
  } else {
    CHECK(f.node->Until([&] { return f.node->input() == "x"; }));
  }
  f.node->End(0);
  CHECK(client.ReadUntil(kClosedNormally) != "");
  CHECK(f.node->input_closed() == v5);
  CHECK(f.node->input() == (v5 ? "" : "x"));
}

TEST_CASE("exec: a terminal's size, and what is none") {
  StreamFixture f;
  TlsClient client = f.Connect();
  f.Open(client, "v5.channel.k8s.io", std::string(kExec) + "&tty=true");
  CHECK(f.node->asked.spec.tty);
  CHECK_FALSE(f.node->asked.spec.err);
  for (const std::string& text :
       {std::string("{\"Width\":80,\"Height\":24}\n"), std::string("{\"Width\":-1,\"Height\":24}"), std::string("{"),
        std::string("[[[[[["), std::string("\xff\xfe"), std::string("null"),
        std::string("{\"Width\":70000,\"Height\":1}"), std::string("{\"Width\":\"8\",\"Height\":24}"),
        std::string(100'000, '['), std::string("{\"Width\":81,\"Height\":25,\"More\":{}}")}) {
    client.Send(Frame("\x04" + text));
  }
  CHECK(f.node->Until([&] { return f.node->sizes.size() >= 2; }));
  CHECK(f.node->sizes == std::vector<std::pair<int, int>>{{80, 24}, {81, 25}});
}

TEST_CASE("exec: a process that takes no input slows the client down") {
  StreamFixture f;
  TlsClient client = f.Connect();
  f.Open(client);
  constexpr std::size_t kPiece = 100'000;
  std::string all;
  for (int i = 0; i < 8; ++i) all += Frame(std::string(1, '\0') + std::string(kPiece, static_cast<char>('a' + i)));
  client.Send(all);
  // 256 KiB and the message that crosses that line.
  REQUIRE(f.node->Until([&] { return f.node->input().size() >= 3 * kPiece; }));
  f.node->Output(OutputStream::kOut, "meanwhile");
  CHECK(client.ReadUntil("meanwhile") != "");
  CHECK(f.node->input().size() == 3 * kPiece);
  f.node->Taken(kPiece);
  REQUIRE(f.node->Until([&] { return f.node->input().size() >= 4 * kPiece; }));
  f.node->Taken(3 * kPiece);
  REQUIRE(f.node->Until([&] { return f.node->input().size() >= 7 * kPiece; }));
  f.node->Taken(7 * kPiece);  // more than there was: no matter
  CHECK(f.node->Until([&] { return f.node->input().size() == 8 * kPiece; }));
}

TEST_CASE("exec: messages over the limit and broken frames end the connection and the process") {
  HttpLimits limits;
  limits.max_message_bytes = 1000;
  StreamFixture f(limits);
  TlsClient client = f.Connect();
  f.Open(client);
  SECTION("too big, told by its header") { client.Send(Frame(std::string(5000, '\0')).substr(0, 8)); }
  SECTION("too big in pieces") {
    for (int i = 0; i < 20; ++i) client.Send(Frame(std::string(100, '\0'), i == 0 ? 2 : 0, false));
  }
  SECTION("no mask") { client.Send(std::string("\x82\x01x")); }
  SECTION("reserved bits") { client.Send(std::string("\xf2\x81\0\0\0\0x", 7)); }
  SECTION("a continuation of nothing") { client.Send(Frame("x", 0)); }
  SECTION("a ping that is too long") { client.Send(Frame(std::string(200, 'x'), 9)); }
  SECTION("text that is not UTF-8") { client.Send(Frame("\xff\xfe", 1)); }
  CHECK(f.node->Until([&] { return f.node->open == 0; }));
}

TEST_CASE("exec: when either side goes, so do the streams") {
  StreamFixture f;
  SECTION("the client says goodbye") {
    TlsClient client = f.Connect();
    f.Open(client);
    client.Send(Frame("\x03\xe8", 8));
    CHECK(client.Closed());
  }
  SECTION("the client is killed") {
    TlsClient client = f.Connect();
    f.Open(client);
  }
  SECTION("the server stops") {
    TlsClient client = f.Connect();
    f.Open(client);
    f.server->Stop();
    CHECK(client.ReadUntil(std::string("\x88\x02\x03\xe9", 4)) != "");
  }
  CHECK(f.node->Until([&] { return f.node->open == 0; }));
  CHECK(f.node->Until([&] { return f.server->stats().streams == 0; }));
}

TEST_CASE("exec: what speaks before the upgrade is granted is cut off") {
  StreamFixture f;
  TlsClient client = f.Connect();
  client.Send(StreamFixture::Upgrade(kExec, "v5.channel.k8s.io") + Frame(std::string("\0early", 6)));
  CHECK(client.Closed());
  CHECK(f.node->Until([&] { return f.node->open == 0; }));
  CHECK(f.node->input() == "");
}

TEST_CASE("exec: refused with a Status, on a connection that goes on") {
  StreamFixture f;
  TlsClient client = f.Connect();
  const auto ask = [&](const std::string& request) {
    client.Send(request);
    return client.Read();
  };
  const std::string http = " HTTP/1.1\r\nHost: x\r\n";
  SECTION("no upgrade") {
    const ClientResponse response = ask("GET " + std::string(kExec) + http + "\r\n");
    CHECK(response.status == 400);
    CHECK(response.body.find("Upgrade request required") != std::string::npos);
  }
  SECTION("something else") {
    const ClientResponse response =
        ask("GET " + std::string(kExec) + http + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    CHECK(response.status == 400);
    CHECK(response.body.find("unable to upgrade to h2c") != std::string::npos);
  }
  SECTION("SPDY in a version that is not spoken") {
    const ClientResponse response =
        ask("POST " + std::string(kExec) + http +
            "Content-Length: 0\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v9\r\n\r\n");
    CHECK(response.status == 403);
    CHECK(response.headers.at("x-accepted-stream-protocol-versions") == "channel.k8s.io");  // the last of them
  }
  SECTION("SPDY without a protocol") {
    const ClientResponse response = ask("POST " + std::string(kExec) + http +
                                        "Content-Length: 0\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n");
    CHECK(response.status == 400);
    CHECK(response.body.find("header X-Stream-Protocol-Version does not name a protocol") != std::string::npos);
  }
  SECTION("unknown subprotocols") {
    const ClientResponse response = ask(StreamFixture::Upgrade(kExec, "v9.channel.k8s.io, chat"));
    CHECK(response.status == 400);
    CHECK(response.body.find("v5.channel.k8s.io") != std::string::npos);
  }
  SECTION("no stream") {
    CHECK(ask(StreamFixture::Upgrade("/api/v1/namespaces/d/pods/p/exec?command=x", "v5.channel.k8s.io")).status == 400);
  }
  SECTION("no command") {
    CHECK(ask(StreamFixture::Upgrade("/api/v1/namespaces/d/pods/p/exec?stdout=1", "v5.channel.k8s.io")).status == 400);
  }
  SECTION("by the engine") {
    f.engine.pod_exec = [](const ExecRequest&) { return Status(Code::kForbidden, "no"); };
    CHECK(ask(StreamFixture::Upgrade(kExec, "v5.channel.k8s.io")).status == 403);
  }
  SECTION("by the node") {
    f.node->answer = Status(Code::kInternal, "container not found (\"main\")");
    const ClientResponse response = ask(StreamFixture::Upgrade(kExec, "v5.channel.k8s.io"));
    CHECK(response.status == 500);
    CHECK(response.body.find(R"(container not found (\"main\"))") != std::string::npos);
  }
  CHECK(f.node->Until([&] { return f.node->open == 0; }));
  CHECK(client.Get("/version").status == 200);
}

TEST_CASE("exec: there is a limit to how many run") {
  StreamFixture f;
  const auto ask = [&] {
    HttpRequest request;
    request.method = "GET";
    request.target = kExec;
    request.headers = {{"Authorization", "Bearer tok"},
                       {"Connection", "Upgrade"},
                       {"Upgrade", "websocket"},
                       {"Sec-WebSocket-Version", "13"},
                       {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                       {"Sec-WebSocket-Protocol", "v5.channel.k8s.io"}};
    std::promise<HttpReply> promise;
    f.frontend.Handle(std::move(request), [&](HttpReply reply) { promise.set_value(std::move(reply)); });
    return promise.get_future().get();
  };
  std::vector<HttpReply> running;
  for (int i = 0; i < 256; ++i) {
    running.push_back(ask());
    REQUIRE(running.back().status == 101);
  }
  CHECK(ask().status == 429);
  running.pop_back();
  CHECK(ask().status == 101);
}
